"""What the stages ask of anything that orders the catalogue for users."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys_cli.schemas import Part
from recsys_cli.sequences.ragged import Ragged


class Ranked(NamedTuple):
    """Lists of a batch of users, best first."""

    items: NDArray[np.int32]  # (users, k) item numbers of the dataset; 0: the list has ended
    scores: NDArray[np.float32]  # (users, k) logits that order the list; -inf where it has ended
    probabilities: NDArray[np.float32]  # (users, k) NaN where they have no meaning


class Ranker(Protocol):
    """Orders a dataset's items for its users.

    Users are positions (user number - 1), each with an event before `before` that the ranker
    knows. `exclude` row i holds the item numbers left out for `users[i]`; `allowed` (items,), when
    given, is true at item number - 1 where an item may be recommended.
    """

    unknown_items: int  # items of the dataset that it cannot rank

    def knows(self, users: NDArray[np.int64], *, before: Part | None) -> NDArray[np.bool_]:
        """(users,) whether each user has an event before `before` that it can read."""
        ...

    def rank(
        self,
        users: NDArray[np.int64],
        *,
        before: Part | None,
        top_k: int,
        exclude: Ragged,
        allowed: NDArray[np.bool_] | None = None,
    ) -> Ranked:
        """The `top_k` best items of each user."""
        ...


class TieRanker(Ranker, Protocol):
    """A ranker that `evaluate` can ask about ties too."""

    def rank_with_ties(
        self, users: NDArray[np.int64], *, before: Part | None, top_k: int, exclude: Ragged, targets: Ragged
    ) -> tuple[Ranked, NDArray[np.bool_]]:
        """`rank`, and (targets,) whether another ranked item has the same retrieval score as the target.

        Row i of `targets` holds item numbers of `users[i]`. An item that is not ranked is not tied.
        """
        ...
