"""After the last epoch: how much cross-attention counts, and what its scores mean as probabilities."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from recsys_cli.models.recommender import Recommender
from recsys_cli.models.store import Calibration
from recsys_cli.scoring.model_ranker import ModelRanker
from recsys_cli.scoring.rerank import log_share
from recsys_cli.training.calibration import fit_platt, judge, sigmoid
from recsys_cli.training.validation import (
    HEAD_WEIGHTS,
    ValidationBatch,
    Validator,
    candidate_ranks,
)

MIN_POSITIVES = 10  # retrieved targets in each half, below which no probability is fitted


class Fusion(NamedTuple):
    """How the parts of the score come together."""

    head_weight: float | None  # of cross-attention beside retrieval; None without the head
    calibration: Calibration | None
    figures: dict[str, Any]  # that it was chosen by, on validation


class CandidateScores(NamedTuple):
    """Every validation user's candidates, in the order that breaks ties."""

    retrieval: NDArray[np.float32]  # (users, candidates)
    cross_attention: NDArray[np.float32]  # (users, candidates); 0 without a head
    is_target: NDArray[np.bool_]  # (users, candidates)
    ndcg_at: NDArray[np.float64]  # (weights,) NDCG@10 of the final order at each of HEAD_WEIGHTS


def fit_fusion(model: Recommender, validator: Validator, *, candidates: int, seed: int) -> Fusion:
    """Fit the head's weight, then the calibration, on the validation users' candidates."""
    has_head = model.head is not None
    ranker = ModelRanker(
        model,
        validator.joined,
        full=True,
        candidates=candidates,
        head_weight=1.0 if has_head else None,
        calibration=None,
    )
    scores = score_candidates(ranker, validator)
    weight = choose_head_weight(scores) if has_head else 0.0
    calibration, judged = calibrate(scores, weight, candidates=candidates, seed=seed)
    figures = {
        "ndcg_at_10": float(scores.ndcg_at[HEAD_WEIGHTS.index(weight)]),
        "ndcg_at_10_of_retrieval": float(scores.ndcg_at[0]),
        "ndcg_at_10_by_head_weight": dict(zip(map(str, HEAD_WEIGHTS), scores.ndcg_at.tolist(), strict=True))
        if has_head
        else {},
        "calibration": judged,
        "users": len(validator.users),
    }
    return Fusion(weight if has_head else None, calibration, figures)


def score_candidates(ranker: ModelRanker, validator: Validator) -> CandidateScores:
    """Retrieve and score the validation users' candidates with a ranker whose head weight is 1."""
    parts = [_score_batch(ranker, batch) for batch in validator.batches(ranker)]
    retrieval, cross, target, ndcg = zip(*parts, strict=True)
    return CandidateScores(
        np.concatenate(retrieval),
        np.concatenate(cross),
        np.concatenate(target),
        np.concatenate(ndcg, 1).mean(1),
    )


def _score_batch(ranker: ModelRanker, batch: ValidationBatch) -> tuple[NDArray[Any], ...]:
    retrieval, columns = ranker.retrieve_candidates(batch.vectors, batch.excluded)
    cross = (
        jnp.zeros_like(retrieval)
        if ranker.head_weight is None
        else ranker.cross_attention(batch.vectors, columns)
    )
    ranks = candidate_ranks(retrieval, cross, columns, *batch.padded_targets, jnp.asarray(HEAD_WEIGHTS))
    ndcg = np.stack([batch.ndcg(row) for row in np.asarray(ranks)])
    target = np.zeros(retrieval.shape, bool)
    hits = np.asarray(columns)[batch.owners] == batch.columns[:, None]
    np.logical_or.at(target, batch.owners, hits)
    return (
        np.asarray(retrieval)[: batch.num_users],
        np.asarray(cross)[: batch.num_users],
        target[: batch.num_users],
        ndcg,
    )


def choose_head_weight(scores: CandidateScores) -> float:
    """The weight with the best NDCG@10; the smallest of equals."""
    return HEAD_WEIGHTS[int(np.argmax(scores.ndcg_at))]


def calibrate(
    scores: CandidateScores, head_weight: float, *, candidates: int, seed: int
) -> tuple[Calibration | None, dict[str, Any]]:
    """Platt scaling on one half of the users, and how it does on the other.

    None, with the reason, where a half has too few retrieved targets to fit anything.
    """
    final = scores.retrieval + np.float32(head_weight) * scores.cross_attention
    shares = log_share(final).astype(np.float64)
    listed = np.isfinite(shares)  # a user of a small catalogue has fewer candidates
    users = np.random.default_rng(seed).permutation(len(shares))
    halves = np.sort(users[::2]), np.sort(users[1::2])
    positives = min(int(scores.is_target[half].sum()) for half in halves)
    if positives < MIN_POSITIVES:
        return None, {"reason": f"only {positives} retrieved targets in a half of the users"}
    fitted, judged = halves
    label = scores.is_target[fitted][listed[fitted]]
    slope, intercept = fit_platt(shares[fitted][listed[fitted]], label)
    figures = judge(
        sigmoid(slope * shares[judged] + intercept),
        scores.is_target[judged],
        base_rate=float(label.mean()),
        listed=listed[judged],
        seed=seed,
    )
    return Calibration(slope=slope, intercept=intercept, candidates=candidates), figures
