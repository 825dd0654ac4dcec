"""A table as it is given (paths, globs, standard input, or a data frame) to a table in DuckDB."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from recsys_cli.artifacts.manifest import sha256_of_file
from recsys_cli.tables.reader import Loaded, Rejects, load_files, load_frame
from recsys_cli.tables.sources import find_sources

Table = Path | str | pd.DataFrame
Choose = Callable[[str, Sequence[str]], Mapping[str, str]]  # label, column names -> role -> column name


@dataclass(frozen=True)
class Given:
    """A table in DuckDB, and where it came from."""

    loaded: Loaded
    columns: dict[str, str]  # role -> column name, of the first file that has it
    text_roles: frozenset[str]  # roles whose column the files themselves say is text
    fingerprints: dict[str, str]  # label -> SHA-256


def load_table(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    given: Sequence[Path | str] | pd.DataFrame,
    *,
    choose: Choose,
    chosen_format: str,
    scratch: Path,
    rejects: Rejects,
) -> Given:
    """Load the columns that `choose` picks of every file. Raises DataError, UsageError."""
    if isinstance(given, pd.DataFrame):
        return _from_frame(connection, table, given, choose)
    sources = find_sources(given, chosen_format, scratch)
    columns = [choose(source.label, source.names) for source in sources]
    loaded = load_files(connection, table, sources, columns, rejects)
    text_roles = {
        role
        for source, mapping in zip(sources, columns, strict=True)
        for role, column in mapping.items()
        if column in source.text_columns
    }
    merged: dict[str, str] = {}
    for mapping in columns:
        merged = {**mapping, **merged}
    prints = {source.label: sha256_of_file(source.path) for source in sources}
    return Given(loaded, merged, frozenset(text_roles), prints)


def _from_frame(
    connection: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame, choose: Choose
) -> Given:
    columns = dict(choose(table, [str(column) for column in frame.columns]))
    loaded = load_frame(connection, table, frame, columns, table)
    text_roles = {
        role for role, column in columns.items() if not pd.api.types.is_integer_dtype(frame[column])
    }
    rows = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return Given(loaded, columns, frozenset(text_roles), {table: hashlib.sha256(rows.tobytes()).hexdigest()})
