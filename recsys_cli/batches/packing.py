"""Window lengths to rows: longest first, whole patterns of lengths at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recsys_cli.batches.batch import Placement


def pack(lengths: NDArray[np.int64], row_length: int) -> Placement:
    """Place windows of `lengths` (windows,) into as few rows of `row_length` tokens as is quick.

    Each row is filled greedily with the longest windows that still fit. Rows with equal lengths in
    them are made together, so the work grows with the number of different lengths, not of windows.
    Equal lengths are used in the order given. Every length must be in [1, row_length].
    """
    by_length = np.argsort(-lengths, kind="stable")
    counts = np.bincount(lengths, minlength=row_length + 1)
    next_of_length = np.concatenate([[0], np.cumsum(counts[::-1])])[:-1][::-1].copy()
    windows, rows, columns, segments = [], [], [], []
    num_rows = 0
    for pattern, repeats in _patterns(counts.copy(), row_length):
        width = len(pattern)
        column = np.concatenate([[0], np.cumsum(pattern)[:-1]])
        chosen = np.empty((repeats, width), np.int64)
        for length in np.unique(pattern):
            here = pattern == length
            stop = next_of_length[length] + repeats * int(here.sum())
            chosen[:, here] = by_length[next_of_length[length] : stop].reshape(repeats, -1)
            next_of_length[length] = stop
        windows.append(chosen.ravel())
        rows.append(np.repeat(np.arange(num_rows, num_rows + repeats), width))
        columns.append(np.tile(column, repeats))
        segments.append(np.tile(np.arange(1, width + 1, dtype=np.int32), repeats))
        num_rows += repeats
    empty = [np.empty(0, np.int64)]
    return Placement(
        np.concatenate(windows or empty),
        np.concatenate(rows or empty),
        np.concatenate(columns or empty),
        np.concatenate(segments or [np.empty(0, np.int32)]),
        num_rows,
    )


def _patterns(counts: NDArray[np.int64], row_length: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield (lengths of one row, how many such rows) until `counts` (by length) is used up."""
    while counts.any():
        pattern: list[tuple[int, int]] = []
        room = row_length
        for length in np.flatnonzero(counts)[::-1].tolist():
            take = min(room // length, int(counts[length]))
            if take:
                pattern.append((length, take))
                room -= take * length
        repeats = min(int(counts[length]) // take for length, take in pattern)
        for length, take in pattern:
            counts[length] -= take * repeats
        yield np.repeat([length for length, _ in pattern], [take for _, take in pattern]), repeats
