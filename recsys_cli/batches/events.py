"""A dataset's sequences as the arrays that windows are cut from."""

import numpy as np
from numpy.typing import NDArray

from recsys_cli.batches.batch import EventArrays, Windows
from recsys_cli.batches.epochs import TrainingData
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Sequences

MAX_RATING_LEVELS = 16


def rating_edges(ratings: NDArray[np.float32] | None) -> list[float]:
    """Inner edges between rating levels: between all values when they are few, else quantiles."""
    if ratings is None:
        return []
    known = ratings[~np.isnan(ratings)]
    values = np.unique(known)
    if len(values) > MAX_RATING_LEVELS:
        values = np.unique(np.quantile(known, np.linspace(0, 1, MAX_RATING_LEVELS)))
    return ((values[1:] + values[:-1]) / 2).astype(float).tolist()


def rating_levels(ratings: NDArray[np.float32] | None, edges: list[float], events: int) -> NDArray[np.int32]:
    """The level of each rating, `1 .. len(edges) + 1`; 0 where there is none. Shape (events,)."""
    if ratings is None:
        return np.zeros(events, np.int32)
    levels = np.searchsorted(np.asarray(edges), ratings, side="right") + 1
    return np.where(np.isnan(ratings), 0, levels).astype(np.int32)


def event_arrays(
    sequences: Sequences, user_attributes: Ragged, *, edges: list[float], stops: NDArray[np.int64]
) -> EventArrays:
    """Events with their next positive item, looking no further than each user's `stops`."""
    count = len(sequences.items)
    return EventArrays(
        items=sequences.items,
        rating_levels=rating_levels(sequences.ratings, edges, count),
        next_positive=_next_positive(sequences, stops),
        user_attributes=user_attributes,
    )


def training_data(sequences: Sequences, events: EventArrays, *, stops: NDArray[np.int64]) -> TrainingData:
    """Each user's events before `stops` that have a target."""
    starts = sequences.starts
    has_target = np.concatenate([[0], np.cumsum(events.next_positive > 0)])
    inputs = has_target[stops] - has_target[starts]  # a prefix of the span: targets only run out
    nonempty = stops > starts
    first = np.where(nonempty, starts, 0)
    first_targets = np.zeros(len(starts), np.int32)
    if len(sequences.items):
        own = np.where(sequences.positive[first], sequences.items[first], events.next_positive[first])
        first_targets = np.where(nonempty, own, 0).astype(np.int32)
    return TrainingData(events, starts, starts + inputs, first_targets)


def history_windows(
    events: EventArrays,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    users: NDArray[np.int64],
    *,
    length: int,
) -> Windows:
    """One window a user: the last events before `stops` that fit a row beside the user's tokens."""
    room = length - events.user_attributes.lengths()[users]
    begin = np.maximum(starts[users], stops[users] - room)
    return Windows(users, begin, stops[users], np.zeros(len(users), np.int32))


def _next_positive(sequences: Sequences, stops: NDArray[np.int64]) -> NDArray[np.int32]:
    """(events,) the next positive item of the same user before its stop, or 0."""
    count = len(sequences.items)
    place = np.where(sequences.positive, np.arange(count), count)
    following = np.append(np.minimum.accumulate(place[::-1])[::-1], count)[1:]
    limit = np.repeat(stops, sequences.stops - sequences.starts)
    found = following < limit
    return np.where(found, sequences.items[np.where(found, following, 0)], 0).astype(np.int32)
