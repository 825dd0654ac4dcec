"""Cross-attention between a user and an item's tokens, and between an item and a user's history.

Both directions are a softmax over few tokens, so what is expensive is never made: nothing has the
shape positions × candidates × history, and keys and values belong to tokens, not to pairs. Logits
are bounded before the exponential, so that sums over growing prefixes need no running maximum.
"""

from typing import Final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from recsys_cli.kernels.products import Products, times_constant

LOGIT_BOUND: Final = 12.0  # exp(±12) keeps sums of a long history inside float32's precision


def bounded_exp(logits: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`exp` of the logits cut to [-12, 12]; no gradient flows beyond the cut."""
    return jnp.exp(jnp.clip(logits, -LOGIT_BOUND, LOGIT_BOUND))


def attend_to_tokens(
    logits: Float[Array, "*shape tokens"],
    contributions: Float[Array, "*shape tokens"],
    valid: Bool[Array, "*shape tokens"],
    bias: Float[Array, "*shape tokens"] | float = 0.0,
) -> Float[Array, "*shape"]:
    """`sum_j b_j contributions_j` with `b = softmax(logits + bias)` over the valid tokens.

    What token j adds is `b_j contributions_j`; 0 where no token is valid.
    """
    weight = jnp.where(valid, bounded_exp(logits) * jnp.exp(bias), 0.0)
    total = weight.sum(axis=-1)
    return (weight * contributions).sum(axis=-1) / jnp.where(total > 0, total, 1.0)


def attend_to_prefixes(
    keys: Float[Array, "rows length dim"],
    values: Float[Array, "rows length dim"],
    queries: Float[Array, "candidates dim"],
    outputs: Float[Array, "candidates dim"],
    visible: Float[Array, "rows positions length"],
) -> Float[Array, "rows positions candidates"]:
    """`attend_to_tokens` for every position's own prefix and every candidate at once.

    `visible[r, t, s]` is `exp(bias)` where position t sees token s, and 0 elsewhere. The softmax
    over a growing prefix is two matrix products with it. Row by row, and made again in the
    backward pass, because that keeps the arrays in cache (1.6 times faster on two cores).
    """

    @jax.checkpoint
    def row(part: tuple[Array, Array, Array]) -> Float[Array, "positions candidates"]:
        key, value, seen = part
        weight = bounded_exp(key @ queries.T)
        total = seen @ weight
        return (seen @ (weight * (value @ outputs.T))) / jnp.where(total > 0, total, 1.0)

    return jax.lax.map(row, (keys, values, visible))


def attend_to_shared_tokens(
    id_logits: Float[Array, "positions candidates"],
    id_contributions: Float[Array, "positions candidates"],
    attribute_logits: Float[Array, "positions attributes"],
    attribute_contributions: Float[Array, "positions attributes"],
    multi_hot: Float[Array, "attributes candidates"],
) -> Float[Array, "positions candidates"]:
    """`attend_to_tokens` where a candidate's tokens are its id and the attributes it shares.

    Attributes are scored once a position; a product with the multi-hot matrix, in its type, sums them
    a candidate.
    """
    id_weight = bounded_exp(id_logits)
    attribute_weight = bounded_exp(attribute_logits)
    total = id_weight + times_constant(attribute_weight, multi_hot)
    summed = times_constant(attribute_weight * attribute_contributions, multi_hot)
    return (id_weight * id_contributions + summed) / total


def multi_hot_columns(
    attribute_lists: Int[Array, "candidates slots"], num_attributes: int, products: Products = "float32"
) -> Float[Array, "attributes candidates"]:
    """Column c is 1 at candidate c's attribute numbers; row 0, the padding, stays 0; of type `products`."""
    candidates = jnp.arange(attribute_lists.shape[0])[:, None]
    hot = jnp.zeros((num_attributes + 1, attribute_lists.shape[0]), products)
    return hot.at[attribute_lists, candidates].set(1.0).at[0].set(0.0)
