"""Numbered checkpoints of a run: a pytree of arrays and a small JSON document each."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orbax.checkpoint as ocp
from absl import logging as absl_logging

from recsys_cli.errors import SystemRefusedError

KEPT: Final = 2  # the last one and the one before it


class Checkpoints:
    """The checkpoints in one folder; the newest `KEPT` stay."""

    def __init__(self, manager: ocp.CheckpointManager) -> None:
        self._manager = manager

    def save(self, number: int, arrays: Any, document: dict[str, Any]) -> None:
        """Write checkpoint `number` whole before returning. Raises SystemRefusedError on a full disk."""
        args = ocp.args.Composite(arrays=ocp.args.StandardSave(arrays), document=ocp.args.JsonSave(document))
        try:
            self._manager.save(number, args=args)
            self._manager.wait_until_finished()
        except ValueError as error:
            if os.strerror(errno.ENOSPC) not in str(error):  # Orbax has no type for a full disk
                raise
            raise SystemRefusedError(
                f"{self._manager.directory} could not be written: the disk is full.",
                hint="Free space, then go on from the checkpoint before with --resume.",
            ) from error

    def latest(self) -> int | None:
        return self._manager.latest_step()

    def restore(self, number: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """Checkpoint `number`: arrays shaped as `like`, and its document."""
        restored = self._manager.restore(
            number,
            args=ocp.args.Composite(arrays=ocp.args.StandardRestore(like), document=ocp.args.JsonRestore()),
        )
        return restored["arrays"], restored["document"]


@contextmanager
def open_checkpoints(folder: Path) -> Generator[Checkpoints]:
    """Open (or make) a folder of checkpoints."""
    absl_logging.set_verbosity(absl_logging.WARNING)  # Orbax reports every file at the info level
    options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, create=True)
    with ocp.CheckpointManager(folder.absolute(), options=options) as manager:
        yield Checkpoints(manager)
