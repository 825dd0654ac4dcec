"""Lists of numbers, of different lengths, as one flat array and offsets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """Row r is `values[offsets[r]:offsets[r + 1]]`."""

    values: NDArray[np.int32]  # (total,)
    offsets: NDArray[np.int64]  # (rows + 1,), from 0, never falling

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, index: int) -> NDArray[np.int32]:
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def owners(self) -> NDArray[np.int64]:
        """(total,) the row of each value."""
        return np.repeat(np.arange(len(self)), self.lengths())

    def padded(self, width: int, padding: int) -> NDArray[np.int32]:
        """(rows, width) the values of each row, then `padding`; no row may be longer than `width`."""
        filled = np.full((len(self), width), padding, np.int32)
        lengths = self.lengths()
        filled[self.owners(), span_indices(np.zeros_like(lengths), lengths)] = self.values
        return filled

    def take(self, rows: NDArray[np.integer]) -> "Ragged":
        """The given rows, in the given order."""
        starts, stops = self.offsets[rows], self.offsets[rows + 1]
        return self.spans(starts, stops)

    def spans(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> "Ragged":
        """Row r of the result is `values[starts[r]:stops[r]]`."""
        offsets = np.concatenate([[0], np.cumsum(stops - starts)])
        return Ragged(self.values[span_indices(starts, stops)], offsets)

    def beside(self, other: "Ragged") -> "Ragged":
        """Each row followed by the same row of the other."""
        order = np.argsort(np.concatenate([self.owners(), other.owners()]), kind="stable")
        return Ragged(np.concatenate([self.values, other.values])[order], self.offsets + other.offsets)


def span_indices(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """`concatenate([arange(a, b) for a, b in zip(starts, stops)])`, without the loop."""
    lengths = stops - starts
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
