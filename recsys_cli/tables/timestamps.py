"""What a timestamp column holds: Unix seconds or parts of them, ISO 8601, or only an order."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import duckdb

from recsys_cli.errors import DataError, UsageError
from recsys_cli.schemas import TimestampKind
from recsys_cli.tables.reader import first_row

MICROSECONDS: Final = 1_000_000
# A median below this is taken for a position, not for a time: as seconds it would be before 1973.
FIRST_SECOND: Final = 1e8
# Above these, a number counts parts of a second.
UNITS: Final = ((1e17, "nanoseconds", 1e9), (1e14, "microseconds", 1e6), (1e11, "milliseconds", 1e3))
LATEST: Final = 2.6e17  # microseconds; a year beyond 9999 is no time that anyone meant
NUMERIC_SHARE: Final = 0.5
DATED_SHARE: Final = 0.95  # of numbers that are dates of the calendar; of others it would be a few hundredths
# Numbers such as 20240131 and 20240131235959, in microseconds; null for others.
DATED: Final = (
    "CASE WHEN regexp_full_match(trim(\"timestamp\"), '(19|20|21)[0-9]{6}([0-9]{6})?') "
    "THEN epoch_us(try_strptime(trim(\"timestamp\"), ['%Y%m%d', '%Y%m%d%H%M%S'])) END"
)
SAMPLED_ROWS: Final = 100_000  # at least, spread evenly over the table


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
        time = 'TRY_CAST("timestamp" AS TIMESTAMPTZ)'
        in_range = (
            f"CASE WHEN isfinite({time}) AND abs(epoch_us({time})) < {LATEST} THEN epoch_us({time}) END"
        )
        return TimestampReading("seconds", "ISO 8601, UTC where no zone is given", in_range)
    if unit == "dates":
        return TimestampReading("seconds", "dates such as 20240131, UTC", DATED)
    if unit == "order":
        return TimestampReading("order", "an order, not a time", 'TRY_CAST("timestamp" AS DECIMAL(38, 9))')
    per_second = {"seconds": 1.0} | {name: parts for _, name, parts in UNITS}
    scale = MICROSECONDS / per_second[unit]
    in_range = (
        f"CASE WHEN isfinite({number}) AND abs({number}) * {scale} < {LATEST} "
        f"THEN CAST(floor({number} * {scale}) AS BIGINT) END"
    )
    return TimestampReading("seconds", f"Unix {unit}", in_range)


def parse_time(text: str) -> datetime:
    """A time as a person gives it: ISO 8601 (UTC where no zone is given) or Unix seconds.

    Raises UsageError.
    """
    try:
        time = _moment(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is not a time.", hint="Give ISO 8601, or Unix seconds.") from error


def _moment(text: str) -> datetime:
    try:
        seconds = float(text)
    except ValueError:
        return datetime.fromisoformat(text)
    return datetime.fromtimestamp(seconds, UTC)


def _detect(connection: duckdb.DuckDBPyConnection, table: str, number: str, source: str) -> str:
    rows, numbers, median, times, dates = _sample(connection, table, number)
    if not rows:
        return "seconds"
    if numbers >= NUMERIC_SHARE * rows and median is not None:
        if dates >= DATED_SHARE * numbers:
            return "dates"
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


def _sample(connection: duckdb.DuckDBPyConnection, table: str, number: str) -> tuple[Any, ...]:
    """Of rows spread over the table: values, numbers, their median, times, numbers that are dates."""
    (rows,) = first_row(connection, f"SELECT count(*) FROM {table}")
    found: tuple[Any, ...] = (0, 0, None, 0, 0)
    for step in (max(1, rows // SAMPLED_ROWS), 1):  # all rows, where those of the sample are all blank
        if not found[0]:
            found = first_row(
                connection,
                f"SELECT count(*), count({number}), median({number}) FILTER (isfinite({number})), "
                f'count(TRY_CAST("timestamp" AS TIMESTAMPTZ)), count({DATED}) '
                f"FROM {table} WHERE rowid % {step} = 0 AND trim(\"timestamp\") <> ''",
            )
    return found
