"""Files or data frames of ids, or of pairs of ids -> columns of ids, as they came.

CSV and TSV (their ids are text), Parquet, JSON lines, and plain lists with one id a line; gzipped too.
"""

import contextlib
import gzip
import logging
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.json
import pyarrow.parquet as pq

from recsys_cli.errors import DataError
from recsys_cli.schemas import Entity

pc: Any = pyarrow.compute  # most of its functions are made at import: checkers do not see them
LOGGER: Final = logging.getLogger("recsys")

IdTable = Path | pd.DataFrame
Format = Literal["csv", "tsv", "parquet", "jsonl", "list"]

FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip
USUAL_NAMES: Final[dict[Entity, frozenset[str]]] = {
    "user": frozenset({"user", "userid", "uid", "customer", "customerid", "reviewerid", "visitorid"}),
    "item": frozenset({"item", "itemid", "iid", "movie", "movieid", "product", "productid", "asin", "sku"}),
}


def read_ids(source: IdTable, entity: Entity, known: pa.Array) -> pa.Array:
    """The ids of a list, or of a table's recognised or only column; blank ones are left out.

    `known` are the dataset's ids: by them the first line of one column is told to be an id or a name.
    Raises DataError when the file is missing or damaged, or no column is recognised.
    """
    table = _read(source, known)
    column = _recognised(table, entity)
    if column is None and table.num_columns == 1:
        column = table.column_names[0]
    if column is None:
        raise _no_column(source, table, entity)
    ids = _ids(table, column)
    _warn_blank(source, ids.null_count)
    return ids.drop_null()


def read_pairs(source: IdTable) -> tuple[pa.Array, pa.Array]:
    """User ids and item ids of a table with both columns, row by row; rows with a blank are left out.

    Raises DataError when the file is missing or damaged, or a column is not recognised.
    """
    table = _read(source, None)
    columns: list[pa.Array] = []
    for entity in ("user", "item"):
        column = _recognised(table, entity)
        if column is None:
            raise _no_column(source, table, entity)
        columns.append(_ids(table, column))
    users, items = columns
    complete = pc.and_(users.is_valid(), items.is_valid())
    _warn_blank(source, len(users) - complete.true_count)
    return users.filter(complete), items.filter(complete)


def _read(source: IdTable, known: pa.Array | None) -> pa.Table:
    if isinstance(source, pd.DataFrame):
        return pa.Table.from_pandas(source, preserve_index=False)
    if not source.is_file():
        raise DataError(f"{source} is missing.", hint="Check the name of the file.")
    form = FORMATS.get(Path(source.name.removesuffix(".gz")).suffix.lower(), "list")
    with _damage(source):
        if form == "parquet":
            return pq.read_table(source)
        if form == "jsonl":
            return pyarrow.json.read_json(pa.input_stream(source))
        return _with_header(_text_rows(source, form), form, known)


@contextlib.contextmanager
def _damage(source: Path) -> Generator[None]:
    """Turn what readers say of a file that is not what it seems into one sentence."""
    try:
        yield
    except (pa.ArrowInvalid, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except (gzip.BadGzipFile, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's, not the file's
        reason = "its compression is damaged"
    else:
        return
    raise DataError(f"{source} cannot be read: {reason}.", hint="Make the file again as a table in UTF-8.")


def _text_rows(source: Path, form: Format) -> pd.DataFrame:
    """Cells as text, in columns 0, 1, …; the first line may be a header."""
    if form == "list":
        opener = gzip.open if source.name.endswith(".gz") else open
        with opener(source, "rt", encoding="utf-8-sig") as stream:
            lines = stream.read().split("\n")
        return pd.DataFrame({0: [line for line in lines if line]}, dtype=str)
    return pd.read_csv(
        source, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig",
        sep="\t" if form == "tsv" else ",",
    )  # fmt: skip


def _with_header(rows: pd.DataFrame, form: Format, known: pa.Array | None) -> pa.Table:
    """Rows as a table; of a single column the first line may be a name or an id already."""
    if rows.empty:
        return pa.table({"ids": pa.array([], pa.string())})
    names = [str(name) for name in rows.iloc[0]]
    if len(names) == 1 and not _is_name(names[0], form, known):
        names = ["ids"]
    else:
        rows = rows.iloc[1:]
    columns = [pa.array(rows[index], pa.string(), from_pandas=True) for index in rows.columns]
    return pa.table(columns, names=names)


def _is_name(text: str, form: Format, known: pa.Array | None) -> bool:
    """Whether the first line of a single column names it."""
    if any(_plain(text) in names for names in USUAL_NAMES.values()):
        return True
    if form == "list" or known is None:
        return form != "list"
    is_id = pc.index(known.cast(pa.string()), text).as_py() >= 0
    return not is_id and not (pa.types.is_integer(known.type) and text.strip().lstrip("-").isdigit())


def _recognised(table: pa.Table, entity: Entity) -> str | None:
    """The first column with a usual name; in a table of one entity, `id` is one."""
    usual = [name for name in table.column_names if _plain(name) in USUAL_NAMES[entity]]
    return usual[0] if usual else None


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _ids(table: pa.Table, column: str) -> pa.Array:
    """Ids as integers or text; blank ones are null."""
    ids = table[column].combine_chunks()
    if pa.types.is_integer(ids.type):
        return ids.cast(pa.int64())
    if pa.types.is_floating(ids.type):
        return _whole(ids)
    text = ids.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _whole(ids: pa.Array) -> pa.Array:
    """Integers that became floating point, as they do in pandas where one is missing."""
    ids = pc.if_else(pc.is_finite(ids), ids, pa.scalar(None, ids.type))
    return ids.cast(pa.int64()) if pc.all(pc.equal(pc.floor(ids), ids)).as_py() else ids.cast(pa.string())


def _no_column(source: IdTable, table: pa.Table, entity: Entity) -> DataError:
    found = ", ".join(table.column_names) or "none"
    return DataError(
        f"{name_of(source)} has no column of {entity} ids; its columns are: {found}.",
        hint=f"Name it {entity}_id.",
    )


def name_of(source: IdTable) -> str:
    """What an error calls a list of ids."""
    return "The data frame" if isinstance(source, pd.DataFrame) else str(source)


def _warn_blank(source: IdTable, blank: int) -> None:
    if blank:
        LOGGER.warning("%s: %s rows without an id were left out.", name_of(source), f"{blank:,}")
