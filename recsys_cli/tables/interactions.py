"""Interactions: rows to valid events, every other row to the rejects with its reason."""

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np

from recsys_cli.schemas import TimestampKind
from recsys_cli.tables.reader import NOTHING, Loaded, Rejects, first_row, name
from recsys_cli.tables.timestamps import read_timestamps

EVENTS: Final = "events"
CHECKED: Final = "checked"


@dataclass(frozen=True)
class Validated:
    """What is known of the events once they are in table `events`.

    The table's columns: user, item (text), moment (microseconds, or what only orders), rating (null where
    it is blank), place (the row's place in the input).
    """

    rows: int  # of the input
    rejected: dict[str, int]  # reason -> rows
    timestamps: TimestampKind
    timestamp_words: str
    has_rating: bool


def validate(
    connection: duckdb.DuckDBPyConnection, loaded: Loaded, rejects: Rejects, *, roles: set[str], unit: str
) -> Validated:
    """Split the loaded rows into table `events` and the rejects; no row is in both or in neither."""
    if "timestamp" in roles:
        reading = read_timestamps(connection, loaded.table, unit, source=", ".join(loaded.sources))
        kind, words, at = reading.kind, reading.words, reading.sql
    else:
        kind, words, at = "order", "the order of the rows", "CAST(rowid AS BIGINT)"
    rating = "TRY_CAST(trim(rating) AS FLOAT)" if "rating" in roles else "CAST(NULL AS FLOAT)"
    connection.execute(
        f"CREATE VIEW {CHECKED} AS SELECT *, CASE {_reasons(roles, 'moment', 'stars')} END AS reason FROM "
        f"(SELECT *, rowid AS place, {at} AS moment, {rating} AS stars FROM {loaded.table})"
    )
    connection.execute(
        f'CREATE TABLE {EVENTS} AS SELECT "user", item, moment, stars AS rating, place '
        f"FROM {CHECKED} WHERE reason IS NULL"
    )
    _reject(connection, loaded, rejects)
    total = first_row(connection, f"SELECT count(*) FROM {loaded.table}")[0] + loaded.num_refused
    counts = {str(reason): int(count) for reason, count in rejects.frame()["reason"].value_counts().items()}
    return Validated(total, dict(sorted(counts.items())), kind, words, "rating" in roles)


def _reasons(roles: set[str], at: str, stars: str) -> str:
    """SQL: the first reason why a row cannot be used."""
    nothing = " AND ".join(f"{name(role)} IS NULL" for role in sorted(roles))
    cases = [
        (nothing, NOTHING),
        ('"user" IS NULL OR trim("user") = \'\'', "the user is blank"),
        ("item IS NULL OR trim(item) = ''", "the item is blank"),
    ]
    if "timestamp" in roles:
        cases += [
            ('"timestamp" IS NULL OR trim("timestamp") = \'\'', "the timestamp is blank"),
            (f"{at} IS NULL", "the timestamp is not a time"),
        ]
    if "rating" in roles:
        cases += [
            (f"trim(rating) <> '' AND {stars} IS NULL", "the rating is not a number"),
            (f"NOT isfinite({stars})", "the rating is not finite"),
        ]
    return " ".join(f"WHEN {test} THEN '{reason}'" for test, reason in cases)


def _reject(connection: duckdb.DuckDBPyConnection, loaded: Loaded, rejects: Rejects) -> None:
    columns = [row[0] for row in connection.execute(f"DESCRIBE {loaded.table}").fetchall()]
    raw = ", ".join(f"coalesce({name(column)}, '')" for column in columns)
    rows = connection.execute(
        f"SELECT place, reason, concat_ws(',', {raw}) FROM {CHECKED} WHERE reason IS NOT NULL ORDER BY place"
    ).fetchall()
    files, lines = loaded.place(np.array([row[0] for row in rows], np.int64))
    for number, label in enumerate(loaded.sources):
        here = np.flatnonzero(files == number).tolist()
        reasons = [loaded.reason(number, rows[row][1]) for row in here]
        rejects.add(label, lines[here], reasons, [rows[row][2] for row in here])
