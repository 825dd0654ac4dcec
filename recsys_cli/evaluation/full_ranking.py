"""Scores of the whole catalogue to ranks, ties, lists, and what measures are expected over ties.

Columns of scores stand in the order that breaks ties (`sequences.vocabulary.tie_order`), so among
equal scores the lower column comes first, here as everywhere.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_cli.evaluation.ranking import ideal_gains, sum_per_user
from recsys_cli.sequences.ragged import Ragged

BLOCK: Final = 32  # columns of which the maximum is kept while the best are looked for
COMPARED: Final = 8_000_000  # targets × columns that are compared at a time


class Standing(NamedTuple):
    """Where targets stand among all columns; (targets,) each."""

    ranks: NDArray[np.int64]  # from 1; 0 where the target is excluded
    better: NDArray[np.int64]  # columns with a higher score
    tied: NDArray[np.int64]  # other columns with the same score

    @classmethod
    def join(cls, parts: "Sequence[Standing]") -> "Standing":
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def exclude(scores: NDArray[np.floating], excluded: Ragged) -> None:
    """Set each user's excluded columns to minus infinity, in place. `scores` is (users, columns)."""
    users = np.repeat(np.arange(len(excluded)), excluded.lengths())
    scores[users, excluded.values] = -np.inf


def standing(scores: NDArray[np.floating], targets: Ragged) -> Standing:
    """Where each target column of each user stands; scores of minus infinity are excluded columns."""
    owners = np.repeat(np.arange(len(targets)), targets.lengths())
    step = max(1, COMPARED // scores.shape[1])
    parts = [
        _standing(scores, owners[first : first + step], targets.values[first : first + step])
        for first in range(0, len(owners), step)
    ]
    return Standing.join(parts) if parts else Standing(*np.zeros((3, 0), np.int64))


def _standing(
    scores: NDArray[np.floating], owners: NDArray[np.int64], columns: NDArray[np.int32]
) -> Standing:
    rows = scores[owners]
    score = scores[owners, columns][:, None]
    better = np.count_nonzero(rows > score, axis=1)
    same = rows == score
    tied = np.count_nonzero(same, axis=1) - 1
    same &= np.arange(scores.shape[1], dtype=np.int32) < columns[:, None]
    ranked = score[:, 0] > -np.inf
    ranks = better + np.count_nonzero(same, axis=1) + 1
    return Standing(np.where(ranked, ranks, 0), better, np.where(ranked, tied, 0))


def standing_in_lists(
    scores: NDArray[np.floating], ranks: NDArray[np.int64], offsets: NDArray[np.int64]
) -> Standing:
    """Where targets stand as far as lists show: ties beyond a list's end are not seen.

    `scores` is (users, k), in the order of the lists; `ranks` is flat, 0 for a target that is not in
    its user's list.
    """
    owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    listed = ranks > 0
    rows = scores[owners]
    score = rows[np.arange(len(ranks)), ranks - 1][:, None]
    better, same = np.count_nonzero(rows > score, axis=1), np.count_nonzero(rows == score, axis=1)
    return Standing(ranks, better, np.where(listed, same - 1, 0))


def best_columns(scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """(users, min(k, columns)) the best columns, best first; -1 where only excluded ones are left.

    Exact: if a column is among the k best, its block is among the first k blocks by maximum.
    """
    k = min(k, scores.shape[1])
    blocks = _first_by_score(_block_maxima(scores), k)
    columns = (np.sort(blocks, axis=1)[:, :, None] * BLOCK + np.arange(BLOCK)).reshape(len(scores), -1)
    inside = columns < scores.shape[1]
    found = np.take_along_axis(scores, np.where(inside, columns, 0), axis=1)
    found[~inside] = -np.inf
    places = _first_by_score(found, k)
    best = np.take_along_axis(columns, places, axis=1)
    return np.where(np.take_along_axis(found, places, axis=1) > -np.inf, best, -1)


def _block_maxima(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.maximum.reduceat(scores, np.arange(0, scores.shape[1], BLOCK), axis=1)


def _first_by_score(scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """Places of the k highest scores, highest first, lower places first among equal ones."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def expected_over_ties(where: Standing, offsets: NDArray[np.int64], ks: Sequence[int]) -> dict[str, float]:
    """Mean over users of recall@k, precision@k and NDCG@k, if equal scores stood in a random order.

    Exact: a target takes each of its tie group's positions, better + 1 … better + tied + 1, equally
    often, and these measures are sums over targets. Excluded targets gain nothing.
    """
    targets = np.diff(offsets)
    result: dict[str, float] = {}
    for k in ks:
        hits = _mean_gain(where, np.arange(k + 1, dtype=np.float64), offsets)
        gains = _mean_gain(where, ideal_gains(k), offsets)
        result[f"recall@{k}"] = float((hits / targets).mean())
        result[f"precision@{k}"] = float((hits / k).mean())
        result[f"NDCG@{k}"] = float((gains / ideal_gains(k)[np.minimum(targets, k)]).mean())
    return result


def _mean_gain(
    where: Standing, gain_of_first: NDArray[np.float64], offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(users,) summed gains of the targets, each averaged over its tie group's positions.

    `gain_of_first[p]` is what the first p positions gain together; beyond its end nothing is gained.
    """
    last = len(gain_of_first) - 1
    size = where.tied + 1
    top, bottom = np.minimum(where.better, last), np.minimum(where.better + size, last)
    mean = (gain_of_first[bottom] - gain_of_first[top]) / size
    owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return sum_per_user(owners, np.where(where.ranks > 0, mean, 0.0), len(offsets) - 1)
