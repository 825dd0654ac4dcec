"""Packed self-attention: causal, and blind to other windows of the same row."""

from typing import Final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from recsys_cli.kernels.blocked_attention import blocked_attention

AT_ONCE: Final = 256  # tokens of the longest row of which all logits are held (measured on CPU)
BLOCK: Final = 128  # tokens; longer rows are attended to in such blocks


def causal_mask(segments: Int[Array, "rows length"]) -> Bool[Array, "rows length length"]:
    """True where the query (second axis) may see the key (third): same window, not later."""
    return _same_window(segments) & (segments > 0)[:, :, None]


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


def _same_window(segments: Int[Array, "rows length"]) -> Bool[Array, "rows length length"]:
    length = segments.shape[1]
    return (segments[:, :, None] == segments[:, None, :]) & jnp.tril(jnp.ones((length, length), bool))


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
