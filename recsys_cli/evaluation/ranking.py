"""Ranks of targets to measures of each user; a mean over users is the measure of a ranker.

A rank starts at 1; 0 says that the target is not in the list. Definitions, with n the number of a
user's targets and "hits" those among the first k: HR@k is 1 with a hit, else 0; recall@k = hits / n;
precision@k = hits / k; F1@k is the user's own harmonic mean of the two; NDCG@k has gains
1 / log2(rank + 1) over those of an ideal list with min(k, n) targets on top; MRR@k = 1 / the first
hit's rank; MAP@k = the sum over hits of the precision at their rank / min(k, n). All are in [0, 1].
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys_cli.sequences.ragged import Ragged

MEASURES: Final = ("HR", "recall", "precision", "F1", "NDCG", "MRR", "MAP")


def measures_per_user(
    ranks: NDArray[np.integer], offsets: NDArray[np.int64], ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Every measure at every k, one value a user: "NDCG@10" -> (users,).

    `ranks` is flat, one a target; user r owns `ranks[offsets[r]:offsets[r + 1]]`. The targets of a
    user are different items, and every user has at least one.
    """
    targets = np.diff(offsets)
    owners = np.repeat(np.arange(len(targets)), targets)
    last = int(ranks.max(initial=0)) + 1
    ranks = ranks[np.lexsort((np.where(ranks > 0, ranks, last), owners))]  # each user's best first
    hit_number = np.arange(1, len(ranks) + 1) - offsets[owners]
    result: dict[str, NDArray[np.float64]] = {}
    for k in ks:
        values = _measures_at(ranks, owners, hit_number, targets, k)
        result |= {f"{name}@{k}": value for name, value in zip(MEASURES, values, strict=True)}
    return result


def _measures_at(
    ranks: NDArray[np.integer],
    owners: NDArray[np.int64],
    hit_number: NDArray[np.int64],
    targets: NDArray[np.int64],
    k: int,
) -> tuple[NDArray[np.float64], ...]:
    """The measures at one k, in the order of `MEASURES`; `hit_number` counts a user's targets from 1."""
    hit = (ranks > 0) & (ranks <= k)
    owner, rank, users = owners[hit], ranks[hit].astype(np.float64), len(targets)
    hits = sum_per_user(owner, np.ones(len(owner)), users)
    possible = np.minimum(targets, k)
    recall, precision = hits / targets, hits / k
    f1 = 2 * hits / (targets + k)  # 2pr / (p + r), which has no value where both are 0
    ndcg = sum_per_user(owner, discounts(rank), users) / ideal_gains(k)[possible]
    first = hit_number[hit] == 1
    mrr = sum_per_user(owner[first], 1 / rank[first], users)
    average_precision = sum_per_user(owner, hit_number[hit] / rank, users) / possible
    return np.minimum(hits, 1), recall, precision, f1, ndcg, mrr, average_precision


def sum_per_user(owners: NDArray[np.int64], values: NDArray[np.float64], users: int) -> NDArray[np.float64]:
    """(users,) sums of values, each added to its owner's."""
    return np.bincount(owners, values, users).astype(np.float64)


def discounts(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a hit at each rank gains: 1 / log2(rank + 1)."""
    return 1 / np.log2(ranks + 1)


def ideal_gains(k: int) -> NDArray[np.float64]:
    """(k + 1,) what a list gains with its first 0, 1, … k items all hits."""
    return np.append(0, np.cumsum(discounts(np.arange(1, k + 1, dtype=np.float64))))


def ranks_in_lists(lists: NDArray[np.int32], targets: Ragged) -> NDArray[np.int64]:
    """Where each target stands in its user's list, from 1; 0 where it is not there. Flat, (targets,).

    `lists` is (users, k), best first, item numbers with 0 where an item is unknown or the list has
    ended; row r belongs to row r of `targets`.
    """
    users, k = lists.shape
    if k == 0 or len(targets.values) == 0:
        return np.zeros(len(targets.values), np.int64)
    width = int(max(lists.max(), targets.values.max())) + 1
    listed = (lists + np.arange(users, dtype=np.int64)[:, None] * width).ravel()
    wanted = np.repeat(np.arange(users), targets.lengths()) * width + targets.values
    order = np.argsort(listed, kind="stable")
    places = order[np.minimum(np.searchsorted(listed[order], wanted), len(order) - 1)]
    return np.where(listed[places] == wanted, places % k + 1, 0)


def coverage(lists: NDArray[np.int32], k: int, catalogue: int) -> float:
    """Share of the catalogue that is in the first k of at least one list, in [0, 1]."""
    listed = np.zeros(int(lists.max(initial=0)) + 1, bool)
    listed[lists[:, :k]] = True
    return float(listed[1:].sum() / catalogue)
