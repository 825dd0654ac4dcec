"""Softmax cross-entropy over a catalogue: all of it in tiles, or a corrected sample of it."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from recsys_cli.kernels.lookup import look_up
from recsys_cli.kernels.products import Products, product


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def full_softmax_loss(
    states: Float[Array, "targets dim"],
    items: Float[Array, "items dim"],
    labels: Int[Array, " targets"],
    weights: Float[Array, " targets"],
    tile_size: int,
    products: Products = "float32",
) -> Float[Array, ""]:
    """Sum of `weights * -log softmax(states @ items.T)[labels]`, in nats.

    Never holds more than `tile_size` columns of logits: loss and both gradients are made in one pass
    over each tile. `labels` index `items` and must be in range where the weight is not 0.
    The number of targets must be a multiple of `tile_size`. `products` is what the three products
    with the items multiply, a relative error of 2^-9 a factor in bfloat16; sums are float32.
    """
    return _one_pass(states, items, labels, weights, tile_size, products)[0]


def _one_pass(states, items, labels, weights, tile_size, products):  # pyright: ignore[reportMissingParameterType]
    dim = states.shape[1]
    left = items.astype(products)
    # A row of ones gives the sum of the exponentials in the product that is needed anyway; and XLA
    # cannot fold this transpose into the product, which it then could not multiply in bfloat16.
    right = jnp.concatenate([left.T, jnp.ones((1, len(items)), products)])

    def tile(item_gradient, part):  # pyright: ignore[reportMissingParameterType]
        state, label, weight = part
        logits = product(left, state.astype(products), 1)  # (items, targets): 1.4 times faster to go on with
        top = logits.max(axis=0)
        exponent = jnp.exp(logits - top).astype(products)
        sums = product(right, exponent, 0)
        total, chosen = sums[dim], look_up(items, label)
        loss = weight * (jnp.log(total) + top - (state * chosen).sum(axis=1))
        scale = (weight / total)[:, None]
        state_gradient = sums[:dim].T * scale - weight[:, None] * chosen
        item_gradient += product(exponent, (state * scale).astype(products), 0)
        return item_gradient, (loss.sum(), state_gradient)

    shape = (-1, tile_size)
    parts = (states.reshape(*shape, dim), labels.reshape(shape), weights.reshape(shape))
    item_gradient, (loss, state_gradient) = jax.lax.scan(tile, jnp.zeros_like(items), parts)
    item_gradient = item_gradient.at[labels].add(-weights[:, None] * states, mode="promise_in_bounds")
    return loss.sum(), (state_gradient.reshape(states.shape), item_gradient)


def _forward(states, items, labels, weights, tile_size, products):  # pyright: ignore[reportMissingParameterType]
    return _one_pass(states, items, labels, weights, tile_size, products)


def _backward(_tile_size, _products, gradients, upstream):  # pyright: ignore[reportMissingParameterType]
    state_gradient, item_gradient = gradients
    return upstream * state_gradient, upstream * item_gradient, None, None


full_softmax_loss.defvjp(_forward, _backward)


def sampled_softmax_loss(
    target_logits: Float[Array, " targets"],
    sample_logits: Float[Array, "targets samples"],
    sample_log_counts: Float[Array, " samples"],
    hit: Bool[Array, "targets samples"],
    weights: Float[Array, " targets"],
) -> Float[Array, ""]:
    """Sum of `weights * cross-entropy` of the target among shared samples, with logQ correction.

    Each sample's logit is lowered by the log of how often it was expected to be drawn, so that the
    sum over samples estimates the sum over the catalogue (Bengio and Senécal 2008; Yi et al. 2019).
    A sample that is the target itself (`hit`) is left out.
    """
    corrected = jnp.where(hit, -jnp.inf, sample_logits - sample_log_counts)
    total = jnp.logaddexp(target_logits, jax.nn.logsumexp(corrected, axis=1))
    return (weights * (total - target_logits)).sum()
