"""The batches of an epoch, as a function of seed and epoch: a resumed run repeats the run."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_cli.batches.batch import Batch, EventArrays, Placement, Windows, fill_batch
from recsys_cli.batches.packing import pack


@dataclass(frozen=True)
class TrainingData:
    """Users' training events: `events[starts[u]:stops[u]]` for each user position u."""

    events: EventArrays
    starts: NDArray[np.int64]  # (users,)
    stops: NDArray[np.int64]  # (users,) after the last event that has a target
    first_targets: NDArray[np.int32]  # (users,) each user's first positive item


@dataclass(frozen=True)
class Epoch:
    """One epoch's windows, placed into shuffled rows."""

    windows: Windows
    place: Placement

    def num_batches(self, rows_per_batch: int) -> int:
        return -(-self.place.num_rows // rows_per_batch)


def make_epoch(data: TrainingData, *, length: int, seed: int, epoch: int) -> Epoch:
    """Cut, pack and shuffle. Histories longer than a row are cut at a different place each epoch."""
    rng = np.random.default_rng([seed, epoch])
    windows = _cut_windows(data, length, rng)
    windows = windows.take(rng.permutation(len(windows)))
    place = pack(windows.token_counts(data.events), length)
    shuffled = rng.permutation(place.num_rows)[place.rows]
    order = np.lexsort((place.columns, shuffled))
    return Epoch(
        windows,
        Placement(
            place.windows[order], shuffled[order], place.columns[order], place.segments[order], place.num_rows
        ),
    )


def batches(
    data: TrainingData, epoch: Epoch, *, rows_per_batch: int, length: int, first: int = 0
) -> Iterator[Batch]:
    """Yield the epoch's batches from number `first`; the last one is filled up with empty rows."""
    place = epoch.place
    for number in range(first, epoch.num_batches(rows_per_batch)):
        row = number * rows_per_batch
        begin, end = np.searchsorted(place.rows, [row, row + rows_per_batch])
        part = Placement(
            place.windows[begin:end],
            place.rows[begin:end] - row,
            place.columns[begin:end],
            place.segments[begin:end],
            rows_per_batch,
        )
        yield fill_batch(data.events, epoch.windows, part, num_rows=rows_per_batch, length=length)


def _cut_windows(data: TrainingData, length: int, rng: np.random.Generator) -> Windows:
    """Windows of at most `length` tokens; long histories start theirs at a random shift."""
    room = length - data.events.user_attributes.lengths()
    users = np.flatnonzero((data.stops > data.starts) & (room > 0))
    size, start, stop = room[users], data.starts[users], data.stops[users]
    shift = np.where(stop - start > size, rng.integers(0, size), 0)
    pieces = -(-(stop - start + shift) // size)
    owner = np.repeat(np.arange(len(users)), pieces)
    piece = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    begin = (start - shift)[owner] + piece * size[owner]
    clipped = np.maximum(begin, start[owner])
    first = np.where(clipped == start[owner], data.first_targets[users[owner]], 0)
    end = np.minimum(begin + size[owner], stop[owner])
    return Windows(users[owner], clipped, end, first.astype(np.int32))
