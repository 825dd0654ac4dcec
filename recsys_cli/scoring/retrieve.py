"""Stage 1: user vectors against the whole catalogue."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from recsys_cli.sequences.ragged import Ragged


class TargetRanks(NamedTuple):
    """Where each target stands in its user's list over the whole catalogue."""

    ranks: Int[Array, " targets"]  # from 1; 0 where the target is excluded
    tied: Int[Array, " targets"]  # other ranked items with the same score


def masked_scores(
    states: Float[Array, "users dim"],
    vectors: Float[Array, "items dim"],
    excluded: Int[Array, "users slots"],
) -> Float[Array, "users items"]:
    """Retrieval scores, minus infinity at each user's excluded columns (`items` pads a list)."""
    scores = states @ vectors.T
    users = jnp.arange(states.shape[0])[:, None]
    return scores.at[users, excluded].set(-jnp.inf, mode="drop")


@jax.jit
def rank_targets(
    states: Float[Array, "users dim"],
    vectors: Float[Array, "items dim"],
    excluded: Int[Array, "users slots"],
    users: Int[Array, " targets"],
    targets: Int[Array, " targets"],
) -> TargetRanks:
    """Ranks of target columns, one full count a target; equal scores rank by lower column.

    `users` are rows of `states`.
    """
    scores = masked_scores(states, vectors, excluded)[users]
    score = jnp.take_along_axis(scores, targets[:, None], axis=1)
    column = jnp.arange(vectors.shape[0])
    before = (scores > score) | ((scores == score) & (column < targets[:, None]))
    tied = (scores == score).sum(axis=1) - 1
    ranks = jnp.where(jnp.isneginf(score[:, 0]), 0, before.sum(axis=1) + 1)
    return TargetRanks(ranks, tied)


def padded_columns(lists: Ragged, column_of: NDArray[np.int64], num_columns: int) -> NDArray[np.int32]:
    """(users, slots) columns of each list's item numbers, padded with `num_columns`.

    `column_of[number]` is -1 where an item has no column. Slots are a power of two, so that few
    shapes are ever compiled.
    """
    columns = column_of[lists.values]
    lengths = lists.lengths()
    slots = 1 << max(3, int(lengths.max(initial=0) - 1).bit_length())
    padded = np.full((len(lists), slots), num_columns, np.int32)
    rows = np.repeat(np.arange(len(lists)), lengths)
    places = np.arange(len(columns)) - np.repeat(lists.offsets[:-1], lengths)
    padded[rows, places] = np.where(columns < 0, num_columns, columns)
    return padded
