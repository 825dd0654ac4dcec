"""Inputs as they are given to files that can be read: globs, folders, formats, header names."""

import csv
import gzip
import json
import shutil
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import IO, Final, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cli.errors import DataError, UsageError

Format = Literal["csv", "tsv", "parquet", "jsonl"]
STANDARD_INPUT: Final = "-"
SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
}  # fmt: skip
SAMPLED_LINES: Final = 100  # of a JSON lines file, to learn its keys
BYTE_ORDER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Source:
    """One file of one table."""

    path: Path
    label: str  # what errors and rejects call it
    format: Format
    names: tuple[str, ...]  # of its columns
    text_columns: frozenset[str]  # that the file itself says are text (Parquet); never made integers

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
        _open_source(path, label, chosen)
        for given in inputs
        for path, label in _files(given, chosen, scratch)
    ]


def _files(given: Path | str, chosen: str, scratch: Path) -> list[tuple[Path, str]]:
    text = str(given)
    if text == STANDARD_INPUT:
        spooled = scratch / f"stdin.{'csv' if chosen == 'auto' else chosen}"
        with spooled.open("wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
        return [(spooled, "standard input")]
    path = Path(text)
    if path.is_dir():
        inside = sorted(str(file) for file in path.rglob("*") if _is_part(file))
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


def _is_part(path: Path) -> bool:
    """Whether a file of a folder holds data; engines put marks such as `_SUCCESS` beside it."""
    return path.is_file() and not path.name.startswith(("_", "."))


def _open_source(path: Path, label: str, chosen: str) -> Source:
    kind = _format(path, label, chosen)
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{label} is empty.", hint="Give a file with a header and rows.")
        if kind == "parquet":
            return _parquet_source(path, label)
        names = _json_keys(path) if kind == "jsonl" else _header(path, label, kind)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{label} is not a whole gzip file: {error}.", hint="Copy the file again.") from error
    except PermissionError as error:
        raise DataError(
            f"{label} cannot be read: permission is denied.", hint="Change its permissions."
        ) from error
    _require_distinct(names, label)
    return Source(path, label, kind, tuple(names), frozenset())


_CONVERT: Final = "Convert it, for example with `iconv -f UTF-16 -t UTF-8`."


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
    texts = [
        field.name
        for field in schema
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    return Source(path, label, "parquet", tuple(schema.names), frozenset(texts))


def _open_text(path: Path) -> IO[str]:
    """Text whose first lines are to be looked at; bytes that are not UTF-8 are the reader's affair."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _header(path: Path, label: str, kind: Format) -> list[str]:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as stream:
        if stream.read(2) in BYTE_ORDER_MARKS:
            raise DataError(f"{label} is UTF-16 text, not UTF-8.", hint=_CONVERT)
    with _open_text(path) as stream:
        names = next(csv.reader(stream, delimiter="\t" if kind == "tsv" else ","), None)
    if not names or not any(name.strip() for name in names):
        raise DataError(f"{label} has no header.", hint="Put the columns' names into its first line.")
    return names


def _json_keys(path: Path) -> list[str]:
    """Keys of the first lines' objects, in order of appearance."""
    keys: dict[str, None] = {}
    with _open_text(path) as stream:
        for line, _ in zip(stream, range(SAMPLED_LINES), strict=False):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                keys |= dict.fromkeys(record)
    return list(keys)


def _require_distinct(names: Sequence[str], label: str) -> None:
    plain = [name.casefold() for name in names]  # DuckDB tells no names apart by case
    twice = {name for name, folded in zip(names, plain, strict=True) if plain.count(folded) > 1}
    if twice:
        raise DataError(
            f"{label} has two columns with the name {min(twice)!r}.", hint="Give every column its own name."
        )
