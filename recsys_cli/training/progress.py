"""How far a run has come: a value, and the checkpoints that it is written to and read from."""

import logging
import time
from dataclasses import dataclass, replace
from typing import Any, Final

import jax
import jax.numpy as jnp

from recsys_cli.checkpoints.manager import Checkpoints
from recsys_cli.models.parameters import Params
from recsys_cli.training.interruption import signals_held
from recsys_cli.training.observer import EpochRecord
from recsys_cli.training.step import TrainState

LOGGER: Final = logging.getLogger("recsys")
SECONDS_BETWEEN_CHECKPOINTS: Final = 300.0  # within an epoch; a shorter one has its own at its end


@dataclass(frozen=True)
class Progress:
    """How far a run has come, and the best it has seen. What comes next is a function of this."""

    state: TrainState
    best: Params
    best_epoch: int  # 0: none yet
    best_ndcg: float
    best_step: int
    history: tuple[EpochRecord, ...]
    batches: int = 0  # done of the epoch under way
    sums: tuple[float, float, float] = (0.0, 0.0, 0.0)  # over these: retrieval, cross-attention, targets

    @property
    def epoch(self) -> int:
        """Epochs that have ended."""
        return len(self.history)

    @property
    def number(self) -> int:
        """Of this progress' checkpoint: steps and ends of epochs so far, so that it always grows."""
        return int(self.state.step) + self.epoch

    def with_epoch(self, record: EpochRecord) -> "Progress":
        """The epoch under way has ended; its weights are the best where its NDCG@10 is, or there is none."""
        ended = replace(self, history=(*self.history, record), batches=0, sums=(0.0, 0.0, 0.0))
        ndcg = record.ndcg_at_10
        if ndcg is not None and ndcg <= self.best_ndcg:
            return ended
        return replace(
            ended,
            best=_copied(self.state.params),
            best_epoch=record.epoch,
            best_ndcg=0.0 if ndcg is None else ndcg,
            best_step=int(self.state.step),
        )


def first_progress(state: TrainState) -> Progress:
    """Of a run that has taken no step."""
    return Progress(state, _copied(state.params), 0, -1.0, 0, ())


class Keeper:
    """Writes a run's progress to its checkpoints, and reads the last one."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._number = -1  # of the last checkpoint that was written or read
        self._since = time.monotonic()

    def due(self) -> bool:
        """Whether so much time has passed since the last checkpoint that it would be a pity to lose it."""
        return time.monotonic() - self._since >= SECONDS_BETWEEN_CHECKPOINTS

    def save(self, progress: Progress) -> None:
        """Write a checkpoint whole, unless there is one that is as far. Raises SystemRefusedError."""
        if progress.number > self._number:
            with signals_held():
                self._checkpoints.save(progress.number, _arrays(progress), _document(progress))
                self._number = progress.number
        self._since = time.monotonic()

    def restore(self, fresh: Progress) -> Progress:
        """The last checkpoint's progress; `fresh`, which gives the shapes, where there is none."""
        latest = self._checkpoints.latest()
        if latest is None:
            return fresh
        arrays, document = self._checkpoints.restore(latest, like=_arrays(fresh))
        history = tuple(EpochRecord(**line) for line in document.pop("history"))
        progress = Progress(
            state=TrainState(**arrays["state"]),
            best=arrays["best"],
            history=history,
            sums=tuple(document.pop("sums")),
            **document,
        )
        self._number = progress.number
        LOGGER.info("resumed after epoch %d%s", progress.epoch, _steps_more(progress))
        return progress


def _steps_more(progress: Progress) -> str:
    return f" and {progress.batches} steps" if progress.batches else ""


@jax.jit
def _copied(params: Params) -> Params:
    """The parameters where the next step, which gives up its state, does not reach them."""
    return jax.tree.map(jnp.copy, params)


def _arrays(progress: Progress) -> dict[str, Any]:
    return {"state": progress.state._asdict(), "best": progress.best}


def _document(progress: Progress) -> dict[str, Any]:
    """What of a progress is no array; floats come back from JSON as they were."""
    return {
        "best_epoch": progress.best_epoch,
        "best_ndcg": progress.best_ndcg,
        "best_step": progress.best_step,
        "batches": progress.batches,
        "sums": list(progress.sums),
        "history": [vars(line) for line in progress.history],
    }
