"""One file to what is known of it before its rows are read: its format and its columns."""

import csv
import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cli.errors import DataError, UsageError
from recsys_cli.tables.columns import columns_without_header
from recsys_cli.tables.fields import is_text_name
from recsys_cli.tables.suffixes import SUFFIXES, Format
from recsys_cli.tables.text_files import (
    UTF_8,
    is_packed,
    is_utf_8,
    open_bytes,
    open_text,
    readable,
    reading,
)

DELIMITERS: Final[dict[Format, str]] = {"csv": ",", "tsv": "\t", "dat": "::", "recbole": "\t"}
SEQUENCE_TYPES: Final = ("token_seq", "float_seq")  # of RecBole's columns, whose values spaces separate
COLUMN_TYPES: Final = ("token", "float", *SEQUENCE_TYPES)
MOST_KEYS: Final = 20_000  # of JSON objects; more are no columns but data
LONGEST_LINE: Final = 1 << 24  # bytes, of rows in separated files
LONGEST_OBJECT: Final = 1 << 26  # bytes, of a line of JSON
# How a file begins that is no text -> what it is, and what to do.
NO_TEXT: Final = {
    b"\x1f\x8b": ("gzipped, and its name does not say so", "Add .gz to its name."),
    b"\x28\xb5\x2f\xfd": ("packed with zstd, and its name does not say so", "Add .zst to its name."),
    b"PAR1": ("a Parquet file, not text", "Call it .parquet, or give --format parquet."),
    b"PK\x03\x04": ("a zip archive or a spreadsheet, not text", "Unpack it, or save the sheet as CSV."),
    b"BZh": ("packed with bzip2", "Unpack it, or pack it with gzip."),
    b"\xfd7zX": ("packed with xz", "Unpack it, or pack it with gzip."),
}
REPLACED: Final = "\ufffd"  # stands in a text for bytes that are not UTF-8
UTF_32_STARTS: Final = (b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\0\0\0")
UTF_16_STARTS: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Source:
    """One file of one table."""

    path: Path
    label: str  # what errors and rejects call it
    format: Format
    names: tuple[str, ...]  # of its columns
    text_columns: frozenset[str] = frozenset()  # (Parquet) of text; never made integers
    float_columns: frozenset[str] = frozenset()  # (Parquet) where blanks may have made whole numbers floats
    list_columns: frozenset[str] = frozenset()  # whose cells hold several values; of JSON each cell tells
    nested_columns: frozenset[str] = frozenset()  # whose cells hold no single value
    # Columns that only the folders' names hold: `year=2024/part.csv`; None is a blank.
    partitions: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    encoding: str = UTF_8  # of its text

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the file, then those of its folders."""
        return (*self.names, *self.partitions)

    @property
    def delimiter(self) -> str:
        return DELIMITERS[self.format]

    @property
    def is_separated(self) -> bool:
        """Whether its rows are lines of cells."""
        return self.format in DELIMITERS

    @property
    def has_header(self) -> bool:
        return self.is_separated and self.format != "dat"

    @property
    def quote(self) -> str:
        """What stands around a cell with delimiters in it; empty: a quote is a letter like others."""
        return "" if self.format == "dat" else '"'


def open_source(path: Path, label: str, *, chosen: str, encoding: str, table: str, scratch: Path) -> Source:
    """Look at one file; see `find_sources`."""
    _require_readable_name(path, label)
    kind = _format(path, label, chosen)
    with reading(label):
        if path.stat().st_size == 0:
            raise DataError(f"{label} is empty.", hint="Give a file with a header and rows.")
        if kind == "parquet":
            source = _parquet_source(path, label)
        else:
            _require_text(path, label, encoding)
            source = _text_source(path, label, kind, encoding, table, scratch)
    require_distinct(source.names, label)
    return source


def _require_readable_name(path: Path, label: str) -> None:
    """Refuse what DuckDB cannot be handed: what is no UTF-8, and a backslash where a name has wildcards."""
    try:
        label.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"The name of the file {os.fsencode(label)!r} is not UTF-8 text.", hint="Rename the file."
        ) from error
    if "\\" in str(path) and glob.escape(str(path)) != str(path):
        raise DataError(
            f"The name of the file {label} holds a backslash beside one of *?[, and cannot be read.",
            hint="Rename the file.",
        )


def _format(path: Path, label: str, chosen: str) -> Format:
    if chosen != "auto":
        return cast("Format", chosen)
    named = path.with_suffix("") if is_packed(path) else path
    kind = SUFFIXES.get(named.suffix.lower())
    if kind is None:
        known = ", ".join(SUFFIXES)
        raise UsageError(
            f"{label} has no suffix that tells its format ({known}, also with .gz or .zst).",
            hint="Give --format.",
        )
    return kind


def _parquet_source(path: Path, label: str) -> Source:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's
        raise DataError(
            f"{label} is not a Parquet file.", hint="Check the file, or give --format."
        ) from error

    def columns(kinds: Iterable[bool]) -> frozenset[str]:
        return frozenset(name for name, holds in zip(schema.names, kinds, strict=True) if holds)

    return Source(
        path,
        label,
        "parquet",
        tuple(name for name in schema.names if name),  # SQL cannot name one without a name
        text_columns=columns(is_text(kind) for kind in schema.types),
        float_columns=columns(pa.types.is_floating(kind) for kind in schema.types),
        list_columns=columns(is_list(kind) for kind in schema.types),
        nested_columns=columns(pa.types.is_nested(kind) for kind in schema.types),
    )


def is_list(kind: pa.DataType) -> bool:
    """Whether the values of an Arrow type are lists."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether the values of an Arrow type are text, coded or not."""
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _require_text(path: Path, label: str, encoding: str) -> None:
    """Refuse what begins like a packed file, or like UTF-16 and UTF-32 where these are not named."""
    with open_bytes(path, UTF_8) as stream:
        start = stream.read(4)
    for beginning, (what, hint) in NO_TEXT.items():
        if start.startswith(beginning):
            raise DataError(f"{label} is {what}.", hint=hint)
    if is_utf_8(encoding) and (start.startswith(UTF_16_STARTS) or b"\0" in start):
        wide = "utf-32" if start.startswith(UTF_32_STARTS) or start.endswith(b"\0\0\0") else "utf-16"
        raise DataError(f"{label} is {wide.upper()} text, not UTF-8.", hint=f"Give --encoding {wide}.")


def _text_source(path: Path, label: str, kind: Format, encoding: str, table: str, scratch: Path) -> Source:
    if kind == "jsonl":
        return Source(path, label, kind, _json_keys(path, label, encoding, scratch), encoding=encoding)
    if kind == "dat":
        names = columns_without_header(table, _dat_width(path, label, encoding))
        return Source(path, label, kind, names, encoding=encoding)
    names = _header(path, label, encoding, DELIMITERS[kind])
    if kind in ("csv", "tsv"):
        return Source(path, label, kind, names, encoding=encoding)
    typed = [_typed(name) for name in names]
    # What a title is made of are words, and no values of their own.
    lists = frozenset(name for name, kind in typed if kind in SEQUENCE_TYPES and not is_text_name(name))
    return Source(
        path,
        label,
        kind,
        tuple(name for name, _ in typed),
        list_columns=lists,
        nested_columns=lists,
        encoding=encoding,
    )


def _header(path: Path, label: str, encoding: str, delimiter: str) -> tuple[str, ...]:
    with open_text(path, encoding) as stream:
        try:
            names = next(csv.reader(stream, delimiter=delimiter), None)
        except csv.Error as error:
            raise DataError(
                f"{label} has a first line that cannot be read: {error}.", hint="Check its quotes."
            ) from error
    if not names or not any(name.strip() for name in names):
        raise DataError(f"{label} has no header.", hint="Put the columns' names into its first line.")
    unreadable = next((name for name in names if REPLACED in name), None)
    if unreadable is not None:
        raise DataError(
            f"{label} line 1 is not UTF-8 text: a column would be called {unreadable!r}.",
            hint="Name the file's encoding, for example --encoding latin-1.",
        )
    # A data frame's index is written under no name.
    return tuple(name if name.strip() else f"column {place}" for place, name in enumerate(names, 1))


def _typed(name: str) -> tuple[str, str]:
    """`genres:token_seq` -> name and type; a name without one of RecBole's types has none."""
    plain, _, kind = name.rpartition(":")
    return (plain, kind) if plain and kind in COLUMN_TYPES else (name, "")


def _dat_width(path: Path, label: str, encoding: str) -> int:
    """How many columns the first line has."""
    with open_bytes(path, encoding) as stream:
        line = stream.readline(LONGEST_LINE)
    width = line.count(DELIMITERS["dat"].encode()) + 1
    if width == 1:
        raise DataError(
            f"{label} has no {DELIMITERS['dat']!r} in its first line.",
            hint="Give --format, or rename it by what it is, for example to .csv.",
        )
    return width


def _json_keys(path: Path, label: str, encoding: str, scratch: Path) -> tuple[str, ...]:
    """Every key of the objects in a file, in the order of their bytes; not one without a name."""
    with readable(path, encoding, scratch, skips_mark=False) as plain, duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        try:
            rows = connection.execute(
                "SELECT DISTINCT unnest(json_keys(json)) AS key FROM read_json_objects($path, "
                "format = 'newline_delimited', ignore_errors = true, "
                f"maximum_object_size = {LONGEST_OBJECT}) WHERE json_type(json) = 'OBJECT' "
                f"ORDER BY key LIMIT {MOST_KEYS + 1}",
                {"path": glob.escape(str(plain))},
            ).fetchall()
        except duckdb.InvalidInputException as error:
            raise DataError(
                f"{label} cannot be read: {str(error).splitlines()[0].rstrip('.')}.", hint="Check the file."
            ) from error
    keys = tuple(key for (key,) in rows if key)
    if not keys:
        raise DataError(
            f"{label} has no JSON object in its lines.",
            hint="Write one object a line (`jq -c '.[]'` does it to a list), or give --format.",
        )
    if len(keys) > MOST_KEYS:
        raise DataError(
            f"The JSON objects of {label} have more than {MOST_KEYS:,} different keys.",
            hint="Write values as values, not as keys.",
        )
    return keys


def require_distinct(names: Sequence[str], label: str) -> None:
    """Raise DataError where two columns cannot be told apart."""
    plain = [name.casefold() for name in names]  # DuckDB tells no names apart by case
    if len(set(plain)) == len(plain):
        return
    twice = {name for name, folded in zip(names, plain, strict=True) if plain.count(folded) > 1}
    raise DataError(
        f"{label} has two columns with the name {min(twice)!r}.", hint="Give every column its own name."
    )
