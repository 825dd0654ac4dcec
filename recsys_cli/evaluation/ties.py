"""Where targets stand among equal scores, and what measures are expected if these came in a random order."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_cli.evaluation.ranking import ideal_gains, sum_per_user


class Standing(NamedTuple):
    """Where targets stand among all items that may be recommended; (targets,) each."""

    ranked: NDArray[np.bool_]  # false where the target is excluded: it then has no place
    better: NDArray[np.int64]  # items with a higher score
    tied: NDArray[np.int64]  # other items with the same score; 0 where it has no place

    @classmethod
    def join(cls, parts: "Sequence[Standing]") -> "Standing":
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


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
    return Standing(listed, better, np.where(listed, same - 1, 0))


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
    return sum_per_user(owners, np.where(where.ranked, mean, 0.0), len(offsets) - 1)
