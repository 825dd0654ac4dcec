"""Rankers that every model must beat, fitted on what was known before the measured part.

Each gives a batch of users (users × columns) scores; columns are item numbers in the order that breaks ties.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys_cli.evaluation.popularity import last_days, popularity
from recsys_cli.schemas import Part
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Dataset, Sequences
from recsys_cli.sequences.vocabulary import tie_order

DENSE_FROM: Final = 0.25  # share of filled cells from which a dense matrix is multiplied faster


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

    def as_columns(self, lists: Ragged) -> Ragged:
        """Lists of item numbers as lists of columns."""
        return Ragged(self.column_of[lists.values], lists.offsets)


def known_before(dataset: Dataset, part: Part) -> Known:
    """What is known just before a part of the split."""
    sequences = dataset.sequences
    return Known(sequences, sequences.cut(part), tie_order(dataset.item_ids) + 1)


class Baseline(Protocol):
    """Scores the whole catalogue for users that have a known event."""

    name: str

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """(users, columns) a fresh array; `users` are positions (user number - 1)."""
        ...


class Popular:
    """The items with the most known events, the same for every user."""

    def __init__(self, known: Known, *, days: int | None = None) -> None:
        """With `days`, only events of that many days before the last known one count."""
        self.name = "most popular" if days is None else "recently popular"
        since = None if days is None else last_days(known.sequences, known.stops, days)
        counts = popularity(known.sequences, known.stops, since)
        counts = np.pad(counts, (0, len(known.columns) - len(counts)))  # items that nobody has met
        self._counts = counts[known.columns - 1].astype(np.float32)

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.tile(self._counts, (len(users), 1))


class LastItemMarkov:
    """How often each item came right after the user's last one, in anybody's sequence."""

    name = "last-item Markov"

    def __init__(self, known: Known) -> None:
        history = known.history
        follows = np.ones(len(history.values), bool)
        follows[history.offsets[:-1][history.lengths() > 0]] = False  # a first event follows nothing
        after = np.flatnonzero(follows)
        size = len(known.columns)
        self._transitions = _counts(history.values[after - 1], history.values[after], (size, size))
        self._history = history

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        last = self._history.values[self._history.offsets[users + 1] - 1]
        return self._transitions[last].toarray()


class CoOccurrence:
    """With how many users each item met the items of the user's history, summed over these."""

    name = "co-occurrence"

    def __init__(self, known: Known) -> None:
        history = known.history
        owners = np.repeat(np.arange(len(history)), history.lengths())
        met = _counts(owners, history.values, (len(history), len(known.columns)))
        met.data[:] = 1  # met twice is met
        together = (met.T @ met).tocsr()
        together.setdiag(0)
        filled = together.nnz / max(1, len(known.columns) ** 2)
        self._met = met
        self._together = together.toarray() if filled > DENSE_FROM else together

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        scores = self._met[users] @ self._together
        return scores if isinstance(scores, np.ndarray) else scores.toarray()


def fit_baselines(dataset: Dataset, known: Known, *, popular_days: int) -> list[Baseline]:
    """Every baseline that the dataset allows: recent popularity needs timestamps in seconds."""
    recent: list[Baseline] = []
    if dataset.timestamp_kind == "seconds":
        recent = [Popular(known, days=popular_days)]
    return [Popular(known), *recent, LastItemMarkov(known), CoOccurrence(known)]


def _counts(rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> sparse.csr_array:
    """How often each pair of row and column is given."""
    ones = np.ones(len(rows), np.float32)
    return sparse.csr_array((ones, (rows, columns)), shape=shape)
