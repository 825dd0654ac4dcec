"""Files or data frames of ids, or of pairs of ids -> columns of ids, as they came.

CSV and TSV (their ids are text), Parquet, JSON lines, and plain lists with one id a line; gzipped too.
"""

import contextlib
import gzip
import logging
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from recsys_cli.errors import DataError
from recsys_cli.schemas import Entity
from recsys_cli.tables.columns import usual_column
from recsys_cli.tables.suffixes import SUFFIXES

pc: Any = pyarrow.compute  # most of its functions are made at import: checkers do not see them
LOGGER: Final = logging.getLogger("recsys")

IdTable = Path | pd.DataFrame
PLAIN_LIST: Final = "list"  # what a file is whose suffix names none of TABLES
TABLES: Final = ("csv", "tsv", "parquet", "jsonl")
UNNAMED: Final = "ids"


def read_ids(source: IdTable, entity: Entity, known: pa.Array) -> pa.Array:
    """The ids of a list, or of a table's recognised or only column; blank ones are left out.

    `known` are the dataset's ids: by them the first line of a single column is told to be an id or
    a name. Raises DataError when the file is missing or damaged, or no column is recognised.
    """
    table = _read(source, entity, known)
    column = usual_column(name_of(source), table.column_names, entity)
    if column is None and table.num_columns == 1:
        column = table.column_names[0]
    if column is None:
        raise _no_column(source, table, entity)
    ids = _ids(source, table, column)
    _warn_blank(source, ids.null_count)
    return ids.drop_null()


def read_pairs(source: IdTable) -> tuple[pa.Array, pa.Array]:
    """User ids and item ids of a table with both columns, row by row; rows with a blank are left out.

    Raises DataError when the file is missing or damaged, or a column is not recognised.
    """
    table = _read(source, None, None)
    columns: list[pa.Array] = []
    for entity in ("user", "item"):
        column = usual_column(name_of(source), table.column_names, entity)
        if column is None:
            raise _no_column(source, table, entity)
        columns.append(_ids(source, table, column))
    users, items = columns
    complete = pc.and_(users.is_valid(), items.is_valid())
    _warn_blank(source, len(users) - complete.true_count)
    return users.filter(complete), items.filter(complete)


def name_of(source: IdTable) -> str:
    """What an error calls a list of ids."""
    return "The data frame" if isinstance(source, pd.DataFrame) else str(source)


def _read(source: IdTable, entity: Entity | None, known: pa.Array | None) -> pa.Table:
    """The table; the first line of a single column is a name when it is no id of the `entity`."""
    with _damage(name_of(source)):
        if isinstance(source, pd.DataFrame):
            return pa.Table.from_pandas(source, preserve_index=False)
        if not source.is_file():
            raise DataError(f"{source} is not a file.", hint="Check its name.")
        form = SUFFIXES.get(Path(source.name.removesuffix(".gz")).suffix.lower())
        form = form if form in TABLES else PLAIN_LIST
        if form == "parquet":
            return pq.read_table(source)
        if form == "jsonl":
            frame = pd.read_json(source, lines=True, dtype=False, encoding="utf-8")
            return pa.Table.from_pandas(frame, preserve_index=False)
        rows = _list_rows(source) if form == PLAIN_LIST else _csv_rows(source, "\t" if form == "tsv" else ",")
        return _with_header(rows, entity, known, plain=form == PLAIN_LIST)


@contextlib.contextmanager
def _damage(name: str) -> Generator[None]:
    """Turn what readers say of a file that is not what it seems into one sentence."""
    try:
        yield
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except (gzip.BadGzipFile, EOFError, zlib.error):
        reason = "it is not a whole gzip file"
    except (ValueError, pa.ArrowException) as error:  # what pandas and Arrow raise for bad content
        reason = str(error).splitlines()[0].rstrip(".")
    else:
        return
    raise DataError(f"{name} cannot be read: {reason}.", hint="Make it again, as a table in UTF-8.")


def _list_rows(source: Path) -> pd.DataFrame:
    opener = gzip.open if source.suffix.lower() == ".gz" else open
    with opener(source, "rt", encoding="utf-8-sig") as stream:
        lines = stream.read().split("\n")
    return pd.DataFrame({0: [line for line in lines if line]}, dtype=object)


def _csv_rows(source: Path, separator: str) -> pd.DataFrame:
    """Cells as text, in columns 0, 1, …, the first line among them; blank lines are left out."""
    try:
        return pd.read_csv(
            source, header=None, sep=separator, dtype=object, keep_default_na=False, encoding="utf-8-sig"
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame({0: []}, dtype=object)


def _with_header(
    rows: pd.DataFrame, entity: Entity | None, known: pa.Array | None, *, plain: bool
) -> pa.Table:
    """Rows as a table of text; the first line names its columns, unless it is an id already."""
    names = [str(name) for name in rows.iloc[0]] if len(rows) else [UNNAMED]
    if entity is not None and known is not None and len(names) == 1:
        named = usual_column("", names, entity) is not None
        if not named and (plain or _is_id(names[0], known)):
            names, rows = [UNNAMED], pd.concat([rows.iloc[:1], rows])
    columns = [pa.array(rows[index].iloc[1:], pa.string(), from_pandas=True) for index in rows.columns]
    return pa.table(columns, names=names)


def _is_id(text: str, known: pa.Array) -> bool:
    """Whether a text is, or could be, one of the ids."""
    if pa.types.is_integer(known.type):
        return text.strip().removeprefix("-").isdecimal()
    return pc.index(known, text).as_py() >= 0


def _ids(source: IdTable, table: pa.Table, column: str) -> pa.Array:
    """Ids as integers or text; blank ones are null."""
    ids = table[column].combine_chunks()
    if pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_decode()
    if pa.types.is_integer(ids.type):
        return ids.cast(pa.int64())
    if pa.types.is_floating(ids.type):
        return _whole(ids)
    if not (pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type) or pa.types.is_null(ids.type)):
        raise DataError(
            f"{name_of(source)}: column {column} has values of type {ids.type}, which are no ids.",
            hint="Ids are text or integers.",
        )
    text = ids.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _whole(ids: pa.Array) -> pa.Array:
    """Integers that became floating point, as they do in pandas where one is missing."""
    ids = pc.if_else(pc.is_finite(ids), ids, pa.scalar(None, ids.type))
    return ids.cast(pa.int64()) if pc.all(pc.equal(pc.floor(ids), ids)).as_py() else ids.cast(pa.string())


def _no_column(source: IdTable, table: pa.Table, entity: Entity) -> DataError:
    return DataError(
        f"{name_of(source)} has no column of {entity} ids; its columns are {', '.join(table.column_names)}.",
        hint=f"Name it {entity}_id.",
    )


def _warn_blank(source: IdTable, blank: int) -> None:
    if blank:
        LOGGER.warning("%s: %s rows without an id were left out.", name_of(source), f"{blank:,}")
