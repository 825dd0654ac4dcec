"""Stage 2: cross-attention over the candidates that retrieval found."""

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from recsys_cli.models.cross_attention import HeadTables, HeadUser
from recsys_cli.models.recommender import Recommender, candidates_of

USERS_PER_TILE = 64  # users whose candidates × history is held at a time


@jax.jit
def head_tables(model: Recommender, attribute_lists: Int[Array, "items slots"]) -> HeadTables:
    """`CrossAttention.tables`, compiled. The model must have the head."""
    assert model.head is not None
    return model.head.tables(model.embeddings, attribute_lists)


@jax.jit
def cross_attention_scores(
    model: Recommender,
    tables: HeadTables,
    users: HeadUser,
    candidates: Int[Array, "users candidates"],
    attribute_lists: Int[Array, "items slots"],
) -> Float[Array, "users candidates"]:
    """What c adds to each user's own candidates (item numbers of the model), in tiles of users."""
    assert model.head is not None
    head = model.head

    def one(part: tuple[HeadUser, Array]) -> Float[Array, " candidates"]:
        user, numbers = part
        return head.score(tables, user, candidates_of(numbers, attribute_lists))

    return jax.lax.map(one, (users, candidates), batch_size=USERS_PER_TILE)


def log_share(
    scores: Float[np.ndarray, "users candidates"],
) -> Float[np.ndarray, "users candidates"]:
    """Log-softmax of the final scores over a user's candidates: what the calibration reads.

    Unlike the bare logit it means the same for every user. Minus infinity stays what it is; a user
    without any other score has NaN.
    """
    best = scores.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # minus infinity from itself
        shifted = scores - best
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
