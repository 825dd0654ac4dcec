"""Counts of the whole catalogue to lists, and to where targets stand in it. Nothing here is dense.

Columns stand in the order that breaks ties (`sequences.vocabulary.tie_order`), so among equal counts
the lower column comes first, here as everywhere. `judged` has columns in place of item numbers. A
column without a count has 0, as most have.
"""

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys_cli.evaluation.judged import Judged
from recsys_cli.evaluation.ties import Standing
from recsys_cli.sequences.ragged import Ragged


class Ranking(NamedTuple):
    """What a ranker makes of some users."""

    lists: NDArray[np.int64]  # (users, min(k, columns)) columns, best first; -1 where none are left
    standing: Standing  # of the users' targets


def rank_by_order(counts: NDArray[np.int64], judged: Judged, k: int) -> Ranking:
    """The same (columns,) counts for every user."""
    size = len(counts)
    order = np.argsort(-counts, kind="stable")
    place_of = np.empty(size, np.int32)
    place_of[order] = np.arange(size)
    taken = _rising(Ragged(place_of[judged.excluded.values], judged.excluded.offsets), size)
    lists = np.append(order, -1)[np.minimum(first_remaining(taken, min(k, size)), size)]
    return Ranking(lists, _standing_in_order(-counts[order], -counts, judged, taken))


def _standing_in_order(
    rising: NDArray[np.int64], value_of: NDArray[np.int64], judged: Judged, taken: Ragged
) -> Standing:
    """Where targets stand in an order of rising values, without the places that their users have taken."""
    owners, value = judged.targets.owners(), value_of[judged.targets.values]
    first, end = np.searchsorted(rising, value), np.searchsorted(rising, value, side="right")
    better = first - _below(taken, owners, first)
    tied = end - _below(taken, owners, end) - better - 1
    return Standing(~judged.unreachable, better, np.where(judged.unreachable, 0, tied))


def rank_by_counts(counts: sparse.csr_array, judged: Judged, k: int) -> Ranking:
    """Each user's own (users × columns) counts, negative where a column is excluded.

    One number stands for user, count and column, and falls as a list goes on; these numbers are
    sorted once, and everything else is looked up in them.
    """
    users, size = cast("tuple[int, int]", counts.shape)
    height = int(counts.data.max(initial=0)) + 1
    keys, ends = _keys(counts, height), counts.indptr[1:].astype(np.int64)
    floor = np.arange(users) * height
    positive = ends - np.searchsorted(keys, (floor + 1) * size)
    lists = _first_listed(keys, ends, positive, min(k, size), size)
    _fill_up(lists, positive, judged.excluded, size)

    owners = judged.targets.owners()
    count = np.maximum(counts[owners, judged.targets.values], 0)
    above = np.searchsorted(keys, (floor[owners] + count + 1) * size)
    same = above - np.searchsorted(keys, (floor[owners] + count) * size)
    without = size - (positive + judged.excluded.lengths())[owners]
    tied = np.where(judged.unreachable, 0, np.where(count > 0, same, without) - 1)
    return Ranking(lists, Standing(~judged.unreachable, ends[owners] - above, tied))


def first_remaining(taken: Ragged, k: int) -> NDArray[np.int64]:
    """(rows, k) the first of the places 0, 1, 2 … that each row has not taken.

    Rows of `taken` rise. With places p_0 < p_1 < … taken, the one at j is j + (how many p_i - i ≤ j).
    """
    owners = taken.owners()
    skipped = taken.values - (np.arange(len(owners)) - taken.offsets[owners])
    stride = int(skipped.max(initial=0)) + k + 1
    wanted = np.arange(k)
    starts = np.arange(len(taken))[:, None] * stride
    found = np.searchsorted(owners * stride + skipped, starts + wanted, side="right")
    return wanted + found - taken.offsets[:-1, None]


def _keys(counts: sparse.csr_array, height: int) -> NDArray[np.int64]:
    """(entries,) rising: (user · height + count) · columns + how far the column is from the last."""
    users, size = cast("tuple[int, int]", counts.shape)
    keys = np.maximum(counts.data, 0)
    keys += np.repeat(np.arange(users) * height, np.diff(counts.indptr))
    keys *= size
    keys += (size - 1) - counts.indices
    keys.sort()
    return keys


def _first_listed(
    keys: NDArray[np.int64], ends: NDArray[np.int64], positive: NDArray[np.int64], k: int, size: int
) -> NDArray[np.int64]:
    """(users, k) the columns with the highest counts; -1 where a user has no more of them."""
    places = np.arange(k)
    inside = places < positive[:, None]
    lists = np.full(inside.shape, -1)
    lists[inside] = size - 1 - keys[(ends[:, None] - 1 - places)[inside]] % size
    return lists


def _fill_up(lists: NDArray[np.int64], positive: NDArray[np.int64], excluded: Ragged, size: int) -> None:
    """Put the first columns without a count at the ends of lists, in place."""
    k = lists.shape[1]
    short = np.flatnonzero(positive < k)
    missing = np.arange(k) - positive[short, None]  # of the columns without a count; negative: listed
    given = lists[short][missing < 0].astype(np.int32)
    listed = Ragged(given, np.append(0, np.cumsum(positive[short])))
    free = first_remaining(_rising(listed.beside(excluded.take(short)), size), k)
    free = np.where(free < size, free, -1)
    filled = np.take_along_axis(free, np.maximum(missing, 0), axis=1)
    lists[short] = np.where(missing < 0, lists[short], filled)


def _rising(lists: Ragged, size: int) -> Ragged:
    """The rows of numbers below `size`, each sorted."""
    base = lists.owners() * size
    return Ragged((np.sort(base + lists.values) - base).astype(np.int32), lists.offsets)


def _below(lists: Ragged, rows: NDArray[np.int64], limits: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many numbers of the given rows are below each limit. Rows of `lists` rise."""
    stride = int(max(lists.values.max(initial=0), limits.max(initial=0))) + 1
    keys = lists.owners() * stride + lists.values
    return np.searchsorted(keys, rows * stride + limits) - lists.offsets[rows]
