"""Pre-norm transformer blocks with a sigmoid gate on each residual branch (LiGR, arXiv 2502.03417)."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, Key, UInt8

from recsys_cli.kernels.attention import packed_attention


def dropout(
    values: Float[Array, "rows ..."], rate: float, keys: Key[Array, " rows"] | None
) -> Float[Array, "rows ..."]:
    """Inverted dropout, each row by its own key; nothing is dropped without keys.

    The rate is rounded to a 256th, since a random byte a value costs a third of a random float.
    """
    if keys is None or rate == 0:
        return values
    dropped = min(255, max(1, round(256 * rate)))
    keep = jax.vmap(lambda key: _random_bytes(key, values.shape[1:]) >= dropped)(keys)
    return jnp.where(keep, values * (256 / (256 - dropped)), 0.0)


def _random_bytes(key: Key[Array, ""], shape: tuple[int, ...]) -> UInt8[Array, "..."]:
    """Uniform in 0..255: every random word is four of them."""
    count = math.prod(shape)
    words = jax.random.bits(key, (-(-count // 4),), jnp.uint32)
    return jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(-1)[:count].reshape(shape)


def split_keys(keys: Key[Array, " rows"] | None, parts: int) -> list[Key[Array, " rows"] | None]:
    """`parts` independent keys of each row, or as many Nones."""
    if keys is None:
        return [None] * parts
    return list(jax.vmap(lambda key: jax.random.split(key, parts), out_axes=1)(keys))


class SelfAttention(nnx.Module):
    """Multi-head causal self-attention over packed rows."""

    def __init__(self, *, dim: int, num_heads: int, rngs: nnx.Rngs) -> None:
        self.num_heads = num_heads
        self.project = nnx.Linear(dim, 3 * dim, use_bias=False, rngs=rngs)
        self.out = nnx.Linear(dim, dim, use_bias=False, rngs=rngs)

    def __call__(
        self, x: Float[Array, "rows length dim"], segments: Int[Array, "rows length"]
    ) -> Float[Array, "rows length dim"]:
        rows, length, dim = x.shape
        heads = self.project(x).reshape(rows, length, 3, self.num_heads, dim // self.num_heads)
        attended = packed_attention(heads[:, :, 0], heads[:, :, 1], heads[:, :, 2], segments)
        return self.out(attended.reshape(rows, length, dim))


class SwiGLU(nnx.Module):
    """Feed-forward network `W3 (silu(W1 x) * W2 x)` (Shazeer, arXiv 2002.05202)."""

    def __init__(self, *, dim: int, hidden: int, rngs: nnx.Rngs) -> None:
        self.project = nnx.Linear(dim, 2 * hidden, use_bias=False, rngs=rngs)
        self.out = nnx.Linear(hidden, dim, use_bias=False, rngs=rngs)

    def __call__(self, x: Float[Array, "*shape dim"]) -> Float[Array, "*shape dim"]:
        gate, value = jnp.split(self.project(x), 2, axis=-1)
        return self.out(jax.nn.silu(gate) * value)


class Block(nnx.Module):
    """Two gated residual branches: self-attention, then the feed-forward network."""

    def __init__(self, *, dim: int, num_heads: int, dropout_rate: float, rngs: nnx.Rngs) -> None:
        self.dropout_rate = dropout_rate
        self.attention_norm = nnx.LayerNorm(dim, rngs=rngs)
        self.attention = SelfAttention(dim=dim, num_heads=num_heads, rngs=rngs)
        self.attention_gate = nnx.Linear(dim, dim, rngs=rngs)
        self.feed_forward_norm = nnx.LayerNorm(dim, rngs=rngs)
        self.feed_forward = SwiGLU(dim=dim, hidden=2 * dim, rngs=rngs)
        self.feed_forward_gate = nnx.Linear(dim, dim, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "rows length dim"],
        segments: Int[Array, "rows length"],
        keys: Key[Array, " rows"] | None,
    ) -> Float[Array, "rows length dim"]:
        first, second = split_keys(keys, 2)
        normed = self.attention_norm(x)
        branch = dropout(self.attention(normed, segments), self.dropout_rate, first)
        x = x + jax.nn.sigmoid(self.attention_gate(normed)) * branch
        normed = self.feed_forward_norm(x)
        branch = dropout(self.feed_forward(normed), self.dropout_rate, second)
        return x + jax.nn.sigmoid(self.feed_forward_gate(normed)) * branch
