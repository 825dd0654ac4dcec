"""Interactions: rows to valid events, every other row to the rejects with its reason.

The files are read twice, once for their ids and once for events with numbers in place of these, so that
no text of theirs is ever held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np

from recsys_cli.errors import UsageError
from recsys_cli.schemas import Entity, TimestampKind
from recsys_cli.tables.queries import name
from recsys_cli.tables.reader import (
    NOTHING,
    Loaded,
    Part,
    Rejects,
    first_row,
    forget_refused,
    load_parts,
    run,
)
from recsys_cli.tables.timestamps import (
    KIND,
    MICROSECONDS,
    NEITHER,
    TimestampReading,
    parse_time,
    read_timestamps,
)

EVENTS: Final = "events"
REASONS: Final = (
    NOTHING,
    "the user is blank",
    "the item is blank",
    "the timestamp is blank",
    "the timestamp is not a time",
    "the rating is not a number",
    "the rating is not finite",
    "the timestamp is after as-of",
    "the rating is too large",
)


@dataclass(frozen=True)
class Validated:
    """What is known of the events once they are in table `events`.

    The table's columns: place (of the row in the input, from 0: joins do not keep the order of rows),
    user, item (codes, which tables `user_ids` and `item_ids` give ids: code, id), moment (microseconds,
    or what only orders), rating (null where it is blank).
    """

    loaded: Loaded
    rows: int  # of the input
    rejected: dict[str, int]  # reason -> rows
    timestamps: TimestampKind
    timestamp_words: str
    has_rating: bool


def validate(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[Part],
    rejects: Rejects,
    *,
    roles: Sequence[str],
    unit: str,
    as_of: str | None,
) -> Validated:
    """Turn the rows into table `events` and the rejects; no row is in both or in neither.

    Rows later than `as_of` are rejected. Raises DataError, and UsageError for `as_of` without times.
    """
    has_time = "timestamp" in roles
    _read_ids(connection, parts, KIND if has_time and unit == "auto" else "NULL")
    reading = (
        _timestamps(connection, parts, unit)
        if has_time
        else TimestampReading("order", "the order of the rows", "CAST(0 AS TINYINT)")
    )
    reason = _reason(roles, None if as_of is None else _end(as_of, reading.kind))
    loaded = load_parts(
        connection,
        EVENTS,
        parts,
        rejects,
        lambda query, first: _events(query, first, roles, reading.sql, reason),
    )
    (rows,) = first_row(connection, f"SELECT count(*) FROM {EVENTS}")
    _reject(connection, loaded, rejects)
    counts = {str(reason): int(count) for reason, count in rejects.frame()["reason"].value_counts().items()}
    return Validated(
        loaded,
        rows + loaded.num_refused,
        dict(sorted(counts.items())),
        reading.kind,
        reading.words,
        "rating" in roles,
    )


def _read_ids(connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], kind: str) -> None:
    """Make tables `user_ids` and `item_ids` (code, id) of the ids that are not blank, and `kinds`.

    Events hold the four bytes of a code. `kinds` (kind, rows) counts the rows of each kind of timestamp.
    """
    connection.execute('CREATE TABLE seen ("user" VARCHAR, item VARCHAR, kind TINYINT, rows BIGINT)')
    for part in parts:
        run(
            connection,
            part,
            'INSERT INTO seen SELECT "user", item, kind, count(*) '
            f"FROM (SELECT *, {kind} AS kind FROM ({part.query})) "
            'GROUP BY GROUPING SETS (("user"), (item), (kind))',
        )
        forget_refused(connection, part)
    _code_ids(connection, "user")
    _code_ids(connection, "item")
    connection.execute(
        "CREATE TABLE kinds AS SELECT kind, sum(rows) AS rows FROM seen WHERE kind IS NOT NULL GROUP BY kind"
    )
    connection.execute("DROP TABLE seen")


def _code_ids(connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    connection.execute(
        f"CREATE TABLE {entity}_ids AS SELECT CAST(row_number() OVER () AS INTEGER) AS code, id "
        f"FROM (SELECT DISTINCT {name(entity)} AS id FROM seen WHERE trim({name(entity)}) <> '')"
    )


def _timestamps(connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], unit: str) -> TimestampReading:
    kinds = {kind: int(rows) for kind, rows in connection.execute("SELECT * FROM kinds").fetchall()}

    def example() -> str:
        return next(
            text
            for part in parts
            for (text,) in connection.execute(
                f'SELECT "timestamp" FROM ({part.query}) WHERE {KIND} = {NEITHER} LIMIT 1'
            ).fetchall()
        )

    return read_timestamps(unit, kinds, source=", ".join(part.label for part in parts), example=example)


def _events(query: str, first: int, roles: Sequence[str], moment: str, reason: str) -> str:
    """SQL: an event of each row of `query`; where it is none, why (a place in `REASONS`) and its text.

    `place` counts the rows of the input, from `first`: a join does not keep their order.
    """
    rating = "TRY_CAST(rating AS FLOAT)" if "rating" in roles else "CAST(NULL AS FLOAT)"
    raw = ", ".join(f"coalesce(e.{name(role)}, '')" for role in roles)
    return (
        'SELECT place, u.code AS "user", i.code AS item, moment, stars AS rating, '
        f"CAST({reason} AS UTINYINT) AS reason, "
        f"CASE WHEN reason IS NOT NULL THEN concat_ws(',', {raw}) END AS raw "
        f"FROM (SELECT *, {first} + row_number() OVER () - 1 AS place, {moment} AS moment, {rating} AS stars "
        f"FROM ({query})) e "
        'LEFT JOIN user_ids u ON u.id = e."user" LEFT JOIN item_ids i ON i.id = e.item'
    )


def _end(as_of: str, kind: TimestampKind) -> int:
    """The last moment that is not in the future, in microseconds."""
    if kind == "order":
        raise UsageError(
            f"as-of={as_of} needs times, and these timestamps are only an order.",
            hint="Leave --as-of out, or name the column of times with --timestamp-column.",
        )
    return round(parse_time(as_of).timestamp() * MICROSECONDS)


def _reason(roles: Sequence[str], end: int | None) -> str:
    """SQL: the place in `REASONS` of the first reason why a row cannot be used, later than `end` too.

    Cases inside cases, so that texts are looked at only in rows that have something wrong.
    """
    nothing = " AND ".join(f"e.{name(role)} IS NULL" for role in roles)
    cases = [f"WHEN u.code IS NULL THEN CASE WHEN {nothing} THEN 0 ELSE 1 END", "WHEN i.code IS NULL THEN 2"]
    if "timestamp" in roles:
        blank = "coalesce(trim(e.\"timestamp\"), '') = ''"
        cases.append(f"WHEN moment IS NULL THEN CASE WHEN {blank} THEN 3 ELSE 4 END")
    if end is not None:
        cases.append(f"WHEN moment > {end} THEN 7")
    if "rating" in roles:
        cases += [
            "WHEN stars IS NULL THEN CASE WHEN trim(e.rating) <> '' THEN 5 END",
            "WHEN NOT isfinite(stars) THEN CASE WHEN isfinite(CAST(e.rating AS DOUBLE)) THEN 8 ELSE 6 END",
        ]
    return f"CASE {' '.join(cases)} END"


def _reject(connection: duckdb.DuckDBPyConnection, loaded: Loaded, rejects: Rejects) -> None:
    """Move what is no event from table `events` to the rejects."""
    rows = connection.execute(
        f"SELECT place, reason, raw FROM {EVENTS} WHERE reason IS NOT NULL ORDER BY place"
    ).fetchall()
    if rows:
        connection.execute(f"DELETE FROM {EVENTS} WHERE reason IS NOT NULL")
        places, reasons, raws = zip(*rows, strict=True)
        loaded.reject(rejects, np.array(places, np.int64), [REASONS[reason] for reason in reasons], raws)
    for column in ("reason", "raw"):
        connection.execute(f"ALTER TABLE {EVENTS} DROP COLUMN {column}")
