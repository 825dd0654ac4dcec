"""One optimizer step as a pure, compiled function, made once a run."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Array, Int

from recsys_cli.batches.batch import Batch
from recsys_cli.config.settings import TrainSettings
from recsys_cli.models.parameters import Params, with_params
from recsys_cli.models.recommender import Recommender
from recsys_cli.training.losses import Loss, Shard, batch_loss, step_key
from recsys_cli.training.sharing import ALONE, Sharing

Step = Callable[["TrainState", Batch, Array], tuple["TrainState", Loss]]


class TrainState(NamedTuple):
    """Everything that changes from step to step."""

    params: Params
    optimizer: optax.OptState
    step: Int[Array, ""]  # steps taken so far


def initial_state(params: Params, optimizer: optax.GradientTransformation) -> TrainState:
    """The state before the first step."""
    params = jax.device_put(params)
    return TrainState(params, jax.jit(optimizer.init)(params), jax.device_put(np.int32(0)))


def make_train_step(
    model: Recommender,
    optimizer: optax.GradientTransformation,
    settings: TrainSettings,
    *,
    full_softmax: bool,
    sharing: Sharing = ALONE,
) -> Step:
    """Compile-once step `(state, batch, attribute_lists) -> (state, loss)`; the old state is given up.

    With `sharing`, every device has the state and takes its rows of the batch. Losses and gradients
    are summed over devices and nothing else travels; the result is one device's, up to rounding.
    """

    def loss_of(
        params: Params, batch: Batch, attribute_lists: Array, key: Array, shard: Shard
    ) -> tuple[Array, Loss]:
        return batch_loss(
            with_params(model, params),
            batch,
            attribute_lists,
            key,
            settings=settings,
            full_softmax=full_softmax,
            shard=shard,
        )

    def step(state: TrainState, batch: Batch, attribute_lists: Array) -> tuple[TrainState, Loss]:
        key = step_key(settings.seed, state.step)
        shard = Shard(sharing.first_row(), sharing.total((batch.targets > 0).sum()))
        (_, loss), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            state.params, batch, attribute_lists, key, shard
        )
        loss, gradients = sharing.total((loss, gradients))
        updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(params, optimizer_state, state.step + 1), loss

    return jax.jit(sharing.on_each(step), donate_argnums=0)
