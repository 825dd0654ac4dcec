"""Epoch after epoch: train, validate, keep the best weights, write a checkpoint."""

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from recsys_cli.batches.epochs import TrainingData, batches, make_epoch
from recsys_cli.checkpoints.manager import Checkpoints, open_checkpoints
from recsys_cli.config.settings import TrainSettings
from recsys_cli.errors import DivergedError
from recsys_cli.models.parameters import Params, fresh_params, structure, with_params
from recsys_cli.models.recommender import Recommender
from recsys_cli.models.store import InputSpec
from recsys_cli.training.observer import EpochRecord, TrainObserver
from recsys_cli.training.optimizer import make_optimizer
from recsys_cli.training.sharing import ALONE, Sharing
from recsys_cli.training.step import Step, TrainState, initial_state, make_train_step
from recsys_cli.training.validation import Validator

LOGGER: Final = logging.getLogger("recsys")
MAX_EPOCHS: Final = 100  # that few data are gone through
STEPS_BETWEEN_LOOKS: Final = 20  # losses stay on the device for this many steps


@dataclass(frozen=True)
class Run:
    """Everything that a run is made of; the same run gives the same weights."""

    settings: TrainSettings
    data: TrainingData
    spec: InputSpec
    full_softmax: bool
    validator: Validator | None  # None: train for `max_steps`, keep the last weights
    max_steps: int | None  # stop after this many steps
    total_steps: int | None = None  # of the schedule; None: as many as the epochs have
    sharing: Sharing = ALONE


@dataclass(frozen=True)
class Progress:
    """How far a run has come, and the best it has seen."""

    state: TrainState
    best: Params
    best_epoch: int  # 0: none yet
    best_ndcg: float
    best_step: int
    history: tuple[EpochRecord, ...]

    @property
    def epoch(self) -> int:
        return len(self.history)


def train_run(
    run: Run, folder: Path, *, resume: bool, observer: TrainObserver | None
) -> tuple[Recommender, Progress, int]:
    """Train until the last epoch, the last step, or `patience` epochs without a better NDCG@10.

    A checkpoint is written into `folder` at the end of every epoch; with `resume` the run goes on
    from the last one. Returns the model's structure, the final progress, and the schedule's steps.
    Raises DivergedError at a loss that is not finite; the last checkpoint stays.
    """
    settings = run.settings
    model = structure(settings.model, run.spec.size)
    per_epoch = make_epoch(
        run.data, length=settings.model.max_length, seed=settings.seed, epoch=1
    ).num_batches(settings.rows_per_batch)
    epochs = _epochs(run, per_epoch)
    total_steps = run.total_steps or per_epoch * epochs
    optimizer = make_optimizer(settings, total_steps)
    step = make_train_step(model, optimizer, settings, full_softmax=run.full_softmax, sharing=run.sharing)
    with open_checkpoints(folder) as checkpoints:
        fresh = initial_state(fresh_params(model, settings.seed), optimizer)
        progress = _begin(fresh, checkpoints, resume=resume)
        if observer:
            observer.started(epochs, per_epoch, progress.epoch + 1)
        while not _finished(run, progress, epochs):
            started = time.monotonic()
            progress = _epoch(run, model, step, progress, observer)
            checkpoints.save(progress.epoch, *_saved(progress))
            if observer:
                observer.epoch_ended(progress.history[-1], time.monotonic() - started)
    return model, progress, total_steps


def _epochs(run: Run, per_epoch: int) -> int:
    """How many epochs at most: as asked, or enough for the preset's steps."""
    settings = run.settings
    if run.max_steps is not None:
        return math.ceil(run.max_steps / per_epoch)
    if settings.epochs is not None:
        return settings.epochs
    chosen = max(settings.min_epochs, min(MAX_EPOCHS, math.ceil(settings.min_steps / per_epoch)))
    LOGGER.info("epochs: at most %d, of %d steps each", chosen, per_epoch)
    return chosen


def _finished(run: Run, progress: Progress, epochs: int) -> bool:
    if run.max_steps is not None:
        return int(progress.state.step) >= run.max_steps
    waited = progress.epoch - progress.best_epoch
    patient = run.validator is None or waited < run.settings.patience
    return progress.epoch >= epochs or not patient


def _epoch(
    run: Run, model: Recommender, step: Step, progress: Progress, observer: TrainObserver | None
) -> Progress:
    number = progress.epoch + 1
    state, losses = _steps(run, step, progress.state, number, observer)
    retrieval, cross, targets = losses
    ndcg = None if run.validator is None else run.validator.ndcg(with_params(model, state.params))
    record = EpochRecord(
        epoch=number,
        loss=retrieval / max(targets, 1),
        cross_attention_loss=cross / max(targets, 1) if model.head is not None else None,
        ndcg_at_10=ndcg,
    )
    history = (*progress.history, record)
    if ndcg is not None and ndcg <= progress.best_ndcg:
        return Progress(
            state, progress.best, progress.best_epoch, progress.best_ndcg, progress.best_step, history
        )
    best = _copied(state.params)
    return Progress(state, best, number, ndcg if ndcg is not None else 0.0, int(state.step), history)


def _steps(
    run: Run, step: Step, state: TrainState, epoch: int, observer: TrainObserver | None
) -> tuple[TrainState, tuple[float, float, int]]:
    """One epoch's steps, and the sums of its losses and targets; between epochs one device has the state."""
    settings, sharing = run.settings, run.sharing
    state, attribute_lists = sharing.replicate((state, jax.device_put(run.spec.attribute_lists)))
    length = settings.model.max_length
    plan = make_epoch(run.data, length=length, seed=settings.seed, epoch=epoch)
    pending: list[Any] = []
    totals = np.zeros(3)
    done = int(state.step)
    for number, batch in enumerate(
        batches(run.data, plan, rows_per_batch=settings.rows_per_batch, length=length), start=1
    ):
        state, loss = step(state, sharing.split(batch), attribute_lists)
        pending.append(loss)
        done += 1
        last = number == plan.num_batches(settings.rows_per_batch) or done == run.max_steps
        if len(pending) == STEPS_BETWEEN_LOOKS or last:
            looked = np.asarray(jax.device_get(pending), np.float64)
            _require_finite(looked, epoch, number)
            totals += looked.sum(axis=0)
            _tell(observer, epoch, number, looked)
            pending = []
        if done == run.max_steps:
            break
    return sharing.one_copy(state), (float(totals[0]), float(totals[1]), int(totals[2]))


def _tell(observer: TrainObserver | None, epoch: int, step: int, looked: NDArray[np.float64]) -> None:
    if observer is None:
        return
    for offset, (retrieval, _, targets) in enumerate(looked, start=step - len(looked) + 1):
        observer.stepped(epoch, offset, retrieval / max(targets, 1), int(targets))


def _require_finite(looked: NDArray[np.float64], epoch: int, step: int) -> None:
    if not np.isfinite(looked).all():
        raise DivergedError(
            f"The loss was not finite in epoch {epoch}, by step {step}.",
            hint="Train with a lower learning_rate; the last good checkpoint is kept.",
        )


def _begin(state: TrainState, checkpoints: Checkpoints, *, resume: bool) -> Progress:
    fresh = Progress(state, _copied(state.params), 0, -1.0, 0, ())
    latest = checkpoints.latest() if resume else None
    if latest is None:
        return fresh
    arrays, document = checkpoints.restore(latest, like=_saved(fresh)[0])
    LOGGER.info("resumed after epoch %d", latest)
    history = tuple(EpochRecord(**line) for line in document["history"])
    return Progress(
        TrainState(**arrays["state"]),
        arrays["best"],
        document["best_epoch"],
        document["best_ndcg"],
        document["best_step"],
        history,
    )


@jax.jit
def _copied(params: Params) -> Params:
    """The parameters where the next step, which gives up its state, does not reach them."""
    return jax.tree.map(jnp.copy, params)


def _saved(progress: Progress) -> tuple[dict[str, Any], dict[str, Any]]:
    """A progress as a pytree of arrays and a JSON document."""
    arrays = {"state": progress.state._asdict(), "best": progress.best}
    document = {
        "best_epoch": progress.best_epoch,
        "best_ndcg": progress.best_ndcg,
        "best_step": progress.best_step,
        "history": [vars(line) for line in progress.history],
    }
    return arrays, document
