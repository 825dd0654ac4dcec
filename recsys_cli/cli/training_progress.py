"""What training tells on the way: a bar on a terminal, one plain line an epoch elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Generator
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from recsys_cli.cli.console import is_terminal

LOGGER: Final = logging.getLogger("recsys")


class EpochFigures(Protocol):
    """What is shown of an epoch. Spelt out here, because the training itself imports jax."""

    @property
    def epoch(self) -> int:
        """From 1."""
        ...

    @property
    def loss(self) -> float:
        """Mean cross-entropy of retrieval, in nats."""
        ...

    @property
    def ndcg_at_10(self) -> float | None:
        """On validation; None without one."""
        ...


@contextlib.contextmanager
def training_observer(*, quiet: bool) -> Generator["EpochLines | EpochBar | None"]:
    """The observer to hand to the stage; None when nothing is to be said."""
    if quiet:
        yield None
    elif is_terminal(sys.stderr):
        with _progress() as progress:
            yield EpochBar(progress)
    else:
        yield EpochLines()


class EpochLines:
    """One line on the logger an epoch."""

    def __init__(self) -> None:
        self._total_epochs = 0
        self._targets = 0

    def started(self, total_epochs: int, steps_per_epoch: int, start_epoch: int) -> None:
        """Say what is to come; `start_epoch` is above 1 when a run is resumed."""
        self._total_epochs = total_epochs
        LOGGER.info("epochs %d to %d, %d steps each", start_epoch, total_epochs, steps_per_epoch)

    def stepped(self, epoch: int, step: int, loss: float | None, targets: int) -> None:
        """Count the targets of this step."""
        del epoch, step, loss
        self._targets += targets

    def epoch_ended(self, record: EpochFigures, seconds: float) -> None:
        """Say how the epoch went; `seconds` includes its validation."""
        figures = [f"loss {record.loss:.4f}", *_ndcg(record), f"{self._targets / seconds:,.0f} targets/s"]
        LOGGER.info(
            "epoch %d of %d: %s, %.1f s", record.epoch, self._total_epochs, ", ".join(figures), seconds
        )
        self._targets = 0


class EpochBar:
    """A bar over all steps, with epoch, loss, NDCG@10, targets/s and the time left.

    Early stopping may end the run sooner, so the time left is the most that it can be.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("compiling", total=None, loss="", ndcg="", speed="")
        self._epochs = 0
        self._targets = 0
        self._since = time.monotonic()

    def started(self, total_epochs: int, steps_per_epoch: int, start_epoch: int) -> None:
        """Set the length of the bar: the steps of the epochs that are left to run."""
        self._epochs = total_epochs
        self._since = time.monotonic()
        self._progress.update(self._task, total=(total_epochs - start_epoch + 1) * steps_per_epoch)

    def stepped(self, epoch: int, step: int, loss: float | None, targets: int) -> None:
        """Move on by one step."""
        del step
        self._targets += targets
        if loss is not None:
            self._progress.update(self._task, loss=f"loss {loss:.3f}")
        speed = self._targets / max(time.monotonic() - self._since, 1e-3)
        self._progress.update(
            self._task,
            advance=1,
            description=f"epoch {epoch}/{self._epochs}",
            speed=f"{speed:,.0f} targets/s",
        )

    def epoch_ended(self, record: EpochFigures, seconds: float) -> None:
        """Show the epoch's loss and measure; the speed starts anew, without the validation."""
        del seconds
        ndcg = "" if record.ndcg_at_10 is None else f"NDCG@10 {record.ndcg_at_10:.4f}"
        self._progress.update(self._task, loss=f"loss {record.loss:.3f}", ndcg=ndcg)
        self._targets = 0
        self._since = time.monotonic()


def _progress() -> Progress:
    """Fits 80 columns; goes away when training has ended, for the result says what came of it."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[loss]}"),
        TextColumn("{task.fields[ndcg]}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr, highlight=False),
        transient=True,
        expand=True,
    )


def _ndcg(record: EpochFigures) -> list[str]:
    return [] if record.ndcg_at_10 is None else [f"validation NDCG@10 {record.ndcg_at_10:.4f}"]
