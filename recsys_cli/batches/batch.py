"""The arrays that a step sees, and the windows of users' events that fill them."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int
from numpy.typing import NDArray

from recsys_cli.sequences.ragged import Ragged, span_indices


class Batch(NamedTuple):
    """Rows that several users' windows are packed into, on the device; all int32."""

    items: Int[Array, "rows length"]  # item numbers; 0 at user tokens and padding
    user_attributes: Int[Array, "rows length"]  # attribute numbers; 0 at events and padding
    ratings: Int[Array, "rows length"]  # rating levels, from 1; 0 where there is none
    segments: Int[Array, "rows length"]  # from 1 within a row, one a window; 0 is padding
    positions: Int[Array, "rows length"]  # of a token within its window, from 0
    targets: Int[Array, "rows length"]  # the next positive item; 0 where there is none


@dataclass(frozen=True)
class EventArrays:
    """What the windows are cut from: users' events in the model's own item numbers."""

    items: NDArray[np.int32]  # (events,)
    rating_levels: NDArray[np.int32]  # (events,)
    next_positive: NDArray[np.int32]  # (events,) the next positive item after each event, or 0
    user_attributes: Ragged  # attribute numbers of each user; they stand first in every window


@dataclass(frozen=True)
class Windows:
    """Spans of events, one user each: `events[starts[w]:stops[w]]`."""

    users: NDArray[np.int64]  # (windows,) user number - 1
    starts: NDArray[np.int64]  # (windows,)
    stops: NDArray[np.int64]  # (windows,)
    first_targets: NDArray[np.int32]  # (windows,) what the user tokens predict; 0 for nothing

    def __len__(self) -> int:
        return len(self.users)

    def take(self, order: NDArray[np.integer]) -> "Windows":
        return Windows(self.users[order], self.starts[order], self.stops[order], self.first_targets[order])

    def token_counts(self, events: EventArrays) -> NDArray[np.int64]:
        """(windows,) user tokens and events of each."""
        return events.user_attributes.lengths()[self.users] + self.stops - self.starts


class Placement(NamedTuple):
    """Where each window stands; sorted by row, then column."""

    windows: NDArray[np.int64]  # (windows,) index of the window
    rows: NDArray[np.int64]  # (windows,)
    columns: NDArray[np.int64]  # (windows,) of its first token
    segments: NDArray[np.int32]  # (windows,) from 1 within a row
    num_rows: int


def fill_batch(
    events: EventArrays, windows: Windows, place: Placement, *, num_rows: int, length: int
) -> Batch:
    """Write each placed window's tokens into its row: first the user's attributes, then the events.

    `place.rows` are rows of this batch, below `num_rows`; what no window covers is padding.
    """
    items, attributes, ratings, segments, positions, targets = np.zeros((6, num_rows * length), np.int32)
    windows = windows.take(place.windows)
    prefix = events.user_attributes.take(windows.users)
    widths = np.stack([prefix.lengths(), windows.stops - windows.starts])  # user tokens, events
    begin = place.rows * length + place.columns
    end = begin + widths.sum(axis=0)

    tokens = span_indices(begin, end)
    segments[tokens] = np.repeat(place.segments, end - begin)
    positions[tokens] = span_indices(np.zeros_like(begin), end - begin)

    attributes[span_indices(begin, begin + widths[0])] = prefix.values
    with_prefix = widths[0] > 0
    targets[(begin + widths[0] - 1)[with_prefix]] = windows.first_targets[with_prefix]

    tokens, source = span_indices(begin + widths[0], end), span_indices(windows.starts, windows.stops)
    items[tokens] = events.items[source]
    ratings[tokens] = events.rating_levels[source]
    targets[tokens] = events.next_positive[source]
    rows = (items, attributes, ratings, segments, positions, targets)
    return jax.device_put(Batch(*(array.reshape(num_rows, length) for array in rows)))  # pyright: ignore[reportArgumentType]


def last_columns(batch_rows: Placement, token_counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(windows,) column of each placed window's last token."""
    return batch_rows.columns + token_counts[batch_rows.windows] - 1
