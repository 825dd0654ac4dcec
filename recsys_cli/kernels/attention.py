"""Packed self-attention: causal, and blind to other windows of the same row."""

from typing import Final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

QUERY_BLOCK: Final = 256  # longer rows are attended to in blocks of this many queries


def causal_mask(segments: Int[Array, "rows length"]) -> Bool[Array, "rows length length"]:
    """True where the query (second axis) may see the key (third): same window, not later."""
    length = segments.shape[1]
    same = segments[:, :, None] == segments[:, None, :]
    return same & jnp.tril(jnp.ones((length, length), bool)) & (segments > 0)[:, :, None]


def packed_attention(
    queries: Float[Array, "rows length heads dim"],
    keys: Float[Array, "rows length heads dim"],
    values: Float[Array, "rows length heads dim"],
    segments: Int[Array, "rows length"],
) -> Float[Array, "rows length heads dim"]:
    """Scaled dot-product attention (Vaswani et al. 2017, equation 1) under `causal_mask`.

    Rows longer than QUERY_BLOCK are worked off in blocks of queries that are recomputed in the
    backward pass, so that memory grows with the length, not with its square. A padding query sees
    itself alone, so that its softmax is defined.
    """
    length = segments.shape[1]
    if length <= QUERY_BLOCK or length % QUERY_BLOCK:
        mask = causal_mask(segments) | jnp.eye(length, dtype=bool)
        return jax.nn.dot_product_attention(queries, keys, values, mask=mask[:, None])

    @jax.checkpoint
    def block(start: Int[Array, ""]) -> Float[Array, "rows block heads dim"]:
        at = start + jnp.arange(QUERY_BLOCK)
        some = jax.lax.dynamic_slice_in_dim(segments, start, QUERY_BLOCK, axis=1)
        place = jnp.arange(length)
        mask = (some[:, :, None] == segments[:, None, :]) & (at[:, None] >= place) & (some > 0)[:, :, None]
        mask |= at[:, None] == place
        query = jax.lax.dynamic_slice_in_dim(queries, start, QUERY_BLOCK, axis=1)
        return jax.nn.dot_product_attention(query, keys, values, mask=mask[:, None])

    blocks = jax.lax.map(block, jnp.arange(0, length, QUERY_BLOCK))
    return jnp.moveaxis(blocks, 0, 1).reshape(queries.shape)
