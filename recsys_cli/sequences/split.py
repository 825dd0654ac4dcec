"""Where each user's training ends: two offsets a user, whatever the split."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.errors import UsageError
from recsys_cli.schemas import SplitKind, TimestampKind
from recsys_cli.tables.timestamps import parse_time

MIN_POSITIVE_EVENTS = 3  # below this, leave-one-out leaves a user to training


@dataclass(frozen=True)
class Split:
    """A kind of split and, for a split by time, its boundaries in Unix seconds."""

    kind: SplitKind
    validation_from: int | None = None
    test_from: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "validation_from": self.validation_from, "test_from": self.test_from}

    def in_words(self) -> str:
        """What is in which part; times in UTC."""
        if self.validation_from is None or self.test_from is None:
            return {
                "none": "all events are for training",
                "leave-one-out": f"users with fewer than {MIN_POSITIVE_EVENTS} positive events train only",
            }[self.kind]
        validation, test = (
            datetime.fromtimestamp(seconds, UTC).isoformat()
            for seconds in (self.validation_from, self.test_from)
        )
        return f"validation is from {validation}, test from {test}"

    def starts(
        self, times: NDArray[np.int64], positive: NDArray[np.bool_], offsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Offsets of validation and test in each user's list; the list's length for no such part.

        `times` (seconds) and `positive` are flat, oldest first within a user's span of `offsets`.
        """
        lengths = np.diff(offsets)
        if self.kind == "none":
            return lengths, lengths
        if self.validation_from is not None and self.test_from is not None:
            return _before(times, offsets, self.validation_from), _before(times, offsets, self.test_from)
        return _last_two(positive, offsets)


def _before(times: NDArray[np.int64], offsets: NDArray[np.int64], boundary: int) -> NDArray[np.int64]:
    """(users,) how many of each user's events are earlier than the boundary."""
    earlier = np.append(0, np.cumsum(times < boundary))
    return earlier[offsets[1:]] - earlier[offsets[:-1]]


def _last_two(
    positive: NDArray[np.bool_], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the last positive event but one, and of the last; see the protocol of leave-one-out."""
    lengths = np.diff(offsets)
    places = np.flatnonzero(positive)
    ends = np.append(0, np.cumsum(positive))[offsets]
    enough = np.diff(ends) >= MIN_POSITIVE_EVENTS
    last = np.where(enough, ends[1:], 2)
    padded = np.append(places, [0, 0])
    validation = np.where(enough, padded[last - 2] - offsets[:-1], lengths)
    test = np.where(enough, padded[last - 1] - offsets[:-1], lengths)
    return validation, test


def make_split(settings: PreprocessSettings, timestamps: TimestampKind) -> Split:
    """The split that the settings ask for. Raises UsageError for times where there are none."""
    if settings.split != "time":
        return Split(settings.split)
    if timestamps == "order":
        raise UsageError(
            "A split by time needs times, and these timestamps are only an order.",
            hint="Use --split leave-one-out, or name the column of times with --timestamp-column.",
        )
    validation, test = _seconds(settings.validation_from), _seconds(settings.test_from)
    if validation >= test:
        raise UsageError(
            f"validation-from={settings.validation_from} is not before test-from={settings.test_from}.",
            hint="Give an earlier --validation-from.",
        )
    return Split("time", validation, test)


def _seconds(text: str | None) -> int:
    assert text is not None  # the settings see to it
    return int(parse_time(text).timestamp())
