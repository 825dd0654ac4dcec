"""How often each item was met, of all time or of late."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys_cli.sequences.ragged import span_indices
from recsys_cli.sequences.store import Sequences

SECONDS_A_DAY: Final = 86_400


def popularity(sequences: Sequences, stops: NDArray[np.int64], since: int | None = None) -> NDArray[np.int64]:
    """(items,) events of each item, at its number - 1, that are known: before each user's stop.

    `stops` is (users,), absolute positions as in `Sequences.cut`. With `since`, in Unix seconds,
    only events at that moment or later count.
    """
    known = span_indices(sequences.starts, stops)
    if since is not None:
        known = known[sequences.timestamps[known] >= since]
    return np.bincount(sequences.items[known], minlength=int(sequences.items.max()) + 1)[1:]


def last_days(sequences: Sequences, stops: NDArray[np.int64], days: int) -> int:
    """Unix seconds of the moment `days` days before the last known event."""
    known = span_indices(sequences.starts, stops)
    last = int(sequences.timestamps[known].max(initial=0))
    return last - days * SECONDS_A_DAY
