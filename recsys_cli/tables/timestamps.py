"""What a timestamp column holds: Unix seconds or parts of them, dates, ISO 8601, or only an order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from recsys_cli.errors import DataError, UsageError, form_of
from recsys_cli.schemas import TimestampKind

MICROSECONDS: Final = 1_000_000
# From these on, a number counts seconds or parts of one; below, it is taken for a position, not for a time:
# as seconds it would be before 1973.
UNITS: Final = (
    (1e8, "seconds", 1e0),
    (1e11, "milliseconds", 1e3),
    (1e14, "microseconds", 1e6),
    (1e17, "nanoseconds", 1e9),
)
LATEST: Final = 2.6e17  # microseconds; a year beyond 9999 is no time that anyone meant
NUMERIC_SHARE: Final = 0.5
DATED_SHARE: Final = 0.95  # of numbers that are dates of the calendar; of others it would be a few hundredths
# Numbers such as 20240131 and 20240131235959, in microseconds; null for others.
DATED: Final = (
    "CASE WHEN regexp_full_match(trim(\"timestamp\"), '(19|20|21)[0-9]{6}([0-9]{6})?') "
    "THEN epoch_us(try_strptime(trim(\"timestamp\"), ['%Y%m%d', '%Y%m%d%H%M%S'])) END"
)
NUMBER: Final = 'TRY_CAST("timestamp" AS DOUBLE)'
AS_DATE: Final = 20  # between a number's kind and that of the same number where it is a date too
INFINITE, TIME, NEITHER = 40, 41, 42
# SQL: of a number how many `UNITS` it reaches, negative below zero; or one of the above; null for a blank.
KIND: Final = (
    f"CASE WHEN {NUMBER} IS NULL THEN CASE WHEN coalesce(trim(\"timestamp\"), '') = '' THEN NULL "
    f'WHEN TRY_CAST("timestamp" AS TIMESTAMPTZ) IS NULL THEN {NEITHER} ELSE {TIME} END '
    f"WHEN NOT isfinite({NUMBER}) THEN {INFINITE} "
    f"ELSE CAST(sign({NUMBER}) * ("
    + " + ".join(f"CAST(abs({NUMBER}) >= {least} AS TINYINT)" for least, _, _ in UNITS)
    + f") + CASE WHEN ({NUMBER} BETWEEN 1.9e7 AND 2.2e7 OR {NUMBER} BETWEEN 1.9e13 AND 2.2e13) "
    f"AND {DATED} IS NOT NULL THEN {AS_DATE} ELSE 0 END AS TINYINT) END"
)


@dataclass(frozen=True)
class TimestampReading:
    """How the column is read: `sql` gives microseconds as BIGINT, or an order; null where it cannot."""

    kind: TimestampKind
    words: str  # for the person who runs it
    sql: str


def read_timestamps(
    unit: str, kinds: Mapping[int, int], *, source: str, example: Callable[[], str]
) -> TimestampReading:
    """Decide how column `timestamp` is read; `unit` is what an option says, or "auto".

    `kinds` says how many of the rows whose timestamp is not blank are of each `KIND`. Raises DataError, with
    an `example` of what is `NEITHER`, where the column holds neither numbers nor ISO 8601 times.
    """
    if unit == "auto":
        unit = _unit(kinds, source, example)
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
    scale = MICROSECONDS / {name: parts for _, name, parts in UNITS}[unit]
    in_range = (
        f"CASE WHEN isfinite({NUMBER}) AND abs({NUMBER}) * {scale} < {LATEST} "
        f"THEN CAST(floor({NUMBER} * {scale}) AS BIGINT) END"
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


def _unit(kinds: Mapping[int, int], source: str, example: Callable[[], str]) -> str:
    rows = sum(kinds.values())
    if not rows:
        return "seconds"
    numbers = rows - kinds.get(TIME, 0) - kinds.get(NEITHER, 0)
    reached = _median(kinds)
    if numbers >= NUMERIC_SHARE * rows and reached is not None:
        dates = sum(count for kind, count in kinds.items() if AS_DATE <= kind < INFINITE)
        if dates >= DATED_SHARE * numbers:
            return "dates"
        return UNITS[abs(reached) - 1][1] if reached else "order"
    if kinds.get(TIME, 0) >= NUMERIC_SHARE * rows:
        return "iso"
    raise DataError(
        f"The timestamps of {source} are neither numbers nor ISO 8601, but such as {form_of(example())}.",
        hint="Convert them, or name another column with --timestamp-column.",
    )


def _median(kinds: Mapping[int, int]) -> int | None:
    """How many units the middle number reaches, the upper one of two; None where there is no number."""
    counts: dict[int, int] = {}
    for kind, count in kinds.items():
        if kind < INFINITE:
            reached = kind - AS_DATE if kind >= AS_DATE else kind
            counts[reached] = counts.get(reached, 0) + count
    values = sorted(counts)
    below = np.cumsum([counts[value] for value in values])
    return values[int(np.searchsorted(below, below[-1] // 2, side="right"))] if values else None
