"""Softmax cross-entropy over a catalogue: all of it in tiles, or a corrected sample of it."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def full_softmax_loss(
    states: Float[Array, "targets dim"],
    items: Float[Array, "items dim"],
    labels: Int[Array, " targets"],
    weights: Float[Array, " targets"],
    tile_size: int,
) -> Float[Array, ""]:
    """Sum of `weights * -log softmax(states @ items.T)[labels]`, in nats.

    Never holds more than `tile_size` rows of logits: loss and both gradients are made in one pass
    over each tile. `labels` index `items` and must be in range where the weight is not 0.
    The number of targets must be a multiple of `tile_size`.
    """
    return _one_pass(states, items, labels, weights, tile_size)[0]


def _one_pass(states, items, labels, weights, tile_size):  # pyright: ignore[reportMissingParameterType]
    def tile(item_gradient, part):  # pyright: ignore[reportMissingParameterType]
        state, label, weight = part
        logits = state @ items.T
        top = logits.max(axis=1, keepdims=True)
        exponent = jnp.exp(logits - top)
        total = exponent.sum(axis=1, keepdims=True)
        chosen = items[label]
        loss = weight * (jnp.log(total[:, 0]) + top[:, 0] - (state * chosen).sum(axis=1))
        scale = weight[:, None] / total
        state_gradient = (exponent @ items) * scale - weight[:, None] * chosen
        item_gradient += (state * scale).T @ exponent  # transposed: 1.4 times faster than (items, dim)
        return item_gradient, (loss.sum(), state_gradient)

    shape = (-1, tile_size)
    parts = (states.reshape(*shape, states.shape[1]), labels.reshape(shape), weights.reshape(shape))
    item_gradient, (loss, state_gradient) = jax.lax.scan(tile, jnp.zeros_like(items.T), parts)
    item_gradient = item_gradient.T.at[labels].add(-weights[:, None] * states)
    return loss.sum(), (state_gradient.reshape(states.shape), item_gradient)


def _forward(states, items, labels, weights, tile_size):  # pyright: ignore[reportMissingParameterType]
    return _one_pass(states, items, labels, weights, tile_size)


def _backward(_tile_size, gradients, upstream):  # pyright: ignore[reportMissingParameterType]
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
