"""Inputs as they are given to files that can be read: globs, folders, formats, header names."""

import csv
import gzip
import io
import itertools
import json
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import glob
from pathlib import Path
from typing import IO, Any, Final, Literal, cast
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cli.errors import DataError, UsageError

Format = Literal["csv", "tsv", "parquet", "jsonl"]
STANDARD_INPUT: Final = "-"
SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
}  # fmt: skip
SAMPLED_LINES: Final = 10_000  # of a JSON lines file, to learn its keys
UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
BLANK_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
GZIP_MAGIC: Final = b"\x1f\x8b"
# How a file begins that is no text -> what it is, and what to do.
NO_TEXT: Final = {
    GZIP_MAGIC: ("gzipped, and its name does not say so", "Add .gz to its name."),
    b"PAR1": ("a Parquet file, not text", "Call it .parquet, or give --format parquet."),
    b"PK\x03\x04": ("a zip archive or a spreadsheet, not text", "Unpack it, or save the sheet as CSV."),
    b"BZh": ("packed with bzip2", "Unpack it, or pack it with gzip."),
    b"\xfd7zX": ("packed with xz", "Unpack it, or pack it with gzip."),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", "Unpack it, or pack it with gzip."),
}
UTF_8_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Source:
    """One file of one table."""

    path: Path
    label: str  # what errors and rejects call it
    format: Format
    names: tuple[str, ...]  # of its columns
    text_columns: frozenset[str]  # that the file itself says are text; never made integers
    float_columns: frozenset[str] = frozenset()  # (Parquet) where blanks may have made whole numbers floats
    list_columns: frozenset[str] = frozenset()  # whose cells hold lists, in JSON at least some
    # Columns that only the folders' names hold: `year=2024/part.csv`; None is a blank.
    partitions: Mapping[str, str | None] = field(default_factory=dict[str, str | None])

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the file, then those of its folders."""
        return (*self.names, *self.partitions)

    @property
    def delimiter(self) -> str:
        return "\t" if self.format == "tsv" else ","


def find_sources(inputs: Sequence[Path | str], chosen: str, scratch: Path) -> list[Source]:
    """Files in the order given, a glob's and a folder's in byte order.

    `chosen` is a format, or "auto" to tell by the suffix. Standard input (`-`) is spooled into
    `scratch`. Raises DataError for a file that is missing, empty or not what it seems to be,
    UsageError for a format that cannot be told.
    """
    return [
        _with_partitions(_open_source(path, label, chosen, scratch), given, label)
        for given in inputs
        for path, label in _files(given, chosen, scratch)
    ]


def _with_partitions(source: Source, given: Path | str, label: str) -> Source:
    """Adds `key=value` of the folders between what was given and the file; a column of the file wins."""
    own = {name.casefold() for name in source.names}
    outside = Path(given).parts
    pairs = [part.split("=", 1) for part in Path(label).parts[:-1] if "=" in part and part not in outside]
    partitions = {
        unquote(key): None if value == BLANK_PARTITION else unquote(value)
        for key, value in pairs
        if unquote(key).casefold() not in own
    }
    return replace(source, partitions=partitions)


def _files(given: Path | str, chosen: str, scratch: Path) -> list[tuple[Path, str]]:
    text = str(given)
    if text == STANDARD_INPUT:
        return [(_spool(sys.stdin.buffer, chosen, scratch), "standard input")]
    if not text:
        raise UsageError("The name of a file is empty.", hint="Check the variable that should hold it.")
    path = Path(text)
    if path.is_fifo():  # such as `<(zcat events.gz)`
        with path.open("rb") as stream:
            return [(_spool(stream, chosen, scratch), text)]
    if path.is_dir():
        inside = sorted(str(file) for file in path.rglob("*") if _is_part(file, path))
        if not inside:
            raise DataError(f"{path} has no files in it.", hint="Give a folder of Parquet or CSV files.")
        return [(Path(file), file) for file in inside]
    if path.exists():
        return [(path, text)]
    matches = sorted(glob(text, recursive=True))
    if not matches:
        what = "matches no file" if any(mark in text for mark in "*?[") else "does not exist"
        raise DataError(f"{text} {what}.", hint="Check the path.")
    return [(Path(match), match) for match in matches]


def _spool(stream: IO[bytes], chosen: str, scratch: Path) -> Path:
    """Copy what can be read only once into a file of its own."""
    suffix = ".csv" if chosen == "auto" else f".{chosen}"
    with tempfile.NamedTemporaryFile("wb", dir=scratch, suffix=suffix, delete=False) as file:
        shutil.copyfileobj(stream, file)
    path = Path(file.name)
    with path.open("rb") as start:
        return path.rename(f"{path}.gz") if start.read(2) == GZIP_MAGIC else path


def _is_part(path: Path, folder: Path) -> bool:
    """Whether a file below a folder holds data; engines put `_SUCCESS` and `_temporary/` beside it."""
    below = path.relative_to(folder).parts
    return path.is_file() and not any(part[0] in "_." and "=" not in part for part in below)


def _open_source(path: Path, label: str, chosen: str, scratch: Path) -> Source:
    _require_text_name(label)
    kind = _format(path, label, chosen)
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{label} is empty.", hint="Give a file with a header and rows.")
        if kind == "parquet":
            source = _parquet_source(path, label)
        else:
            _require_text(path, label)
            source = _json_source(path, label, scratch) if kind == "jsonl" else _csv_source(path, label, kind)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{label} is not a whole gzip file: {error}.", hint="Copy the file again.") from error
    except PermissionError as error:
        raise DataError(
            f"{label} cannot be read: permission is denied.", hint="Change its permissions."
        ) from error
    require_distinct(source.names, label)
    return source


def _require_text_name(label: str) -> None:
    """A name that is no UTF-8 cannot be handed to DuckDB, or be written into a dataset."""
    try:
        label.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"The name of the file {os.fsencode(label)!r} is not UTF-8 text.", hint="Rename the file."
        ) from error


def _format(path: Path, label: str, chosen: str) -> Format:
    if chosen != "auto":
        return cast("Format", chosen)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    kind = SUFFIXES.get(suffixes[-1] if suffixes else "")
    if kind is None:
        known = ", ".join(SUFFIXES)
        raise UsageError(
            f"{label} has no suffix that tells its format ({known}, also with .gz).", hint="Give --format."
        )
    return kind


def _parquet_source(path: Path, label: str) -> Source:
    try:
        schema = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{label} is not a Parquet file.", hint="Check the file, or give --format."
        ) from error
    texts = frozenset(field.name for field in schema if is_text(field.type))
    floats = frozenset(field.name for field in schema if pa.types.is_floating(field.type))
    lists = frozenset(field.name for field in schema if is_list(field.type))
    return Source(path, label, "parquet", tuple(schema.names), texts, floats, lists)


def is_list(kind: pa.DataType) -> bool:
    """Whether the values of an Arrow type are lists."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether the values of an Arrow type are text, coded or not."""
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def open_bytes(path: Path) -> IO[bytes]:
    """A file's bytes, unpacked where its name ends in `.gz`."""
    is_gzip = path.suffix.lower() == ".gz"
    return cast("IO[bytes]", gzip.open(path)) if is_gzip else path.open("rb")


def _open_text(path: Path) -> IO[str]:
    """Text whose first lines are to be looked at; bytes that are not UTF-8 are the reader's affair."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", errors="replace", newline="")


def _require_text(path: Path, label: str) -> None:
    """Refuse what begins like UTF-16 or like a packed file."""
    with open_bytes(path) as stream:
        start = stream.read(4)
    for beginning, (what, hint) in NO_TEXT.items():
        if start.startswith(beginning):
            raise DataError(f"{label} is {what}.", hint=hint)
    if start[:2] in UTF_16_MARKS or b"\0" in start:
        raise DataError(
            f"{label} is UTF-16 text, not UTF-8.",
            hint="Convert it, for example with `iconv -f UTF-16 -t UTF-8`.",
        )


def _csv_source(path: Path, label: str, kind: Format) -> Source:
    with _open_text(path) as stream:
        try:
            names = next(csv.reader(stream, delimiter="\t" if kind == "tsv" else ","), None)
        except csv.Error as error:
            raise DataError(
                f"{label} has a first line that cannot be read: {error}.", hint="Check its quotes."
            ) from error
    if not names or not any(name.strip() for name in names):
        raise DataError(f"{label} has no header.", hint="Put the columns' names into its first line.")
    # A data frame's index is written under no name.
    named = tuple(name if name.strip() else f"column {place}" for place, name in enumerate(names, 1))
    return Source(path, label, kind, named, frozenset())


def _json_source(path: Path, label: str, scratch: Path) -> Source:
    """Its columns are the keys of the first lines' objects, in order of appearance."""
    keys: dict[str, set[type]] = {}  # the types of its values
    with _open_text(path) as stream:
        for line in itertools.islice(stream, SAMPLED_LINES):
            for key, value in _json_object(line).items():
                keys.setdefault(key, set()).add(type(value))
    if not keys:
        raise DataError(
            f"{label} has no JSON object in its first {SAMPLED_LINES} lines.",
            hint="Write one object a line (`jq -c '.[]'` does it to a list), or give --format.",
        )
    texts, lists = (
        frozenset(key for key, types in keys.items() if wanted in types) for wanted in (str, list)
    )
    plain = _without_mark(path, scratch)
    return Source(plain, label, "jsonl", tuple(keys), texts, list_columns=lists)


def _json_object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _without_mark(path: Path, scratch: Path) -> Path:
    """The file, or a copy without its byte order mark, which no JSON reader skips."""
    with open_bytes(path) as stream:
        if stream.read(len(UTF_8_MARK)) != UTF_8_MARK:
            return path
        return _spool(stream, "jsonl", scratch)


def require_distinct(names: Sequence[str], label: str) -> None:
    """Raise DataError where two columns cannot be told apart."""
    plain = [name.casefold() for name in names]  # DuckDB tells no names apart by case
    twice = {name for name, folded in zip(names, plain, strict=True) if plain.count(folded) > 1}
    if twice:
        raise DataError(
            f"{label} has two columns with the name {min(twice)!r}.", hint="Give every column its own name."
        )
