"""How often each item was met, of all time or of late."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys_cli.sequences.ragged import span_indices
from recsys_cli.sequences.store import Sequences

SECONDS_A_DAY: Final = 86_400
USERS_AT_A_TIME: Final = 65_536  # whose events are looked at, so that memory does not grow with the users


def popularity(sequences: Sequences, stops: NDArray[np.int64], since: int | None = None) -> NDArray[np.int64]:
    """(items,) events of each item, at its number - 1, that are known: before each user's stop.

    `stops` is (users,), absolute positions as in `Sequences.cut`. With `since`, in Unix seconds,
    only events at that moment or later count.
    """
    counts = np.zeros(int(sequences.items.max(initial=0)) + 1, np.int64)
    for known in _known(sequences, stops):
        counted = known if since is None else known[sequences.timestamps[known] >= since]
        counts += np.bincount(sequences.items[counted], minlength=len(counts))
    return counts[1:]


def last_days(sequences: Sequences, stops: NDArray[np.int64], days: int) -> int:
    """Unix seconds of the moment `days` days before the last known event."""
    last = [int(sequences.timestamps[known].max(initial=0)) for known in _known(sequences, stops)]
    return max(last, default=0) - days * SECONDS_A_DAY


def _known(sequences: Sequences, stops: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Positions of the known events, some users' after the other."""
    for first in range(0, len(stops), USERS_AT_A_TIME):
        part = slice(first, first + USERS_AT_A_TIME)
        yield span_indices(sequences.starts[part], stops[part])
