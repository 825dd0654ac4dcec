"""Stage 1: user vectors against the whole catalogue."""

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import NDArray

from recsys_cli.sequences.ragged import Ragged

SCORES_AT_A_TIME: Final = 1 << 24  # 64 MiB of them: what is held does not grow with the catalogue


def masked_scores(
    states: Float[Array, "users dim"],
    vectors: Float[Array, "items dim"],
    excluded: Int[Array, "users slots"],
) -> Float[Array, "users items"]:
    """Retrieval scores, minus infinity at each user's excluded columns (`items` pads a list)."""
    scores = states @ vectors.T
    users = jnp.arange(states.shape[0])[:, None]
    return scores.at[users, excluded].set(-jnp.inf, mode="drop")


@jax.jit(static_argnames="keep")
def retrieve(
    states: Float[Array, "users dim"],
    vectors: Float[Array, "items dim"],
    excluded: Int[Array, "users slots"],
    allowed: Bool[Array, " items"] | None,
    keep: int,
) -> tuple[Float[Array, "users kept"], Int[Array, "users kept"]]:
    """Scores and columns of the `keep` best, columns ascending so that position breaks ties.

    Exact. For accelerators: processors have a faster way, `Retriever`. Users are worked off in
    tiles of `SCORES_AT_A_TIME` scores.
    """

    def tile(state: Float[Array, "tile dim"], out: Int[Array, "tile slots"]) -> tuple[Array, Array]:
        scores = masked_scores(state, vectors, out)
        if allowed is not None:
            scores = jnp.where(allowed, scores, -jnp.inf)
        best, columns = jax.lax.top_k(scores, keep)  # stable: equal scores, the lowest column first
        order = jnp.argsort(columns, axis=1)
        return jnp.take_along_axis(best, order, 1), jnp.take_along_axis(columns, order, 1)

    return _in_tiles(tile, (states, excluded), vectors.shape[0])


def _in_tiles(tile: Callable[..., Any], rows: tuple[Array, ...], num_items: int) -> Any:
    """`tile` of all rows, as many at a time as `SCORES_AT_A_TIME` allows."""
    count, at_once = len(rows[0]), max(1, SCORES_AT_A_TIME // num_items)
    if count <= at_once:
        return tile(*rows)
    padding = -count % at_once
    padded = [jnp.pad(row, [(0, padding)] + [(0, 0)] * (row.ndim - 1)) for row in rows]
    tiles = [row.reshape(-1, at_once, *row.shape[1:]) for row in padded]
    results = jax.lax.map(lambda part: tile(*part), tiles)
    return jax.tree.map(lambda result: result.reshape(-1, *result.shape[2:])[:count], results)


@jax.jit
def rank_targets(
    states: Float[Array, "users dim"],
    vectors: Float[Array, "items dim"],
    excluded: Int[Array, "users slots"],
    users: Int[Array, " targets"],
    targets: Int[Array, " targets"],
) -> Int[Array, " targets"]:
    """Ranks of target columns from 1, one full count a target; equal scores rank by lower column.

    0 where the target is excluded. `users` are rows of `states`.
    """
    column = jnp.arange(vectors.shape[0])

    def tile(owner: Int[Array, " tile"], target: Int[Array, " tile"]) -> Int[Array, " tile"]:
        scores = masked_scores(states[owner], vectors, excluded[owner])
        score = jnp.take_along_axis(scores, target[:, None], axis=1)
        before = (scores > score) | ((scores == score) & (column < target[:, None]))
        return jnp.where(jnp.isneginf(score[:, 0]), 0, before.sum(axis=1) + 1)

    return _in_tiles(tile, (users, targets), vectors.shape[0])


def padded_columns(lists: Ragged, column_of: NDArray[np.int64], num_columns: int) -> NDArray[np.int32]:
    """(users, slots) columns of each list's item numbers, padded with `num_columns`.

    `column_of[number]` is -1 where an item has no column. Slots are a power of two, so that few
    shapes are ever compiled.
    """
    columns = column_of[lists.values]
    slots = 1 << max(3, int(lists.lengths().max(initial=0) - 1).bit_length())
    return Ragged(np.where(columns < 0, num_columns, columns), lists.offsets).padded(slots, num_columns)
