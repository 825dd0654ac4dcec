"""Two Parquet tables of recommendations -> how alike their lists are. DuckDB joins them within a limit."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from recsys_cli.artifacts.parquet import open_parquet, require_fields, require_id_type
from recsys_cli.errors import ArtifactError
from recsys_cli.schemas import ITEM_ID, USER_ID
from recsys_cli.tables.reader import connect, first_row

MEMORY_LIMIT: Final = "2GB"
_HINT: Final = "Give two Parquet tables that `recsys score` made."


@dataclass(frozen=True)
class ListTable:
    """A table of recommendations, of either layout, that was looked at and not read."""

    path: Path
    user_type: pa.DataType
    item_type: pa.DataType
    lists: bool  # one row a user

    def read(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        """Make the tables `name` (user, item, rank) and `name`_lists (user, length).

        Raises ArtifactError where it is damaged or a list has an item twice.
        """
        unpack = "unnest" if self.lists else ""
        with open_parquet(self.path, hint=_HINT) as source:
            batches = source.iter_batches(columns=[USER_ID, ITEM_ID, "rank"])
            schema = pa.schema([source.schema_arrow.field(column) for column in (USER_ID, ITEM_ID, "rank")])
            connection.register("rows", pa.RecordBatchReader.from_batches(schema, batches))
            connection.execute(
                f"CREATE TABLE {name} AS SELECT person, item, min(place) AS place, count(*) AS copies FROM ("
                f"SELECT {USER_ID} AS person, {unpack}({ITEM_ID}) AS item, {unpack}(rank) AS place FROM rows"
                ") GROUP BY person, item"
            )
        connection.execute(
            f"CREATE TABLE {name}_lists AS SELECT person, count(*) AS length, max(copies) AS copies "
            f"FROM {name} GROUP BY person"
        )
        twice = first_row(connection, f"SELECT count(*) FROM {name}_lists WHERE copies > 1")[0]
        if twice:
            raise ArtifactError(f"{self.path}: {twice:,} users have an item twice.", hint=_HINT)


@dataclass(frozen=True)
class Overlap:
    """Of the users in both tables, and of those in one alone; users without an item are in neither."""

    users: tuple[int, int]  # in the old and in the new table
    items: tuple[int, int]  # recommended to anybody
    users_in_both: int
    items_in_both: int
    at: dict[int, float]  # k, ascending -> mean share; empty where no user is in both


def open_list_table(path: Path) -> ListTable:
    """Look at a table. Raises ArtifactError when it is missing, or no table of recommendations."""
    try:
        with open_parquet(path, hint=_HINT) as source:
            schema = source.schema_arrow
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist.", hint=_HINT) from error
    user_type = require_id_type(schema, USER_ID, path, hint=_HINT)
    items = schema.field(ITEM_ID).type if schema.names.count(ITEM_ID) == 1 else pa.null()
    lists = pa.types.is_list(items)
    item_type = require_id_type(
        pa.schema([(ITEM_ID, items.value_type if lists else items)]), ITEM_ID, path, hint=_HINT
    )
    require_fields(
        schema, [pa.field("rank", pa.list_(pa.int32()) if lists else pa.int32())], path, hint=_HINT
    )
    return ListTable(path, user_type, item_type, lists)


def compare(old: ListTable, new: ListTable, *, top_k: int | None) -> Overlap:
    """How much of the first k items of each user's two lists is in both: `|A ∩ B| / max(|A|, |B|)`.

    A mean over users, at `top_k` (None: the shorter of the longest lists of the tables) and at 5, 10
    and 20 below it. Raises ArtifactError where ids are of different types or a list has an item twice.
    """
    for what, one, other in (("user", old.user_type, new.user_type), ("item", old.item_type, new.item_type)):
        if one != other:
            raise ArtifactError(
                f"{old.path} has {what} ids of type {one}, {new.path} has {other}.",
                hint="Compare tables whose ids are of one type.",
            )
    with (
        tempfile.TemporaryDirectory(prefix="recsys-diff-") as scratch,
        connect(Path(scratch), memory_limit=MEMORY_LIMIT, threads=None) as connection,
    ):
        for name, table in (("old", old), ("new", new)):
            table.read(connection, name)
        return _compared(connection, top_k)


def _compared(connection: duckdb.DuckDBPyConnection, top_k: int | None) -> Overlap:
    def both(value: str) -> tuple[int, int]:
        return tuple(first_row(connection, f"SELECT {value} FROM {name}")[0] for name in ("old", "new"))

    last = min(both("coalesce(max(place), 1)")) if top_k is None else top_k
    ks = [k for k in (5, 10, 20) if k < last] + [last]
    users_in_both, *means = first_row(connection, _query(ks))
    shared = "SELECT count(*) FROM (SELECT item FROM old INTERSECT SELECT item FROM new)"
    return Overlap(
        users=both("count(DISTINCT person)"),
        items=both("count(DISTINCT item)"),
        users_in_both=users_in_both,
        items_in_both=first_row(connection, shared)[0],
        at=dict(zip(ks, means, strict=True)) if users_in_both else {},
    )


def _query(ks: Sequence[int]) -> str:
    """Users in both, and the mean overlap at each k."""
    hits = ", ".join(f"count(*) FILTER (place <= {k}) AS hits_{k}" for k in ks)
    means = ", ".join(
        f"avg(coalesce(hits_{k}, 0) / least({k}, greatest(old_lists.length, new_lists.length)))" for k in ks
    )
    return (
        "WITH shared AS (SELECT person, greatest(old.place, new.place) AS place "
        "FROM old JOIN new USING (person, item)), "
        f"hits AS (SELECT person, {hits} FROM shared GROUP BY person) "
        f"SELECT count(*), {means} FROM old_lists JOIN new_lists USING (person) LEFT JOIN hits USING (person)"
    )
