"""Percentile bootstrap over users: 95 % intervals of means, and of paired differences of means.

Users are drawn with replacement. Resamples depend on the seed and the number of users alone, so all
measures of all rankers are averaged over the same ones, and the difference of two rankers' resampled
means is a paired one. Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.95
COUNTS_HELD: Final = 4_000_000  # samples × users whose counts are held at a time: 32 MB


class Interval(NamedTuple):
    """Bounds of a two-sided interval; `low <= high`."""

    low: float
    high: float


def resampled_means(
    values: Sequence[NDArray[np.float64]], *, samples: int, seed: int
) -> list[NDArray[np.float64]]:
    """(samples, measures) mean over each resample of users, for each of the (users, measures) values.

    Products of (samples × users) counts with the values, in blocks of samples.
    """
    users = len(values[0])
    random = np.random.default_rng(seed)
    block = max(1, COUNTS_HELD // users)
    means: list[list[NDArray[np.float64]]] = []
    for first in range(0, samples, block):
        counts = _draw_counts(random, min(block, samples - first), users)
        means.append([counts @ each / users for each in values])
    return [np.concatenate(blocks) for blocks in zip(*means, strict=True)]


def _draw_counts(random: np.random.Generator, samples: int, users: int) -> NDArray[np.float64]:
    """(samples, users) how often each user is drawn; rows sum to `users`."""
    counts = np.empty((samples, users))
    for row in counts:
        row[:] = np.bincount(random.integers(users, size=users, dtype=np.uint32), minlength=users)
    return counts


def interval(means: NDArray[np.float64]) -> Interval:
    """The central 95 % of resampled means, (samples,)."""
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
