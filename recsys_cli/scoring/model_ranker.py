"""The trained model as a ranker: retrieval over the whole catalogue, then cross-attention."""

from functools import cached_property
from typing import Literal

import jax
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from recsys_cli.batches.events import history_windows
from recsys_cli.models.cross_attention import HeadTables, HeadUser
from recsys_cli.models.recommender import Recommender
from recsys_cli.models.store import Calibration, StoredModel
from recsys_cli.schemas import Part
from recsys_cli.scoring.joined import Joined
from recsys_cli.scoring.ranker import Ranked
from recsys_cli.scoring.rerank import cross_attention_scores, head_tables, log_share
from recsys_cli.scoring.retrieve import padded_columns
from recsys_cli.scoring.retriever import Found, Retriever
from recsys_cli.scoring.ties import tied_targets
from recsys_cli.scoring.users import UserVectors, encode_users
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Dataset

SMALLEST_BATCH = 64  # batches are filled up to a power of two, so that few shapes are compiled

Scorer = Literal["full", "retrieval"]


class ModelRanker:
    """See `Ranker`. With `full`, `candidates` are retrieved for each user and scored as the model
    was trained to; without, the catalogue is ranked by retrieval alone. A `head_weight` of None is
    a model without the cross-attention head.
    """

    def __init__(
        self,
        model: Recommender,
        joined: Joined,
        *,
        full: bool,
        candidates: int,
        head_weight: float | None,
        calibration: Calibration | None,
        precision: str | None = None,
    ) -> None:
        self.model, self.joined, self.full = model, joined, full
        self.candidates = candidates
        self.precision = precision  # of matrix products on accelerators; None: as the caller has set it
        self.head_weight = head_weight if full else None
        calibrated = full and calibration is not None and calibration.candidates == candidates
        self.calibration = calibration if calibrated else None
        self.unknown_items = joined.unknown_items
        self.attribute_lists = jax.device_put(joined.spec.attribute_lists)

    @cached_property
    def numbers(self) -> NDArray[np.int32]:
        """(columns,) the model's item number of each."""
        return self.joined.model_numbers[self.joined.columns]

    @cached_property
    def vectors(self) -> Float[Array, "columns dim"]:
        """Retrieval vectors of the columns."""
        return catalogue_vectors(self.model, self.attribute_lists, jax.device_put(self.numbers))

    @cached_property
    def retriever(self) -> Retriever:
        return Retriever(self.vectors)

    @cached_property
    def tables(self) -> HeadTables:
        return head_tables(self.model, self.attribute_lists)

    def knows(self, users: NDArray[np.int64], *, before: Part | None) -> NDArray[np.bool_]:
        return self.joined.cut(before)[users] > self.joined.offsets[:-1][users]

    def rank(
        self,
        users: NDArray[np.int64],
        *,
        before: Part | None,
        top_k: int,
        exclude: Ragged,
        allowed: NDArray[np.bool_] | None = None,
    ) -> Ranked:
        """The best items of each user; see `Ranker.rank`."""
        with jax.default_matmul_precision(self.precision):
            vectors, excluded = self.encode_padded(users, before, exclude)
            return self._ranked(vectors, excluded, len(users), top_k, self._allowed(allowed))

    def rank_with_ties(
        self, users: NDArray[np.int64], *, before: Part | None, top_k: int, exclude: Ragged, targets: Ragged
    ) -> tuple[Ranked, NDArray[np.bool_]]:
        """See `Ranker.rank_with_ties`."""
        with jax.default_matmul_precision(self.precision):
            vectors, excluded = self.encode_padded(users, before, exclude)
            ranked = self._ranked(vectors, excluded, len(users), top_k, None)
            return ranked, self._tied(vectors, excluded, targets)

    def _ranked(
        self,
        vectors: UserVectors,
        excluded: NDArray[np.int32],
        count: int,
        top_k: int,
        allowed: NDArray[np.bool_] | None,
    ) -> Ranked:
        """The lists of the first `count` users; the others are padding."""
        scores, columns = self._final_scores(vectors, excluded, top_k, allowed)
        scores, columns = scores[:count], columns[:count]
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        listed, columns = np.take_along_axis(scores, order, 1), np.take_along_axis(columns, order, 1)
        items = np.where(np.isneginf(listed), 0, self.joined.columns[columns]).astype(np.int32)
        return Ranked(items, listed, self._probabilities(scores, order))

    def _tied(self, vectors: UserVectors, excluded: NDArray[np.int32], targets: Ragged) -> NDArray[np.bool_]:
        """(targets,) see `Ranker.rank_with_ties`."""
        columns = self.joined.column_of[targets.values]
        padding = (0, _padding(len(columns)))
        owners, column = np.pad(targets.owners(), padding), np.pad(np.maximum(columns, 0), padding)
        once = _once(excluded, len(self.joined.columns))
        tied = tied_targets(vectors.states, self.vectors, once, owners, column)
        return np.asarray(tied)[: len(columns)] & (columns >= 0)

    def _final_scores(
        self, users: UserVectors, excluded: NDArray[np.int32], top_k: int, allowed: NDArray[np.bool_] | None
    ) -> Found:
        """Scores and columns of each user's candidates, in the order that breaks ties."""
        keep = self.candidates if self.full else top_k
        scores, columns = self.retriever.best(users.states, excluded, allowed, keep)
        if self.head_weight is not None:
            scores = scores + np.float32(self.head_weight) * np.asarray(self.cross_attention(users, columns))
        return scores, columns

    def retrieve_candidates(self, users: UserVectors, excluded: NDArray[np.int32]) -> Found:
        """Retrieval scores and columns of each user's candidates, in the order that breaks ties."""
        return self.retriever.best(users.states, excluded, None, self.candidates)

    def cross_attention(
        self, users: UserVectors, columns: NDArray[np.int32]
    ) -> Float[Array, "users candidates"]:
        """What the head adds to each user's candidates, before its weight."""
        user = HeadUser(users.states, users.history, users.lengths)  # pyright: ignore[reportArgumentType]
        numbers = jax.device_put(self.numbers[columns])
        return cross_attention_scores(self.model, self.tables, user, numbers, self.attribute_lists)

    def encode_padded(
        self, users: NDArray[np.int64], before: Part | None, exclude: Ragged
    ) -> tuple[UserVectors, NDArray[np.int32]]:
        """Vectors and excluded columns of the users, filled up to a power of two."""
        users, excluded = self._padded(users, exclude)
        return self._encode(users, before), excluded

    def _encode(self, users: NDArray[np.int64], before: Part | None) -> UserVectors:
        windows = history_windows(
            self.joined.events,
            self.joined.offsets[:-1],
            self.joined.cut(before),
            users,
            length=self.joined.spec.max_length,
        )
        return encode_users(
            self.model,
            self.joined.events,
            windows,
            self.attribute_lists,
            length=self.joined.spec.max_length,
            with_history=self.head_weight is not None,
        )

    def _padded(
        self, users: NDArray[np.int64], exclude: Ragged
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        columns = padded_columns(exclude, self.joined.column_of, len(self.joined.columns))
        padding = _padding(len(users))
        return np.pad(users, (0, padding), mode="edge"), np.pad(columns, [(0, padding), (0, 0)], mode="edge")

    def _allowed(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        return None if allowed is None else allowed[self.joined.columns - 1]

    def _probabilities(self, scores: NDArray[np.float32], order: NDArray[np.integer]) -> NDArray[np.float32]:
        """Of each user's candidates in this order; NaN where they have no meaning."""
        if self.calibration is None:
            return np.full(order.shape, np.nan, np.float32)
        shares = np.take_along_axis(log_share(scores), order, 1)
        logits = self.calibration.slope * shares + self.calibration.intercept
        return np.exp(-np.logaddexp(0, -logits))  # a sigmoid that does not overflow


def _padding(count: int) -> int:
    return max(SMALLEST_BATCH, 1 << (count - 1).bit_length()) - count


@jax.jit
def catalogue_vectors(
    model: Recommender, attribute_lists: Int[Array, "items slots"], numbers: Int[Array, " columns"]
) -> Float[Array, "columns dim"]:
    """Retrieval vectors of these item numbers."""
    return model.catalogue(attribute_lists)[numbers]


def _once(columns: NDArray[np.int32], padding: int) -> NDArray[np.int32]:
    """Each row's different columns, sorted; `padding` in place of what is there again."""
    columns = np.sort(columns, axis=1)
    columns[:, 1:][columns[:, 1:] == columns[:, :-1]] = padding
    return columns


def load_ranker(model: StoredModel, dataset: Dataset, *, scorer: Scorer, candidates: int) -> ModelRanker:
    """The model, ready to rank the dataset's items for its users."""
    return ModelRanker(
        model.load(),
        Joined(model.spec, dataset),
        full=scorer == "full",
        candidates=candidates,
        head_weight=model.details.head_weight,
        calibration=model.details.calibration,
        precision=model.settings.matmul_precision,
    )
