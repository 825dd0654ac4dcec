"""Interactions: rows to valid events, every other row to the rejects with its reason."""

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np

from recsys_cli.schemas import Entity, TimestampKind
from recsys_cli.tables.reader import NOTHING, Loaded, Rejects, first_row, name
from recsys_cli.tables.timestamps import read_timestamps

EVENTS: Final = "events"
LARGEST_UINTEGER: Final = 2**32 - 1
REASONS: Final = (
    NOTHING,
    "the user is blank",
    "the item is blank",
    "the timestamp is blank",
    "the timestamp is not a time",
    "the rating is not a number",
    "the rating is not finite",
    "the rating is too large",
)


@dataclass(frozen=True)
class Validated:
    """What is known of the events once they are in table `events`.

    The table's columns: user, item (codes, which tables `user_ids` and `item_ids` give ids: code, id),
    moment (microseconds, or what only orders), rating (null where it is blank), place (the row's place
    in the input).
    """

    rows: int  # of the input
    rejected: dict[str, int]  # reason -> rows
    timestamps: TimestampKind
    timestamp_words: str
    has_rating: bool


def validate(
    connection: duckdb.DuckDBPyConnection, loaded: Loaded, rejects: Rejects, *, roles: set[str], unit: str
) -> Validated:
    """Turn the loaded table into table `events` and the rejects; no row is in both or in neither."""
    if "timestamp" in roles:
        reading = read_timestamps(connection, loaded.table, unit, source=", ".join(loaded.sources))
        kind, words, at = reading.kind, reading.words, reading.sql
    else:
        kind, words, at = "order", "the order of the rows", "CAST(rowid AS BIGINT)"
    (rows,) = first_row(connection, f"SELECT count(*) FROM {loaded.table}")
    place = "UINTEGER" if rows <= LARGEST_UINTEGER else "BIGINT"
    _code_ids(connection, loaded.table, "user")
    _code_ids(connection, loaded.table, "item")
    rating = "TRY_CAST(rating AS FLOAT)" if "rating" in roles else "CAST(NULL AS FLOAT)"
    connection.execute(
        f'CREATE TABLE {EVENTS} AS SELECT u.code AS "user", i.code AS item, moment, stars AS rating, place, '
        f"CAST({_reason(roles)} AS UTINYINT) AS reason "
        f"FROM (SELECT *, CAST(rowid AS {place}) AS place, {at} AS moment, {rating} AS stars "
        f"FROM {loaded.table}) e "
        'LEFT JOIN user_ids u ON u.id = e."user" LEFT JOIN item_ids i ON i.id = e.item'
    )
    _reject(connection, loaded, rejects)
    connection.execute(f"DROP TABLE {loaded.table}")
    counts = {str(reason): int(count) for reason, count in rejects.frame()["reason"].value_counts().items()}
    return Validated(rows + loaded.num_refused, dict(sorted(counts.items())), kind, words, "rating" in roles)


def _code_ids(connection: duckdb.DuckDBPyConnection, table: str, entity: Entity) -> None:
    """Make table `(code, id)` of the ids that are not blank, so that events hold four bytes for each."""
    connection.execute(
        f"CREATE TABLE {entity}_ids AS SELECT * FROM "
        "(SELECT CAST(row_number() OVER () AS INTEGER) AS code, id "
        f"FROM (SELECT DISTINCT {name(entity)} AS id FROM {table})) WHERE trim(id) <> ''"
    )


def _reason(roles: set[str]) -> str:
    """SQL: the place in `REASONS` of the first reason why a row cannot be used.

    Cases inside cases, so that texts are looked at only in rows that have something wrong.
    """
    nothing = " AND ".join(f"e.{name(role)} IS NULL" for role in sorted(roles))
    cases = [f"WHEN u.code IS NULL THEN CASE WHEN {nothing} THEN 0 ELSE 1 END", "WHEN i.code IS NULL THEN 2"]
    if "timestamp" in roles:
        blank = "coalesce(trim(e.\"timestamp\"), '') = ''"
        cases.append(f"WHEN moment IS NULL THEN CASE WHEN {blank} THEN 3 ELSE 4 END")
    if "rating" in roles:
        cases += [
            "WHEN stars IS NULL THEN CASE WHEN trim(e.rating) <> '' THEN 5 END",
            "WHEN NOT isfinite(stars) THEN CASE WHEN isfinite(CAST(e.rating AS DOUBLE)) THEN 7 ELSE 6 END",
        ]
    return f"CASE {' '.join(cases)} END"


def _reject(connection: duckdb.DuckDBPyConnection, loaded: Loaded, rejects: Rejects) -> None:
    columns = [row[0] for row in connection.execute(f"DESCRIBE {loaded.table}").fetchall()]
    raw = ", ".join(f"coalesce(t.{name(column)}, '')" for column in columns)
    rows = connection.execute(
        f"SELECT place, reason, concat_ws(',', {raw}) "
        f"FROM {EVENTS} e JOIN {loaded.table} t ON t.rowid = e.place WHERE reason IS NOT NULL ORDER BY place"
    ).fetchall()
    if not rows:
        return
    connection.execute(f"DELETE FROM {EVENTS} WHERE reason IS NOT NULL")
    places, reasons, raws = zip(*rows, strict=True)
    loaded.reject(rejects, np.array(places, np.int64), [REASONS[reason] for reason in reasons], raws)
