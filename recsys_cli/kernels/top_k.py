"""Exact top-k of scores. Equal scores: the lowest index first."""

from typing import Final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

BLOCK: Final = 32  # neighbouring items of which the maximum is kept
WORTH_BLOCKS: Final = (
    128  # items per wanted item; with fewer, one pass over them all is faster (measured on CPU)
)


@jax.jit(static_argnames="k")
def top_k(
    scores: Float[Array, "batch items"], k: int
) -> tuple[Float[Array, "batch k"], Int[Array, "batch k"]]:
    """The `k` highest scores of each row, highest first, and their indices; 1 ≤ k ≤ items.

    Equal to a full stable sort, minus infinity included. NaN is not allowed; -0.0 is below 0.0, but a
    sum of products that starts from 0.0 is never -0.0.
    """
    if scores.shape[1] < WORTH_BLOCKS * k:
        return jax.lax.top_k(scores, k)
    return top_k_by_blocks(scores, k, BLOCK)


def top_k_by_blocks(
    scores: Float[Array, "batch items"], k: int, block: int
) -> tuple[Float[Array, "batch k"], Int[Array, "batch k"]]:
    """`top_k` through the maxima of blocks of `block` neighbours; needs k ≤ blocks, block ≤ items.

    If an item is among the k best, fewer than k blocks have a higher maximum, or an equal one and a
    lower index; so its block is among the first k in that order, and only these are looked into.
    """
    items = scores.shape[1]
    short = -items % block
    maxima = jax.lax.reduce_window(
        scores, -jnp.inf, jax.lax.max, (1, block), (1, block), [(0, 0), (0, short)]
    )
    best = jnp.sort(jax.lax.top_k(maxima, k)[1], axis=1)  # a lower place in what follows is a lower index
    inside, columns = _inside(scores, best, block)
    values, places = jax.lax.top_k(inside, k)
    return values, jnp.take_along_axis(columns, places, axis=1)


def _inside(
    scores: Float[Array, "batch items"], blocks: Int[Array, "batch k"], block: int
) -> tuple[Float[Array, "batch inside"], Int[Array, "batch inside"]]:
    """Scores and indices of the given blocks of each row, side by side.

    The last block may be short: it is read from the end of the row, and what belongs to the block
    before it becomes minus infinity.
    """
    starts = jnp.minimum(blocks * block, scores.shape[1] - block)
    read = jax.vmap(jax.vmap(lambda row, start: jax.lax.dynamic_slice(row, (start,), (block,)), (None, 0)))
    columns = starts[:, :, None] + jnp.arange(block)
    inside = jnp.where(columns < blocks[:, :, None] * block, -jnp.inf, read(scores, starts))
    return inside.reshape(len(scores), -1), columns.reshape(len(scores), -1)
