"""Attention of long rows in blocks with a running softmax: memory linear in the length.

A tile is a block of queries against a block of keys. Forward keeps the output and the log of the
softmax's denominator alone, and backward makes every tile again (Rabe and Staats, arXiv 2112.05682;
Dao et al., arXiv 2205.14135). Tiles above the diagonal, and tiles that no window reaches into, are
skipped. Inside, arrays are (rows, heads, length, dim) and queries are scaled already.
"""

from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

HIDDEN = -1e30  # a masked logit; finite, so that a block without a visible key gives no NaN


class _Softmax(NamedTuple):
    """Of a block of queries, over the keys seen so far."""

    top: Float[Array, "rows heads block"]  # largest logit
    total: Float[Array, "rows heads block"]  # sum of exp(logit - top)
    output: Float[Array, "rows heads block dim"]  # sum of exp(logit - top) * value


class _Gradient(NamedTuple):
    """Of the loss, summed over the tiles so far."""

    queries: Float[Array, "rows heads block dim"]
    keys: Float[Array, "rows heads length dim"]
    values: Float[Array, "rows heads length dim"]


def blocked_attention(
    queries: Float[Array, "rows length heads dim"],
    keys: Float[Array, "rows length heads dim"],
    values: Float[Array, "rows length heads dim"],
    segments: Int[Array, "rows length"],
    block: int,
) -> Float[Array, "rows length heads dim"]:
    """Causal attention within windows: runs of equal `segments`, of which padding is one."""
    length, dim = queries.shape[1], queries.shape[3]
    short = -length % block

    def prepared(array: Float[Array, "rows length heads dim"]) -> Float[Array, "rows heads whole dim"]:
        return jnp.pad(array.swapaxes(1, 2), [(0, 0), (0, 0), (0, short), (0, 0)])

    arrays = prepared(queries * dim**-0.5), prepared(keys), prepared(values)
    attended = cast(Array, _attend(*arrays, jnp.pad(segments, [(0, 0), (0, short)]), block))
    return attended.swapaxes(1, 2)[:, :length]


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _attend(
    queries: Float[Array, "rows heads length dim"],
    keys: Float[Array, "rows heads length dim"],
    values: Float[Array, "rows heads length dim"],
    segments: Int[Array, "rows length"],
    block: int,
) -> Float[Array, "rows heads length dim"]:
    return _forward(queries, keys, values, segments, block)[0]


def _forward(queries, keys, values, segments, block):  # pyright: ignore[reportMissingParameterType]
    first = _first_blocks(segments, block)

    def tile(i, query, j, seen):  # pyright: ignore[reportMissingParameterType]
        logits = _logits(query, _cut(keys, j, block), _visible(segments, i, j, block))
        top = jnp.maximum(seen.top, logits.max(axis=-1))
        weights, fade = jnp.exp(logits - top[..., None]), jnp.exp(seen.top - top)
        output = seen.output * fade[..., None] + weights @ _cut(values, j, block)
        return _Softmax(top, seen.total * fade + weights.sum(axis=-1), output)

    def queries_of(i):  # pyright: ignore[reportMissingParameterType]
        query = _cut(queries, i, block)
        start = _Softmax(
            jnp.full(query.shape[:3], -jnp.inf), jnp.zeros(query.shape[:3]), jnp.zeros_like(query)
        )
        seen = jax.lax.fori_loop(first[i], i + 1, lambda j, seen: tile(i, query, j, seen), start)
        return seen.output / seen.total[..., None], seen.top + jnp.log(seen.total)

    blocks = jax.lax.map(queries_of, jnp.arange(len(first)))
    output, log_total = (_join(part) for part in blocks)
    return output, (queries, keys, values, segments, output, log_total)


def _backward(block, kept, upstream):  # pyright: ignore[reportMissingParameterType]
    queries, keys, values, segments, output, log_total = kept
    first = _first_blocks(segments, block)
    mean = (upstream * output).sum(axis=-1)  # of the weights' gradient, under the weights

    def tile(i, parts, j, so_far):  # pyright: ignore[reportMissingParameterType]
        query, above, log_sum, average = parts
        key, value = _cut(keys, j, block), _cut(values, j, block)
        weights = jnp.exp(_logits(query, key, _visible(segments, i, j, block)) - log_sum[..., None])
        logits = weights * (above @ value.swapaxes(2, 3) - average[..., None])
        return _Gradient(
            so_far.queries + logits @ key,
            _add(so_far.keys, j, logits.swapaxes(2, 3) @ query),
            _add(so_far.values, j, weights.swapaxes(2, 3) @ above),
        )

    def queries_of(so_far, i):  # pyright: ignore[reportMissingParameterType]
        parts = [_cut(array, i, block) for array in (queries, upstream, log_total, mean)]
        start = _Gradient(jnp.zeros_like(parts[0]), *so_far)
        gradient = jax.lax.fori_loop(first[i], i + 1, lambda j, g: tile(i, parts, j, g), start)
        return (gradient.keys, gradient.values), gradient.queries

    start = jnp.zeros_like(keys), jnp.zeros_like(values)
    (key_gradient, value_gradient), blocks = jax.lax.scan(queries_of, start, jnp.arange(len(first)))
    return _join(blocks), key_gradient, value_gradient, None


_attend.defvjp(_forward, _backward)


def _first_blocks(segments: Int[Array, "rows length"], block: int) -> Int[Array, " blocks"]:
    """The first block of keys that any query of each block sees, in any of the rows."""
    begins = jnp.diff(segments, axis=1, prepend=segments[:, :1]) != 0
    starts = jax.lax.cummax(jnp.where(begins, jnp.arange(segments.shape[1]), 0), axis=1)
    return starts[:, ::block].min(axis=0) // block


def _visible(
    segments: Int[Array, "rows length"], i: Int[Array, ""], j: Int[Array, ""], block: int
) -> Bool[Array, "rows 1 block block"]:
    """`causal_mask` of tile (i, j), with padding a window of its own."""
    of_queries, of_keys = (jax.lax.dynamic_slice_in_dim(segments, n * block, block, 1) for n in (i, j))
    place = jnp.arange(block)
    causal = (i * block + place)[:, None] >= j * block + place
    return (causal & (of_queries[:, :, None] == of_keys[:, None, :]))[:, None]


def _logits(
    queries: Float[Array, "rows heads block dim"],
    keys: Float[Array, "rows heads block dim"],
    visible: Bool[Array, "rows 1 block block"],
) -> Float[Array, "rows heads block block"]:
    return jnp.where(visible, queries @ keys.swapaxes(2, 3), HIDDEN)


def _cut(array: Float[Array, "rows heads length ..."], i: Int[Array, ""], block: int) -> Array:
    return jax.lax.dynamic_slice_in_dim(array, i * block, block, axis=2)


def _add(
    array: Float[Array, "rows heads length dim"],
    i: Int[Array, ""],
    part: Float[Array, "rows heads block dim"],
) -> Float[Array, "rows heads length dim"]:
    """`array` with `part` added to its block i."""
    block = part.shape[2]
    return jax.lax.dynamic_update_slice_in_dim(array, _cut(array, i, block) + part, i * block, axis=2)


def _join(blocks: Float[Array, "blocks rows heads block ..."]) -> Array:
    """Blocks side by side, (rows, heads, length, ...)."""
    joined = jnp.moveaxis(blocks, 0, 2)
    return joined.reshape(*joined.shape[:2], -1, *joined.shape[4:])
