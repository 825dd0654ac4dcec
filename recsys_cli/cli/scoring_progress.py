"""What scoring tells on the way: a bar on a terminal, a plain line now and then elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Generator
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from recsys_cli.cli.console import is_terminal

LOGGER: Final = logging.getLogger("recsys")
SECONDS_BETWEEN_LINES: Final = 30.0

OnProgress = Callable[[int, int], None]  # users done, users in all


@contextlib.contextmanager
def scoring_progress(*, quiet: bool) -> Generator[OnProgress | None]:
    """The callback to hand to the stage; None when nothing is to be said."""
    if quiet:
        yield None
    elif is_terminal(sys.stderr):
        with _progress() as progress:
            task = progress.add_task("users", total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
    else:
        yield _lines()


def _lines() -> OnProgress:
    last = time.monotonic()

    def on_progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            LOGGER.info("%s of %s users scored", f"{done:,}", f"{total:,}")

    return on_progress


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr, highlight=False),
        transient=True,
        expand=True,
    )
