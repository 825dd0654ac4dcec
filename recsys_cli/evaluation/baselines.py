"""Rankers that every model must beat, fitted on what was known before the measured part.

All of them count. Columns are item numbers in the order that breaks ties.
"""

import itertools
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys_cli.evaluation.full_ranking import Ranking, rank_by_counts, rank_by_order
from recsys_cli.evaluation.judged import Judged
from recsys_cli.evaluation.popularity import last_days, popularity
from recsys_cli.evaluation.ties import Standing
from recsys_cli.schemas import Part
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Dataset, Sequences
from recsys_cli.sequences.vocabulary import tie_order

DENSE_FROM: Final = 0.25  # share of filled cells from which a dense matrix is multiplied faster
COUNTS_HELD: Final = 1_000_000  # of some users, at a time: these and their sort stay in the cache
EXCLUDED: Final = -(2**62)  # far below zero, whatever is added


@dataclass(frozen=True)
class Known:
    """The events before a part, and the columns that items are ranked in."""

    sequences: Sequences
    stops: NDArray[np.int64]  # (users,) where each user's known events end
    columns: NDArray[np.int64]  # (columns,) item numbers, in the order that breaks ties

    @cached_property
    def column_of(self) -> NDArray[np.int32]:
        """(items + 1,) the column of each item number; -1 for 0."""
        column_of = np.full(len(self.columns) + 1, -1, np.int32)
        column_of[self.columns] = np.arange(len(self.columns))
        return column_of

    @cached_property
    def history(self) -> Ragged:
        """The columns of each user's known events, oldest first."""
        starts = self.sequences.starts
        return self.as_columns(Ragged(self.sequences.items, self.sequences.offsets).spans(starts, self.stops))

    def in_columns(self, judged: Judged) -> Judged:
        """The judged users, with columns in place of item numbers."""
        targets, excluded = self.as_columns(judged.targets), self.as_columns(judged.excluded)
        return replace(judged, targets=targets, excluded=excluded)

    def as_columns(self, lists: Ragged) -> Ragged:
        """Lists of item numbers as lists of columns."""
        return Ragged(self.column_of[lists.values], lists.offsets)


def known_before(dataset: Dataset, part: Part) -> Known:
    """What is known just before a part of the split."""
    sequences = dataset.sequences
    return Known(sequences, sequences.cut(part), tie_order(dataset.item_ids) + 1)


class Baseline(Protocol):
    """Ranks the whole catalogue for users that have a known event."""

    name: str

    def rank(self, judged: Judged, k: int) -> Ranking:
        """The `k` best columns of each user, and where the targets stand; `judged` is in columns."""
        ...


class Popular:
    """The items with the most known events, the same for every user."""

    def __init__(self, known: Known, *, days: int | None = None) -> None:
        """With `days`, only events of that many days before the last known one count."""
        self.name = "most popular" if days is None else "recently popular"
        since = None if days is None else last_days(known.sequences, known.stops, days)
        counts = popularity(known.sequences, known.stops, since)
        counts = np.pad(counts, (0, len(known.columns) - len(counts)))  # items that nobody has met
        self._counts = counts[known.columns - 1]

    def rank(self, judged: Judged, k: int) -> Ranking:
        return rank_by_order(self._counts, judged, k)


class ItemToItem:
    """How often two items go together, summed over the items that a user brings along."""

    def __init__(
        self, name: str, brought: sparse.csr_array, pairs: sparse.csr_array | NDArray[np.float64]
    ) -> None:
        """`brought` is (users × columns), 1 or 0; `pairs` is (columns × columns), sparse or not."""
        self.name, self._brought, self._pairs = name, brought, pairs
        if isinstance(pairs, np.ndarray):
            self._filled = np.full(len(pairs), len(pairs))
        else:
            self._filled = np.diff(pairs.indptr)
            diagonal = np.arange(len(self._filled))
            excluded = sparse.csr_array((np.full(len(diagonal), EXCLUDED), (diagonal, diagonal)))
            self._with_excluded = sparse.vstack([pairs, excluded], "csr")

    def rank(self, judged: Judged, k: int) -> Ranking:
        parts: list[Ranking] = []
        for first, last in itertools.pairwise(self._bounds(judged.users)):
            some = judged.span(first, last)
            parts.append(rank_by_counts(self._counts(some), some, k))
        standing = Standing.join([part.standing for part in parts])
        return Ranking(np.concatenate([part.lists for part in parts]), standing)

    def _bounds(self, users: NDArray[np.int64]) -> list[int]:
        """Where batches of users begin, and the end: each has at most `COUNTS_HELD` counts, or one user."""
        counts = np.minimum(self._brought[users] @ self._filled, len(self._filled))
        batch = np.maximum(np.cumsum(counts) - 1, 0) // COUNTS_HELD
        return [*np.flatnonzero(np.diff(batch, prepend=-1)).tolist(), len(users)]

    def _counts(self, judged: Judged) -> sparse.csr_array:
        """(users × columns) what `rank_by_counts` takes."""
        brought, excluded = self._brought[judged.users], judged.excluded
        if isinstance(self._pairs, np.ndarray):
            counts = (brought.toarray() @ self._pairs).astype(np.int64)
            counts[excluded.owners(), excluded.values] = EXCLUDED
            return _all_filled(counts)
        without = sparse.csr_array(
            (np.ones(len(excluded.values), np.int64), excluded.values, excluded.offsets), shape=brought.shape
        )
        return sparse.hstack([brought, without], "csr") @ self._with_excluded


def last_item_markov(known: Known) -> ItemToItem:
    """How often each item came right after the user's last one, in anybody's sequence."""
    history, size = known.history, len(known.columns)
    follows = np.ones(len(history.values), bool)
    follows[history.offsets[:-1][history.lengths() > 0]] = False  # a first event follows nothing
    after = np.flatnonzero(follows)
    transitions = _counts(history.values[after - 1], history.values[after], (size, size))
    users = np.flatnonzero(history.lengths() > 0)
    last = history.values[history.offsets[users + 1] - 1]
    return ItemToItem("last-item Markov", _counts(users, last, (len(history), size)), transitions)


def co_occurrence(known: Known) -> ItemToItem:
    """With how many users each item met the items of the user's history, summed over these."""
    history, size = known.history, len(known.columns)
    met = _counts(history.owners(), history.values, (len(history), size))
    met.data[:] = 1  # met twice is met
    together = (met.T @ met).tocsr()
    together.setdiag(0)
    dense = together.nnz > DENSE_FROM * size**2
    return ItemToItem("co-occurrence", met, together.toarray().astype(np.float64) if dense else together)


def fit_baselines(dataset: Dataset, known: Known, *, popular_days: int) -> list[Baseline]:
    """Every baseline that the dataset allows: recent popularity needs timestamps in seconds."""
    recent: list[Baseline] = []
    if dataset.timestamp_kind == "seconds":
        recent = [Popular(known, days=popular_days)]
    return [Popular(known), *recent, last_item_markov(known), co_occurrence(known)]


def _all_filled(dense: NDArray[np.int64]) -> sparse.csr_array:
    """The matrix with each of its cells, zeros too: they are not looked for."""
    rows, size = dense.shape
    columns = np.tile(np.arange(size, dtype=np.int32), rows)
    return sparse.csr_array((dense.ravel(), columns, np.arange(rows + 1) * size), shape=dense.shape)


def _counts(rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> sparse.csr_array:
    """How often each pair of row and column is given."""
    ones = np.ones(len(rows), np.int64)
    return sparse.csr_array((ones, (rows, columns)), shape=shape)
