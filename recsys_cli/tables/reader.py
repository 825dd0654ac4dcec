"""Files as parts that are read as text; their rows into a DuckDB table, what is refused to the rejects.

Everything is read as text with the quoting said, never detected: detection turns one unclosed quote
into thousands of rejected rows.
"""

import errno
import os
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recsys_cli.errors import DataError, UsageError
from recsys_cli.tables.formats import REPLACED, Source, is_list, is_text
from recsys_cli.tables.lines import line_texts, named_lines, row_lines
from recsys_cli.tables.queries import column_text, joined, name, quoted, scan_of, text_query
from recsys_cli.tables.text_files import UTF_8, readable, reading

NOTHING: Final = "no column has a value"  # of a row; a JSON reader makes such rows of what is no object
BLANK_IDS: Final = ("the user is blank", "the item is blank")
NOT_UTF_8: Final = "not UTF-8 text"
REFUSALS: Final = {
    "UNQUOTED VALUE": "a quote is not closed, or text follows it",
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "INVALID ENCODING": NOT_UTF_8,
    "INVALID UNICODE": NOT_UTF_8,
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


@dataclass(frozen=True)
class Part:
    """One file or data frame of a table; its rows may be read more than once."""

    label: str  # what errors and rejects call it
    query: str  # gives its columns by role, as text, in the order of the input
    text_roles: frozenset[str]  # whose column the file says is text; JSON says it in its rows
    text_query: str | None = None  # of JSON: gives the roles whose column holds a text in some row
    source: Source | None = None  # None: a data frame
    plain: Source | None = None  # the same as DuckDB can read it

    @property
    def is_separated(self) -> bool:
        return self.source is not None and self.source.is_separated


@dataclass
class Loaded:
    """One table in DuckDB, and where its rows come from; a row's place is its number in the input, from 0."""

    table: str
    sources: list[str]  # label of each file number
    files: list[Source | None]  # None: a data frame
    first_rows: NDArray[np.int64]  # (files,) place of each file's first row
    refused: list[NDArray[np.int64]]  # of each file, the rows that the reader refused, from 1
    swallowed: int = 0  # lines beyond the first of refused rows: a quote that is not closed takes all
    text_roles: set[str] = field(default_factory=set[str])  # whose column some file says is text

    @property
    def num_refused(self) -> int:
        return sum(map(len, self.refused))

    def reject(
        self, rejects: Rejects, places: NDArray[np.int64], reasons: Sequence[str], raw: Sequence[str]
    ) -> None:
        """Move rows to the rejects, each with its place in its file and why, in that file's words."""
        files, lines = self.place(places)
        for number in np.unique(files).tolist():
            here = np.flatnonzero(files == number)
            why, texts = [reasons[row] for row in here.tolist()], [raw[row] for row in here.tolist()]
            source = self.files[number]
            if source is not None and source.format == "jsonl":
                texts = line_texts(source, lines[here])
                why = list(map(_reason_in_json, why, texts))
            rejects.add(self.sources[number], lines[here], why, texts)

    def place(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """File number and line (from 1; the first one of a row with newlines in it) of some places."""
        files = np.searchsorted(self.first_rows, places, side="right") - 1
        lines = np.empty_like(places)
        for number in np.unique(files).tolist():
            here = files == number
            lines[here] = self._lines(number, places[here] - self.first_rows[number])
        return files, lines

    def _lines(self, number: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Lines of the rows (from 0) that were read from one file; without lines, their numbers."""
        source = self.files[number]
        if source is None or source.format == "parquet":
            return rows + 1
        lines = row_lines(source)
        refused = np.minimum(self.refused[number], len(lines)) - 1
        lines[refused] = -np.abs(lines[refused])
        return named_lines(lines[lines > 0], rows + source.has_header)


def _reason_in_json(reason: str, line: str) -> str:
    """A line that is no object gives a row of blanks, and so do an object without these keys and a list."""
    if reason == NOTHING:
        return NOT_UTF_8 if REPLACED in line else "no JSON object with these columns"
    return f"{reason}, a list or an object" if reason in BLANK_IDS else reason


def connect(scratch: Path, *, memory_limit: str, threads: int | None) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills into `scratch` and keeps to `memory_limit`. Raises UsageError."""
    connection = duckdb.connect()  # a database on disk packs what it stores: 3.5 s for 10 M rows, not 1.1 s
    connection.execute("SET TimeZone = 'UTC'")  # a time without a zone is taken as UTC
    connection.execute("SET enable_progress_bar = false")
    # It takes a CSV file for a table without rows and would build a join's hash table of it.
    connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
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


@contextmanager
def open_files(
    sources: Sequence[Source],
    columns: Sequence[Mapping[str, str]],
    *,
    scratch: Path,
    separator: str = "|",
    single: Collection[str] = (),
) -> Generator[list[Part]]:
    """The `columns` (role -> name, a mapping a file) of all files, to be read while the block runs.

    Packed files are unpacked into `scratch`. A cell that holds a list becomes its values with `separator`
    between them; but the roles in `single` have one value a cell. Raises DataError.
    """
    roles = list(dict.fromkeys(role for mapping in columns for role in mapping))
    with ExitStack() as opened:
        parts: list[Part] = []
        for source, mapping in zip(sources, columns, strict=True):
            _require_single(source, mapping, single)
            plain = opened.enter_context(_plain(source, scratch))
            scan = scan_of(plain, mapping.values())
            texts = {
                role: column_text(plain, mapping[role], separator, is_single=role in single)
                if role in mapping
                else "NULL"
                for role in roles
            }
            chosen = ", ".join(f"CAST({text} AS VARCHAR) AS {name(role)}" for role, text in texts.items())
            query = f"SELECT {chosen} FROM {scan}"
            text_roles = frozenset(role for role, column in mapping.items() if column in source.text_columns)
            of_texts = text_query(plain, mapping, scan) if source.format == "jsonl" else None
            parts.append(Part(source.label, query, text_roles, of_texts, source, plain))
        yield parts


def load_parts(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    parts: Sequence[Part],
    rejects: Rejects,
    made: Callable[[str, int], str] = lambda query, _first: query,
) -> Loaded:
    """Make `table` of the rows of all parts, in order; what the reader refuses goes to the rejects.

    `made` turns a part's query, and how many rows the parts before it had, into the query whose rows are
    kept, as many. Raises DataError where a file cannot be read at all.
    """
    run(connection, parts[0], f"CREATE TABLE {table} AS SELECT * FROM ({made(parts[0].query, 0)}) LIMIT 0")
    loaded = Loaded(table, [], [], np.zeros(len(parts), np.int64), [])
    rows = 0
    for number, part in enumerate(parts):
        loaded.first_rows[number] = rows
        rows += run(connection, part, f"INSERT INTO {table} {made(part.query, rows)}")
        refused, swallowed = _refused(connection, part, rejects)
        loaded.sources.append(part.label)
        loaded.files.append(part.source)
        loaded.refused.append(refused)
        loaded.swallowed += swallowed
        loaded.text_roles |= part.text_roles
        if part.text_query is not None:
            loaded.text_roles |= {row[0] for row in connection.execute(part.text_query).fetchall()}
    return loaded


def run(connection: duckdb.DuckDBPyConnection, part: Part, statement: str) -> int:
    """Run a statement that reads the part and inserts rows; returns how many. Raises DataError."""
    try:
        return first_row(connection, statement)[0]
    except duckdb.Error as error:
        if part.plain is None or _is_of_the_system(error, part.plain):
            raise
        raise _unreadable(part.plain, error) from error


def forget_refused(connection: duckdb.DuckDBPyConnection, part: Part) -> None:
    """DuckDB notes what a CSV reader refuses in tables of its own, at each reading anew."""
    if part.is_separated:
        connection.execute("DELETE FROM reject_errors")
        connection.execute("DELETE FROM reject_scans")


def _require_single(source: Source, mapping: Mapping[str, str], single: Collection[str]) -> None:
    for role, column in mapping.items():
        if role in single and column in source.nested_columns:
            raise DataError(
                f"{source.label}'s column {column!r} holds lists or objects, and no single values.",
                hint="Write one row a value, or name another column.",
            )


@contextmanager
def open_arrow(
    connection: duckdb.DuckDBPyConnection,
    label: str,
    given: pa.Table,
    *,
    separator: str = "|",
    single: Collection[str] = (),
) -> Generator[Part]:
    """The columns of an Arrow table, called by role, as such a part. Raises DataError."""
    for column in given.schema:
        if column.name in single and pa.types.is_nested(column.type):
            raise DataError(
                f"The {column.name} column of {label} holds no single values.",
                hint="Give one row a value, or name another column.",
            )
    connection.register("given_arrow", given)
    texts = {
        field.name: joined(name(field.name), separator)
        if is_list(field.type)
        else f"CAST({name(field.name)} AS VARCHAR)"
        for field in given.schema
    }
    chosen = ", ".join(f"{text} AS {name(role)}" for role, text in texts.items())
    text_roles = frozenset(field.name for field in given.schema if is_text(field.type))
    yield Part(label, f"SELECT {chosen} FROM given_arrow", text_roles)
    connection.unregister("given_arrow")


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


@contextmanager
def _plain(source: Source, scratch: Path) -> Generator[Source]:
    """The file as DuckDB can read it, for as long as the block runs. Raises DataError."""
    with (
        reading(source.label),
        readable(source.path, source.encoding, scratch, skips_mark=source.format != "jsonl") as path,
    ):
        yield replace(source, path=path, encoding=UTF_8)


def _refused(
    connection: duckdb.DuckDBPyConnection, part: Part, rejects: Rejects
) -> tuple[NDArray[np.int64], int]:
    """Move what the CSV reader refused to the rejects, one entry a row.

    Returns the rows' numbers (from 1, the header and blank lines counted), and how many further
    lines these rows have swallowed.
    """
    if part.plain is None or not part.is_separated:
        return np.zeros(0, np.int64), 0
    rows = connection.execute(
        "SELECT line, first(error_type ORDER BY column_idx), first(csv_line) FROM reject_errors "
        "GROUP BY line ORDER BY line"
    ).fetchall()
    forget_refused(connection, part)
    if not rows:
        return np.zeros(0, np.int64), 0
    numbers = np.array([row[0] for row in rows], np.int64)
    raw = [str(row[2]).strip("\r\n") for row in rows]
    reasons = [REFUSALS.get(str(row[1]), str(row[1]).lower().replace("_", " ")) for row in rows]
    rejects.add(part.label, named_lines(row_lines(part.plain), numbers - 1), reasons, raw)
    return numbers, sum(text.count("\n") for text in raw)


def first_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The only row of a query's answer; fetched to its end, or the connection would stay busy."""
    return connection.execute(query).fetchall()[0]
