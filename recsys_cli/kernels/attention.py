"""Packed self-attention: causal, and blind to other windows of the same row."""

from collections.abc import Callable
from typing import Final, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from recsys_cli.kernels.blocked_attention import blocked_attention

AT_ONCE: Final = 256  # tokens of the longest row of which all logits are held (measured on CPU)
BLOCK: Final = 128  # tokens; longer rows are attended to in such blocks
Tree = TypeVar("Tree")


def causal_mask(
    segments: Int[Array, "rows length"], start: Int[Array, ""] | int = 0, size: int | None = None
) -> Bool[Array, "rows size length"]:
    """True where the query (second axis) may see the key (third): same window, not later.

    Queries are the `size` tokens from `start` (None: all); padding sees nothing.
    """
    return _same_window(segments, start, size) & (_cut(segments, start, size) > 0)[:, :, None]


def in_query_blocks(positions: Callable[[Int[Array, ""] | int, int], Tree], length: int) -> Tree:
    """`positions(start, size)` of a whole row, arrays of (rows, size, ...).

    Rows longer than AT_ONCE are worked off in blocks that are made again in the backward pass, so
    that nothing that `positions` makes within is held for all of them.
    """
    if length <= AT_ONCE:
        return positions(0, length)
    starts = jnp.minimum(jnp.arange(0, length, BLOCK), length - BLOCK)
    blocks = jax.lax.map(jax.checkpoint(lambda start: positions(start, BLOCK)), starts)
    full, again = length - length % BLOCK, -length % BLOCK  # the last block begins within the one before

    def join(parts: Float[Array, "blocks rows size ..."]) -> Float[Array, "rows length ..."]:
        row = jnp.moveaxis(parts, 0, 1).reshape(parts.shape[1], -1, *parts.shape[3:])
        return jnp.concatenate([row[:, :full], row[:, full + again :]], axis=1)

    return jax.tree.map(join, blocks)


def packed_attention(
    queries: Float[Array, "rows length heads dim"],
    keys: Float[Array, "rows length heads dim"],
    values: Float[Array, "rows length heads dim"],
    segments: Int[Array, "rows length"],
) -> Float[Array, "rows length heads dim"]:
    """Scaled dot-product attention (Vaswani et al. 2017, equation 1) under `causal_mask`.

    The tokens of a window stand side by side, and so does the padding, which sees itself alone. Rows
    longer than AT_ONCE are attended to in blocks: memory grows with the length, not with its square.
    """
    if segments.shape[1] > AT_ONCE:
        return blocked_attention(queries, keys, values, segments, BLOCK)
    mask = _same_window(segments)[:, None]
    return jax.lax.platform_dependent(
        queries, keys, values, mask, cpu=_batched_products, default=_fused_attention
    )


def _same_window(
    segments: Int[Array, "rows length"], start: Int[Array, ""] | int = 0, size: int | None = None
) -> Bool[Array, "rows size length"]:
    queries, place = _cut(segments, start, size), jnp.arange(segments.shape[1])
    causal = (start + jnp.arange(queries.shape[1]))[:, None] >= place
    return (queries[:, :, None] == segments[:, None, :]) & causal


def _cut(
    segments: Int[Array, "rows length"], start: Int[Array, ""] | int, size: int | None
) -> Int[Array, "rows size"]:
    return segments if size is None else jax.lax.dynamic_slice_in_dim(segments, start, size, 1)


def _fused_attention(
    queries: Float[Array, "rows length heads dim"],
    keys: Float[Array, "rows length heads dim"],
    values: Float[Array, "rows length heads dim"],
    mask: Bool[Array, "rows 1 length length"],
) -> Float[Array, "rows length heads dim"]:
    return jax.nn.dot_product_attention(queries, keys, values, mask=mask)


def _batched_products(
    queries: Float[Array, "rows length heads dim"],
    keys: Float[Array, "rows length heads dim"],
    values: Float[Array, "rows length heads dim"],
    mask: Bool[Array, "rows 1 length length"],
) -> Float[Array, "rows length heads dim"]:
    """`_fused_attention`; on a CPU its backward pass is faster, since heads stand before the length."""
    query, key, value = (array.swapaxes(1, 2) for array in (queries, keys, values))
    logits = jnp.einsum("rhtd,rhsd->rhts", query, key) * query.shape[-1] ** -0.5
    weights = jax.nn.softmax(jnp.where(mask, logits, -jnp.inf), axis=-1)
    return jnp.einsum("rhts,rhsd->rhtd", weights, value).swapaxes(1, 2)
