"""One epoch's steps, from any of its batches on: the state and the losses' sums are whole between steps."""

import contextlib
import time
from dataclasses import replace
from typing import Any, Final

import jax
import numpy as np
from numpy.typing import NDArray

from recsys_cli.batches.batch import Batch
from recsys_cli.errors import DivergedError
from recsys_cli.training.interruption import signals_held
from recsys_cli.training.observer import TrainObserver
from recsys_cli.training.progress import Progress
from recsys_cli.training.sharing import Sharing
from recsys_cli.training.step import Step

STEPS_BETWEEN_LOOKS: Final = 20  # losses stay on the device for at most so many steps
SECONDS_BETWEEN_LOOKS: Final = 2.0  # and about so long, since a run that is stopped waits for them


class EpochSteps:
    """Takes an epoch's steps; between epochs, and in a progress, one device has the state."""

    def __init__(
        self, progress: Progress, step: Step, sharing: Sharing, constants: Any, observer: TrainObserver | None
    ) -> None:
        self._progress, self._step, self._sharing, self._observer = progress, step, sharing, observer
        self._state, self._constants = sharing.replicate((progress.state, jax.device_put(constants)))
        self._sums = np.array(progress.sums)
        self._pending: list[Any] = []  # losses that are still on the device
        self._lot = 1  # steps until the next look: the first compiles
        self._looked_at = time.monotonic()
        self.done = progress.batches
        self.whole = True  # not while a step has given up its state and no other is there

    def take(self, batch: Batch) -> None:
        """One step, which no signal cuts in two; now and then, a look at the losses. Raises DivergedError.

        The first one compiles for long and may be cut: what it starts from is a checkpoint, or is
        made again.
        """
        first = self.done == self._progress.batches
        with contextlib.nullcontext() if first else signals_held():
            self.whole = False
            self._state, loss = self._step(self._state, self._sharing.split(batch), self._constants)
            self._pending.append(loss)
            self.done += 1
            self.whole = True
        if len(self._pending) >= self._lot:
            self.look()

    def look(self) -> None:
        """Wait for the steps so far, and add up their losses. Raises DivergedError."""
        if not self._pending:
            return
        looked = np.asarray(jax.device_get(self._pending), np.float64)
        _require_finite(looked, self._progress.epoch + 1, self.done)
        self._tell(looked)
        with signals_held():
            for losses in looked:  # one by one: their sum does not depend on when they are looked at
                self._sums += losses
            self._pending = []
        self._choose_lot(len(looked))

    def progress(self) -> Progress:
        """The run's, after the last step. Raises DivergedError."""
        self.look()
        retrieval, cross_attention, targets = self._sums.tolist()
        return replace(
            self._progress,
            state=self._sharing.one_copy(self._state),
            batches=self.done,
            sums=(retrieval, cross_attention, targets),
        )

    def _choose_lot(self, steps: int) -> None:
        now = time.monotonic()
        seconds = max((now - self._looked_at) / steps, 1e-6)
        self._lot = max(1, min(STEPS_BETWEEN_LOOKS, int(SECONDS_BETWEEN_LOOKS / seconds)))
        self._looked_at = now

    def _tell(self, looked: NDArray[np.float64]) -> None:
        if self._observer is None:
            return
        for number, (retrieval, _, targets) in enumerate(looked, start=self.done - len(looked) + 1):
            self._observer.stepped(
                self._progress.epoch + 1, number, retrieval / max(targets, 1), int(targets)
            )


def _require_finite(looked: NDArray[np.float64], epoch: int, step: int) -> None:
    if not np.isfinite(looked).all():
        raise DivergedError(
            f"The loss was not finite in epoch {epoch}, by step {step}.",
            hint="Train with a lower learning_rate; the last good checkpoint is kept.",
        )
