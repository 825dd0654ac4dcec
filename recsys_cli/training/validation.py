"""What choices are made by: NDCG@10 of the validation part, and ranks at several head weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from recsys_cli.evaluation.ranking import measures_per_user
from recsys_cli.models.recommender import Recommender
from recsys_cli.scoring.joined import Joined
from recsys_cli.scoring.model_ranker import ModelRanker
from recsys_cli.scoring.retrieve import rank_targets
from recsys_cli.scoring.users import UserVectors
from recsys_cli.sequences.store import Dataset

K: Final = 10
USERS_PER_BATCH: Final = 1024
MAX_USERS: Final = 20_000  # a larger validation part is sampled: its interval is narrow enough
HEAD_WEIGHTS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class ValidationBatch:
    """Users of one batch, and their validation targets as columns."""

    vectors: UserVectors
    excluded: NDArray[np.int32]  # (users padded, slots) columns of the users' histories
    owners: NDArray[np.int64]  # (targets,) row of each target's user
    columns: NDArray[np.int64]  # (targets,) column of each target
    offsets: NDArray[np.int64]  # (users + 1,) spans of each user's targets, without padding

    @property
    def num_users(self) -> int:
        return len(self.offsets) - 1

    @property
    def padded_targets(self) -> tuple[Int[Array, " targets"], Int[Array, " targets"]]:
        """Owners and columns, filled up to a multiple of the batch's users: few shapes to compile."""
        padding = (0, -len(self.columns) % len(self.excluded))
        return jnp.asarray(np.pad(self.owners, padding)), jnp.asarray(np.pad(self.columns, padding))

    def ndcg(self, ranks: NDArray[np.integer]) -> NDArray[np.float64]:
        """(users,) NDCG@10 from each (padded) target's rank; 0 says that it is not ranked."""
        return measures_per_user(ranks[: len(self.columns)], self.offsets, [K])[f"NDCG@{K}"]


class Validator:
    """The validation users of a dataset, as many as are needed, and how well a model does on them."""

    def __init__(self, dataset: Dataset, joined: Joined, seed: int) -> None:
        self.joined = joined
        self._targets = dataset.sequences.targets("validation")
        self._history = dataset.sequences.history("validation")
        judged = np.flatnonzero((self._targets.lengths() > 0) & (self._history.lengths() > 0))
        if len(judged) > MAX_USERS:
            judged = np.sort(np.random.default_rng(seed).choice(judged, MAX_USERS, replace=False))
        self.users = judged

    def batches(self, ranker: ModelRanker) -> Iterator[ValidationBatch]:
        """Encode the users batch by batch; every batch has the same padded shapes."""
        size = min(USERS_PER_BATCH, len(self.users))
        for first in range(0, len(self.users), size):
            users = self.users[first : first + size]
            padded = np.pad(users, (0, size - len(users)), mode="edge")
            vectors, excluded = ranker.encode_padded(padded, "validation", self._history.take(padded))
            targets = self._targets.take(users)
            yield ValidationBatch(
                vectors,
                excluded,
                targets.owners(),
                self.joined.column_of[targets.values],
                targets.offsets,
            )

    def ndcg(self, model: Recommender) -> float:
        """NDCG@10 of retrieval over the whole catalogue."""
        ranker = ModelRanker(model, self.joined, full=False, candidates=1, head_weight=None, calibration=None)
        per_user = [self._batch_ndcg(ranker, batch) for batch in self.batches(ranker)]
        return float(np.concatenate(per_user).mean()) if per_user else 0.0

    def _batch_ndcg(self, ranker: ModelRanker, batch: ValidationBatch) -> NDArray[np.float64]:
        ranks = rank_targets(
            jnp.asarray(batch.vectors.states),
            ranker.vectors,
            jnp.asarray(batch.excluded),
            *batch.padded_targets,
        )
        return batch.ndcg(np.asarray(ranks))


@jax.jit
def candidate_ranks(
    retrieval: Float[Array, "users candidates"],
    cross_attention: Float[Array, "users candidates"],
    columns: Int[Array, "users candidates"],
    owners: Int[Array, " targets"],
    targets: Int[Array, " targets"],
    weights: Float[Array, " weights"],
) -> Int[Array, "weights targets"]:
    """Rank of each target among its user's candidates at each head weight; 0 where not retrieved."""
    found = columns[owners] == targets[:, None]
    place = jnp.argmax(found, axis=1)
    index = jnp.arange(columns.shape[1])

    def at(weight: Float[Array, ""]) -> Int[Array, " targets"]:
        scores = (retrieval + weight * cross_attention)[owners]
        own = jnp.take_along_axis(scores, place[:, None], axis=1)
        before = (scores > own) | ((scores == own) & (index < place[:, None]))
        retrieved = found.any(axis=1) & ~jnp.isneginf(own[:, 0])
        return jnp.where(retrieved, before.sum(axis=1) + 1, 0)

    return jax.lax.map(at, weights)
