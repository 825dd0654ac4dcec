"""User vectors -> each user's best columns, by the way that is fastest on the device at hand.

On processors `kernels/search.py`, a few users at a time on each core; on accelerators one jitted
function, `retrieve`. Both are exact, and ties go to the lowest column.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from recsys_cli.config.processors import usable_processors
from recsys_cli.kernels.search import Catalogue, best_items
from recsys_cli.scoring.retrieve import retrieve

Found = tuple[NDArray[np.float32], NDArray[np.int32]]


class Retriever:
    """The columns of a catalogue, ready to be searched."""

    def __init__(self, vectors: Float[Array, "columns dim"]) -> None:
        self.vectors = vectors
        self._last: tuple[NDArray[np.bool_], Searched] | None = None

    def best(
        self,
        states: Float[Array, "users dim"] | NDArray[np.float32],
        excluded: NDArray[np.int32],
        allowed: NDArray[np.bool_] | None,
        keep: int,
    ) -> Found:
        """Scores and columns (users, kept) of the `keep` best, or of all columns where they are fewer.

        Columns ascend, so that position breaks ties; scores are minus infinity where a list has
        ended. `excluded` (users, slots) is padded with the number of columns; `allowed` (columns,).
        """
        keep = min(keep, len(self.vectors))
        if jax.default_backend() != "cpu":
            mask = None if allowed is None else jnp.asarray(allowed)
            found = retrieve(jnp.asarray(states), self.vectors, jnp.asarray(excluded), mask, keep)
            return np.asarray(found[0]), np.asarray(found[1])
        searched = self._all if allowed is None else self._only(allowed)
        return searched.best(np.asarray(states), excluded, keep)

    @cached_property
    def _all(self) -> "Searched":
        return Searched(np.asarray(self.vectors), None)

    def _only(self, allowed: NDArray[np.bool_]) -> "Searched":
        """What `allowed` leaves; kept, since batch after batch asks for the same."""
        if self._last is None or not np.array_equal(self._last[0], allowed):
            self._last = allowed, Searched(np.asarray(self.vectors), allowed)
        return self._last[1]


class Searched:
    """The columns that may be found, side by side."""

    def __init__(self, vectors: NDArray[np.float32], allowed: NDArray[np.bool_] | None) -> None:
        self.allowed = allowed
        self.columns = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
        self.catalogue = Catalogue.build(vectors if allowed is None else vectors[allowed])

    def best(self, states: NDArray[np.float32], excluded: NDArray[np.int32], keep: int) -> Found:
        """See `Retriever.best`."""
        scores = np.full((len(states), keep), -np.inf, np.float32)
        columns = np.zeros((len(states), keep), np.int32)
        excluded, width = self._places(excluded), min(keep, len(self.columns))
        at_once = self.catalogue.users_at_a_time(width)

        def search(first: int) -> None:
            users = slice(first, first + at_once)
            found = best_items(states[users], self.catalogue, excluded[users], width)
            scores[users, :width], places = _by_column(*found)
            columns[users, :width] = places if self.allowed is None else self.columns[places]

        if width:
            with ThreadPoolExecutor(usable_processors()) as pool:
                list(pool.map(search, range(0, len(states), at_once)))
        return scores, columns

    def _places(self, excluded: NDArray[np.int32]) -> NDArray[np.int32]:
        """Columns as places in the catalogue; its length where it does not hold them."""
        if self.allowed is None:
            return excluded
        places = np.full(len(self.allowed) + 1, len(self.columns), np.int32)
        places[self.columns] = np.arange(len(self.columns))
        return places[excluded]


def _by_column(scores: NDArray[np.float32], columns: NDArray[np.int32]) -> Found:
    """Each row in the order of its columns; sorting integers that hold both is faster than `argsort`."""
    keys = (columns.astype(np.int64) << 32) | scores.view(np.uint32)
    keys.sort(axis=1)
    return keys.astype(np.uint32).view(np.float32), (keys >> 32).astype(np.int32)
