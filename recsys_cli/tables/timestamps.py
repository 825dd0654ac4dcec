"""What a timestamp column holds: Unix seconds or parts of them, ISO 8601, or only an order."""

from dataclasses import dataclass
from typing import Final

import duckdb

from recsys_cli.errors import DataError
from recsys_cli.schemas import TimestampKind
from recsys_cli.tables.reader import first_row

MICROSECONDS: Final = 1_000_000
# A median below this is taken for a position, not for a time: as seconds it would be before 1973.
FIRST_SECOND: Final = 1e8
# Above these, a number counts parts of a second.
UNITS: Final = ((1e17, "nanoseconds", 1e9), (1e14, "microseconds", 1e6), (1e11, "milliseconds", 1e3))
NUMERIC_SHARE: Final = 0.5


@dataclass(frozen=True)
class TimestampReading:
    """How the column is read: `sql` gives microseconds as BIGINT, or an order; null where it cannot."""

    kind: TimestampKind
    words: str  # for the person who runs it
    sql: str


def read_timestamps(
    connection: duckdb.DuckDBPyConnection, table: str, unit: str, *, source: str
) -> TimestampReading:
    """Decide how `table.timestamp` is read; `unit` is what an option says, or "auto".

    Raises DataError where a column holds neither numbers nor ISO 8601 times.
    """
    number = 'TRY_CAST("timestamp" AS DOUBLE)'
    if unit == "auto":
        unit = _detect(connection, table, number, source)
    if unit == "iso":
        time = 'epoch_us(TRY_CAST("timestamp" AS TIMESTAMPTZ))'
        return TimestampReading("seconds", "ISO 8601, UTC where no zone is given", time)
    if unit == "order":
        return TimestampReading("order", "an order, not a time", 'TRY_CAST("timestamp" AS DECIMAL(38, 9))')
    per_second = {"seconds": 1.0} | {name: parts for _, name, parts in UNITS}
    scale = MICROSECONDS / per_second[unit]
    # A year beyond 9999 is no time that anyone meant.
    in_range = (
        f"CASE WHEN isfinite({number}) AND abs({number}) * {scale} < 2.6e17 "
        f"THEN CAST(floor({number} * {scale}) AS BIGINT) END"
    )
    return TimestampReading("seconds", f"Unix {unit}", in_range)


def _detect(connection: duckdb.DuckDBPyConnection, table: str, number: str, source: str) -> str:
    rows, numbers, median, times = first_row(
        connection,
        f"SELECT count(*), count({number}), median({number}) FILTER (isfinite({number})), "
        'count(TRY_CAST("timestamp" AS TIMESTAMPTZ)) '
        f"FROM (SELECT * FROM {table} WHERE trim(\"timestamp\") <> '' USING SAMPLE reservoir(100000 ROWS) "
        "REPEATABLE (0))",
    )
    if not rows:
        return "seconds"
    if numbers >= NUMERIC_SHARE * rows and median is not None:
        if abs(median) < FIRST_SECOND:
            return "order"
        return next((name for least, name, _ in UNITS if abs(median) >= least), "seconds")
    if times >= NUMERIC_SHARE * rows:
        return "iso"
    (example,) = first_row(
        connection,
        f'SELECT any_value("timestamp") FROM {table} WHERE {number} IS NULL AND trim("timestamp") <> \'\'',
    )
    raise DataError(
        f"The timestamps of {source} are neither numbers nor ISO 8601 times, for example {example!r}.",
        hint="Convert them, or name another column with --timestamp-column.",
    )
