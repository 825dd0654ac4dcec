"""Ids to numbers, in the order of the ids: integers by value, text by bytes."""

import duckdb
import pandas as pd
import pyarrow as pa

from recsys_cli.errors import form_of
from recsys_cli.schemas import Entity
from recsys_cli.tables.entities import EntityTable
from recsys_cli.tables.intake import Intake
from recsys_cli.tables.interactions import EVENTS
from recsys_cli.tables.reader import first_row

ID_TABLES = {"user": "user_numbers", "item": "item_numbers"}


def number_entity(intake: Intake, entity: Entity, table: EntityTable) -> pa.Array:
    """Number the ids that have an event and, for users, those that only their table has.

    Notes how the table and the events differ. Makes table `(code, number)`, and returns the ids in the
    order of their numbers.
    """
    connection = intake.connection
    ids = f'SELECT id FROM {entity}_ids WHERE code IN (SELECT DISTINCT "{entity}" FROM {EVENTS})'
    listed = pd.DataFrame({"id": table.frame.index.astype(object)})
    connection.register("listed", listed)
    if len(listed):
        _note_differences(intake, entity, ids, len(listed))
        if entity == "user":
            ids = f"{ids} UNION ALL SELECT CAST(id AS VARCHAR) FROM listed"
    numbered = number_ids(connection, entity, ids, may_be_integer=entity not in intake.text_ids)
    connection.unregister("listed")
    connection.execute(
        f"CREATE TABLE {entity}_codes AS "
        f"SELECT code, number FROM {entity}_ids JOIN {entity}_numbers USING (id)"
    )
    return numbered


def _note_differences(intake: Intake, entity: Entity, ids: str, listed: int) -> None:
    (with_events,) = first_row(intake.connection, f"SELECT count(DISTINCT id) FROM ({ids})")
    (unseen,) = first_row(intake.connection, f"SELECT count(*) FROM listed WHERE id NOT IN ({ids})")
    missing = with_events - (listed - unseen)
    if unseen:
        kept = "they are kept, without a history" if entity == "user" else "they are left out"
        intake.note(f"{unseen} {entity}s of the {entity}s table have no event; {kept}.")
    if missing:
        all_of_them = f", written as {_forms(intake, ids)}" if missing == with_events else ""
        intake.note(
            f"{missing} {entity}s with events are not in the {entity}s table{all_of_them}; "
            "their fields are blank."
        )


def _forms(intake: Intake, ids: str) -> str:
    """The form of an id of the events and of one of the table, which share none: they may be the same ids."""
    (event,) = first_row(intake.connection, f"SELECT min(id) FROM ({ids})")
    (entry,) = first_row(intake.connection, "SELECT min(id) FROM listed")
    return f"{form_of(event)}, while the table's are written as {form_of(entry)}"


def number_ids(
    connection: duckdb.DuckDBPyConnection, entity: str, ids: str, *, may_be_integer: bool
) -> pa.Array:
    """Make the table `(id text, number 1..n)` of the ids that query `ids` (one column, id) gives.

    Ids are integers where every one of them is the text of a 64-bit integer and comes back as it
    came. Returns the ids in the order of their numbers.
    """
    table = ID_TABLES[entity]
    connection.execute(f"CREATE TABLE distinct_{table} AS SELECT DISTINCT id FROM ({ids})")
    as_integer = "TRY_CAST(id AS BIGINT)"
    (all_integers,) = first_row(
        connection,
        f"SELECT coalesce(bool_and({as_integer} IS NOT NULL AND CAST({as_integer} AS VARCHAR) = id), false) "
        f"FROM distinct_{table}",
    )
    integers = may_be_integer and all_integers
    key = "CAST(id AS BIGINT)" if integers else "id"
    connection.execute(
        f"CREATE TABLE {table} AS SELECT id, CAST(row_number() OVER (ORDER BY {key}) AS INTEGER) AS number "
        f"FROM distinct_{table}"
    )
    connection.execute(f"DROP TABLE distinct_{table}")
    ordered = connection.sql(f"SELECT {key} AS id FROM {table} ORDER BY number").to_arrow_table()
    column = ordered["id"].combine_chunks().cast(pa.int64() if integers else pa.string())
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
