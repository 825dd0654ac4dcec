"""Files into one DuckDB table of text columns; what the reader refuses goes to the rejects.

Everything is read as text with the quoting said, never detected: detection turns one unclosed quote
into thousands of rejected rows. A table's rowid follows the order of the input.
"""

import errno
import glob
import gzip
import os
import shutil
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recsys_cli.errors import DataError, UsageError
from recsys_cli.tables.lines import named_lines, row_lines
from recsys_cli.tables.sources import Source, is_list

NOTHING: Final = "no column has a value"  # of a row; a JSON reader makes such rows of what is no object
LARGEST_WHOLE: Final = 2.0**53  # from here on floats leave whole numbers out
REFUSALS: Final = {
    "UNQUOTED VALUE": "a quote is not closed, or text follows it",
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "INVALID ENCODING": "not UTF-8 text",
    "INVALID UNICODE": "not UTF-8 text",
    "LINE SIZE OVER MAXIMUM": "the line is too long",
}


@dataclass
class Rejects:
    """Rows that are not used, with where they stand and why."""

    parts: list[pd.DataFrame] = field(default_factory=list[pd.DataFrame])

    def add(self, label: str, lines: NDArray[np.int64], reasons: Sequence[str], raw: Sequence[str]) -> None:
        if len(lines):
            self.parts.append(
                pd.DataFrame({"file": label, "line": lines, "reason": list(reasons), "raw": list(raw)})
            )

    def frame(self) -> pd.DataFrame:
        """All of them, by file and line: file, line (from 1), reason, raw."""
        empty = pd.DataFrame({name: [] for name in ("file", "line", "reason", "raw")})
        rows = pd.concat([empty, *self.parts], ignore_index=True).astype({"line": "int64"})
        order = np.lexsort((rows["line"], pd.factorize(rows["file"])[0]))
        return rows.iloc[order].reset_index(drop=True)


@dataclass
class Loaded:
    """One table in DuckDB: columns by role, and rowids in the order of the input."""

    table: str
    sources: list[str]  # label of each file number
    files: list[Source | None]  # None: a data frame
    first_rows: NDArray[np.int64]  # (files,) rowid of each file's first row
    refused: list[NDArray[np.int64]]  # of each file, the rows that the reader refused, from 1
    swallowed: int = 0  # lines beyond the first of refused rows: a quote that is not closed takes all

    @property
    def num_refused(self) -> int:
        return sum(map(len, self.refused))

    def reason(self, number: int, reason: str) -> str:
        """Why a row of one file cannot be used, in that file's words."""
        source = self.files[number]
        is_json = source is not None and source.format == "jsonl"
        return "no JSON object with these columns" if is_json and reason == NOTHING else reason

    def place(self, rowids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """File number and line (from 1; the first one of a row with newlines in it) of some rowids."""
        files = np.searchsorted(self.first_rows, rowids, side="right") - 1
        lines = np.empty_like(rowids)
        for number in np.unique(files).tolist():
            here = files == number
            lines[here] = self._lines(number, rowids[here] - self.first_rows[number])
        return files, lines

    def _lines(self, number: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Lines of the rows (from 0) that were read from one file; without lines, their numbers."""
        source = self.files[number]
        if source is None or source.format == "parquet":
            return rows + 1
        lines = row_lines(source)
        refused = np.minimum(self.refused[number], len(lines)) - 1
        lines[refused] = -np.abs(lines[refused])
        return named_lines(lines[lines > 0], rows + (source.format != "jsonl"))


def connect(scratch: Path, *, memory_limit: str, threads: int | None) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills into `scratch` and keeps to `memory_limit`. Raises UsageError."""
    connection = duckdb.connect()  # a database on disk packs what it stores: 3.5 s for 10 M rows, not 1.1 s
    connection.execute("SET TimeZone = 'UTC'")  # a time without a zone is taken as UTC
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET temp_directory = {quoted(str(scratch / 'spill'))}")
    try:
        connection.execute(f"SET memory_limit = {quoted(memory_limit)}")
    except duckdb.Error as error:
        raise UsageError(
            f"memory_limit={memory_limit} is not a size.", hint="Give one such as 2GB."
        ) from error
    if threads is not None:
        connection.execute(f"SET threads = {threads}")
    return connection


def load_files(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    sources: Sequence[Source],
    columns: Sequence[Mapping[str, str]],
    rejects: Rejects,
    *,
    scratch: Path,
    separator: str = "|",
) -> Loaded:
    """Read the `columns` (role -> name, a mapping a file) of all files into `table`, in order.

    Gzip files are unpacked into `scratch`, one at a time. A cell that holds a list becomes its values
    with `separator` between them. Raises DataError where a file cannot be read at all.
    """
    roles = list(dict.fromkeys(role for mapping in columns for role in mapping))
    listed = ", ".join(f"{name(role)} VARCHAR" for role in roles)
    connection.execute(f"CREATE TABLE {table} ({listed})")
    loaded = Loaded(table, [], [], np.zeros(len(sources), np.int64), [])
    for number, (source, mapping) in enumerate(zip(sources, columns, strict=True)):
        loaded.first_rows[number] = first_row(connection, f"SELECT count(*) FROM {table}")[0]
        chosen = ", ".join(
            _text(source, mapping[role], separator) if role in mapping else "NULL" for role in roles
        )
        with _unpacked(source, scratch) as plain:
            _insert(connection, f"INSERT INTO {table} SELECT {chosen} FROM {_scan(plain)}", plain)
            refused, swallowed = _refused(connection, plain, rejects)
        loaded.sources.append(source.label)
        loaded.files.append(source)
        loaded.refused.append(refused)
        loaded.swallowed += swallowed
    return loaded


def _insert(connection: duckdb.DuckDBPyConnection, query: str, source: Source) -> None:
    try:
        connection.execute(query)
    except duckdb.Error as error:
        if _is_of_the_system(error, source):
            raise
        raise _unreadable(source, error) from error


def _text(source: Source, column: str, separator: str) -> str:
    """A column as text in SQL; a whole number that is stored as a float is written as the number it is."""
    if column in source.partitions:
        value = source.partitions[column]
        return "NULL" if value is None else quoted(value)
    value = name(column)
    if column in source.list_columns:
        joined = _joined(value, separator)
        if source.format == "parquet":
            return joined
        return f"CASE json_type({value}) WHEN 'ARRAY' THEN {joined} ELSE {value} ->> '$' END"
    if column not in source.float_columns:
        return f"CAST({value} AS VARCHAR)"
    return (
        f"CASE WHEN {value} % 1 = 0 AND abs({value}) < {LARGEST_WHOLE} "
        f"THEN CAST(CAST({value} AS BIGINT) AS VARCHAR) ELSE CAST({value} AS VARCHAR) END"
    )


def _joined(value: str, separator: str) -> str:
    return f"array_to_string(CAST({value} AS VARCHAR[]), {quoted(separator)})"


def load_arrow(
    connection: duckdb.DuckDBPyConnection, table: str, given: pa.Table, *, separator: str = "|"
) -> Loaded:
    """The columns of an Arrow table, called by role, as such a table."""
    connection.register("given_arrow", given)
    texts = {
        field.name: _joined(name(field.name), separator)
        if is_list(field.type)
        else f"CAST({name(field.name)} AS VARCHAR)"
        for field in given.schema
    }
    chosen = ", ".join(f"{text} AS {name(role)}" for role, text in texts.items())
    connection.execute(f"CREATE TABLE {table} AS SELECT {chosen} FROM given_arrow")
    connection.unregister("given_arrow")
    return Loaded(table, [table], [None], np.zeros(1, np.int64), [np.zeros(0, np.int64)])


def _is_of_the_system(error: duckdb.Error, source: Source) -> bool:
    """Whether memory or the disk of the scratch folder is to blame, and not the file."""
    if isinstance(error, duckdb.OutOfMemoryException) or os.strerror(errno.ENOSPC) in str(error):
        return True
    return isinstance(error, duckdb.IOException) and str(source.path) not in str(error)


def _unreadable(source: Source, error: duckdb.Error) -> DataError:
    reason = str(error).splitlines()[0].rstrip(".")
    if "state machine" in reason:  # what DuckDB says of a file whose lines end in more than one way
        return DataError(
            f"{source.label} mixes ways to end a line (\\n and \\r\\n).",
            hint="Make them all alike, for example with `dos2unix`.",
        )
    return DataError(f"{source.label} cannot be read: {reason}.", hint="Check the file.")


def _scan(source: Source) -> str:
    path = quoted(glob.escape(str(source.path)))  # or `data[1].csv` would be `data1.csv`
    if source.format == "parquet":
        return f"read_parquet({path}, hive_partitioning = false)"
    types = ", ".join(
        f"{quoted(column)}: '{'JSON' if column in source.list_columns else 'VARCHAR'}'"
        for column in source.names
    )
    if source.format == "jsonl":
        return (
            f"read_json({path}, format = 'newline_delimited', ignore_errors = true, columns = {{{types}}}, "
            "maximum_object_size = 67108864)"
        )
    return (
        f"read_csv({path}, auto_detect = false, header = true, delim = {quoted(source.delimiter)}, "
        f"quote = '\"', escape = '\"', columns = {{{types}}}, store_rejects = true, rejects_limit = 0, "
        "max_line_size = 16777216)"
    )


@contextmanager
def _unpacked(source: Source, scratch: Path) -> Generator[Source]:
    """A gzip file as a plain one in `scratch`, for as long as the block runs; any other as it is.

    DuckDB would unpack it on one thread, and end early in silence where it is damaged.
    """
    if source.path.suffix.lower() != ".gz":
        yield source
        return
    plain = scratch / "unpacked"
    try:
        with gzip.open(source.path) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 24)
        yield replace(source, path=plain)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{source.label} is not a whole gzip file: {error}.", hint="Copy the file again."
        ) from error
    finally:
        plain.unlink(missing_ok=True)


def _refused(
    connection: duckdb.DuckDBPyConnection, source: Source, rejects: Rejects
) -> tuple[NDArray[np.int64], int]:
    """Move what the CSV reader refused to the rejects, one entry a row.

    Returns the rows' numbers (from 1, the header and blank lines counted), and how many further
    lines these rows have swallowed.
    """
    if source.format not in ("csv", "tsv"):
        return np.zeros(0, np.int64), 0
    rows = connection.execute(
        "SELECT line, first(error_type ORDER BY column_idx), first(csv_line) FROM reject_errors "
        "GROUP BY line ORDER BY line"
    ).fetchall()
    connection.execute("DELETE FROM reject_errors")
    connection.execute("DELETE FROM reject_scans")
    if not rows:
        return np.zeros(0, np.int64), 0
    numbers = np.array([row[0] for row in rows], np.int64)
    raw = [str(row[2]).strip("\r\n") for row in rows]
    reasons = [REFUSALS.get(str(row[1]), str(row[1]).lower().replace("_", " ")) for row in rows]
    rejects.add(source.label, named_lines(row_lines(source), numbers - 1), reasons, raw)
    return numbers, sum(text.count("\n") for text in raw)


def first_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The only row of a query's answer; fetched to its end, or the connection would stay busy."""
    return connection.execute(query).fetchall()[0]


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """A column's name as SQL."""
    return '"' + text.replace('"', '""') + '"'
