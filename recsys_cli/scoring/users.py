"""Users' histories to vectors: packed through the encoder, then one state a user."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from recsys_cli.batches.batch import Batch, EventArrays, Placement, Windows, fill_batch, last_columns
from recsys_cli.batches.packing import pack
from recsys_cli.models.recommender import Encoded, Recommender
from recsys_cli.sequences.ragged import span_indices

ROWS_PER_CHUNK = 32  # rows that are encoded at a time: one shape, whatever the number of users


class UserVectors(NamedTuple):
    """What scoring needs of a batch of users, on the host."""

    states: NDArray[np.float32]  # (users, dim) the state at each user's last token
    history: NDArray[np.float32]  # (users, length, dim) embedded tokens, oldest first, then padding
    lengths: NDArray[np.int64]  # (users,) tokens of each user


@jax.jit
def encode_rows(model: Recommender, batch: Batch, attribute_lists: Array) -> Encoded:
    """`Recommender.encode` without dropout, compiled."""
    return model.encode(batch, attribute_lists)


def encode_users(
    model: Recommender,
    events: EventArrays,
    windows: Windows,
    attribute_lists: Any,
    *,
    length: int,
    with_history: bool,
) -> UserVectors:
    """Encode one window a user (none of them empty) and pick what belongs to each user."""
    counts = windows.token_counts(events)
    place = pack(counts, length)
    dim = model.embeddings.items.shape[1]
    states = np.empty((len(windows), dim), np.float32)
    history = np.zeros((len(windows), length if with_history else 0, dim), np.float32)
    for part, encoded in _encoded(model, events, windows, place, attribute_lists, length):
        states[part.windows] = np.asarray(encoded.states)[part.rows, last_columns(part, counts)]
        if with_history:
            _gather_history(history, np.asarray(encoded.history), part, counts)
    return UserVectors(states, history, counts)


def _encoded(
    model: Recommender, events: EventArrays, windows: Windows, place: Placement, lists: Any, length: int
) -> list[tuple[Placement, Encoded]]:
    """Every chunk of rows, handed to the device before the first is waited for."""
    parts = [_rows(place, first) for first in range(0, place.num_rows, ROWS_PER_CHUNK)]
    batches = (fill_batch(events, windows, part, num_rows=ROWS_PER_CHUNK, length=length) for part in parts)
    return [(part, encode_rows(model, batch, lists)) for part, batch in zip(parts, batches, strict=True)]


def _rows(place: Placement, first: int) -> Placement:
    begin, end = np.searchsorted(place.rows, [first, first + ROWS_PER_CHUNK])
    return Placement(
        place.windows[begin:end],
        place.rows[begin:end] - first,
        place.columns[begin:end],
        place.segments[begin:end],
        min(ROWS_PER_CHUNK, place.num_rows - first),
    )


def _gather_history(
    history: NDArray[np.float32], tokens: NDArray[np.float32], part: Placement, counts: NDArray[np.int64]
) -> None:
    lengths = counts[part.windows]
    window = np.repeat(np.arange(len(lengths)), lengths)
    offset = span_indices(np.zeros_like(lengths), lengths)
    history[part.windows[window], offset] = tokens[part.rows[window], part.columns[window] + offset]
