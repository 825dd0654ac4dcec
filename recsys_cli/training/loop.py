"""Epoch after epoch: train, validate, keep the best weights, write a checkpoint."""

import itertools
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recsys_cli.batches.epochs import TrainingData, batches, make_epoch
from recsys_cli.checkpoints.manager import open_checkpoints
from recsys_cli.config.settings import TrainSettings
from recsys_cli.models.parameters import fresh_params, structure, with_params
from recsys_cli.models.recommender import Recommender
from recsys_cli.models.store import InputSpec
from recsys_cli.training.epoch import EpochSteps
from recsys_cli.training.observer import EpochRecord, TrainObserver
from recsys_cli.training.optimizer import make_optimizer
from recsys_cli.training.progress import Keeper, Progress, first_progress
from recsys_cli.training.sharing import ALONE, Sharing
from recsys_cli.training.step import Step, initial_state, make_train_step
from recsys_cli.training.validation import Validator

LOGGER: Final = logging.getLogger("recsys")
MAX_EPOCHS: Final = 100  # that few data are gone through


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


def train_run(
    run: Run, folder: Path, *, resume: bool, observer: TrainObserver | None
) -> tuple[Recommender, Progress, int]:
    """Train until the last epoch, the last step, or `patience` epochs without a better NDCG@10.

    A checkpoint is written into `folder` at the end of every epoch, every few minutes within one,
    and where the run is interrupted; with `resume` it goes on from the last one, to the same bytes.
    Returns the model's structure, the final progress, and the schedule's steps.
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
        keeper = Keeper(checkpoints)
        progress = first_progress(initial_state(fresh_params(model, settings.seed), optimizer))
        if resume:
            progress = keeper.restore(progress)
        if observer:
            observer.started(epochs, per_epoch, progress.epoch + 1)
        while not _finished(run, progress, epochs):
            started = time.monotonic()
            progress = _epoch(run, model, step, progress, keeper, observer)
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
        return int(progress.state.step) >= run.max_steps and not progress.batches
    waited = progress.epoch - progress.best_epoch
    patient = run.validator is None or waited < run.settings.patience
    return progress.epoch >= epochs or not patient


def _epoch(
    run: Run,
    model: Recommender,
    step: Step,
    progress: Progress,
    keeper: Keeper,
    observer: TrainObserver | None,
) -> Progress:
    """The rest of an epoch, its validation and its checkpoint; one also where it is interrupted."""
    steps = EpochSteps(progress, step, run.sharing, run.spec.attribute_lists, observer)
    try:
        trained = _train(run, steps, progress, keeper)
        ended = trained.with_epoch(_record(run, model, trained))
        keeper.save(ended)
    except Exception:
        raise
    except BaseException:  # Ctrl-C or SIGTERM
        if steps.whole:
            keeper.save(steps.progress())
        raise
    return ended


def _train(run: Run, steps: EpochSteps, progress: Progress, keeper: Keeper) -> Progress:
    """The steps that are left of the epoch, with a checkpoint every few minutes."""
    settings, length = run.settings, run.settings.model.max_length
    plan = make_epoch(run.data, length=length, seed=settings.seed, epoch=progress.epoch + 1)
    left = batches(
        run.data, plan, rows_per_batch=settings.rows_per_batch, length=length, first=progress.batches
    )
    if run.max_steps is not None:
        left = itertools.islice(left, run.max_steps - int(progress.state.step))
    for batch in left:
        steps.take(batch)
        if keeper.due():
            keeper.save(steps.progress())
    return steps.progress()


def _record(run: Run, model: Recommender, trained: Progress) -> EpochRecord:
    retrieval, cross_attention, targets = trained.sums
    return EpochRecord(
        epoch=trained.epoch + 1,
        loss=retrieval / max(targets, 1),
        cross_attention_loss=cross_attention / max(targets, 1) if model.head is not None else None,
        ndcg_at_10=None
        if run.validator is None
        else run.validator.ndcg(with_params(model, trained.state.params)),
    )
