"""A table as it is given (paths, globs, standard input, or a data frame) to queries that read it."""

import hashlib
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from recsys_cli.artifacts.manifest import sha256_of_file
from recsys_cli.errors import DataError
from recsys_cli.tables.formats import Source, require_distinct
from recsys_cli.tables.queries import LARGEST_WHOLE
from recsys_cli.tables.reader import Part, first_row, open_arrow, open_files
from recsys_cli.tables.sources import find_sources
from recsys_cli.tables.text_files import UTF_8

Table = Path | str | pd.DataFrame
Choose = Callable[[str, Sequence[str]], Mapping[str, str]]  # label, column names -> role -> column name


@dataclass(frozen=True)
class Given:
    """A table that can be read, more than once."""

    parts: list[Part]  # in order
    columns: dict[str, str]  # role -> column name, of the first file that has it
    fingerprints: dict[str, str]  # label -> SHA-256; of files when the block that opened them has ended


@contextmanager
def open_table(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    given: Table | Sequence[Path | str],
    *,
    choose: Choose,
    chosen_format: str,
    scratch: Path,
    separator: str = "|",
    encoding: str = UTF_8,
    single: Collection[str] = (),
) -> Generator[Given]:
    """The columns that `choose` picks of every file; lists come as text, their values separated.

    `encoding` is that of text files; the roles in `single` may not be lists. Raises UsageError, and
    DataError: where a file was written to while the block ran, at its end.
    """
    if isinstance(given, pd.DataFrame):
        with _open_frame(connection, table, given, choose, separator, single) as opened:
            yield opened
        return
    inputs = [given] if isinstance(given, Path | str) else given  # a text is a path, not its letters
    sources = find_sources(inputs, chosen_format, scratch, encoding=encoding, table=table)
    columns = [choose(source.label, source.columns) for source in sources]
    merged: dict[str, str] = {}
    for mapping in columns:
        merged |= {role: column for role, column in mapping.items() if role not in merged}
    prints: dict[str, str] = {}
    with (
        _unchanging(sources),
        _hashing(sources) as digests,
        open_files(sources, columns, scratch=scratch, separator=separator, single=single) as parts,
    ):
        yield Given(parts, merged, prints)
        prints |= {source.label: digest.result() for source, digest in zip(sources, digests, strict=True)}


@contextmanager
def _unchanging(sources: Sequence[Source]) -> Generator[None]:
    """Raise DataError where a file is not the same after the block, which reads it, as before."""
    before = [_version(source) for source in sources]
    try:
        yield
    except (FileNotFoundError, DataError) as error:  # what the change led to
        _require_unchanged(sources, before, error)
        raise
    _require_unchanged(sources, before)


def _require_unchanged(
    sources: Sequence[Source],
    before: Sequence[tuple[int, int, int] | None],
    error: Exception | None = None,
) -> None:
    for source, version in zip(sources, before, strict=True):
        if _version(source) != version:
            raise DataError(
                f"{source.label} changed or went away while it was read.",
                hint="Run it again when nothing writes to the file, or give a copy.",
            ) from error


def _version(source: Source) -> tuple[int, int, int] | None:
    """What is another once a file was written to or replaced; None where it is gone."""
    try:
        status = source.path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


@contextmanager
def _hashing(sources: Sequence[Source]) -> Generator[list[Future[str]]]:
    """The SHA-256 of each file, made while the block reads them."""
    thread = ThreadPoolExecutor(max_workers=1)
    try:
        yield [thread.submit(sha256_of_file, source.path) for source in sources]
    finally:
        thread.shutdown(cancel_futures=True)


@contextmanager
def _open_frame(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    frame: pd.DataFrame,
    choose: Choose,
    separator: str,
    single: Collection[str],
) -> Generator[Given]:
    named = frame.set_axis([str(column) for column in frame.columns], axis=1)
    require_distinct(list(named.columns), table)
    columns = dict(choose(table, [name for name in named.columns if name]))
    arrays = {role: _as_arrow(named[column]) for role, column in columns.items()}
    with open_arrow(connection, table, pa.table(arrays), separator=separator, single=single) as part:
        yield Given([part], columns, {table: _fingerprint(connection, part)})


def _as_arrow(column: pd.Series) -> pa.Array:
    """A column with the type of its values: whole numbers that blanks made floats are whole again."""
    if pd.api.types.is_float_dtype(column.dtype):
        known = column.dropna()
        if ((known % 1 == 0) & (known.abs() < LARGEST_WHOLE)).all():
            column = column.astype("Int64")
    try:
        array = pa.array(column, from_pandas=True)
        return array.dictionary_decode() if isinstance(array, pa.DictionaryArray) else array
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of several types
        return pa.array(column.map(str, na_action="ignore"), pa.string(), from_pandas=True)


def _fingerprint(connection: duckdb.DuckDBPyConnection, part: Part) -> str:
    """A SHA-256 of every value in its row, without holding them."""
    rows = "to_json({'row': row_number() OVER () - 1, 'values': part})"
    (total,) = first_row(
        connection,
        f"SELECT sum(md5_number_lower(line)) FROM (SELECT {rows} AS line FROM ({part.query}) part)",
    )
    return hashlib.sha256(str(total).encode()).hexdigest()
