"""Numbered checkpoints of a run: a pytree of arrays and a small JSON document each.

A checkpoint counts once its digest is written: what a killed run has left of one is cleared away,
and a damaged one is passed over for the one before it.
"""

import logging
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import jax
import orbax.checkpoint as ocp
from absl import logging as absl_logging

from recsys_cli.artifacts.atomic import SYSTEM_ERRNOS
from recsys_cli.artifacts.digest import DIGEST, check_digest, write_digest
from recsys_cli.errors import ArtifactError, SystemRefusedError

LOGGER: Final = logging.getLogger("recsys")
KEPT: Final = 2  # the last one and the one before it
_BYTES_BESIDE_AN_ARRAY: Final = 4096  # at most, of its metadata and of what a disk rounds up
_BYTES_BESIDE: Final = 128 << 10
_HINT: Final = "Start the run again without --resume."


class Checkpoints:
    """The checkpoints in one folder; the newest `KEPT` stay."""

    def __init__(self, manager: ocp.CheckpointManager) -> None:
        self._manager = manager
        self._folder = Path(manager.directory)

    def save(self, number: int, arrays: Any, document: dict[str, Any]) -> None:
        """Write checkpoint `number` whole before returning; those from `number` on were damaged, and go.

        Raises SystemRefusedError on a full disk.
        """
        args = ocp.args.Composite(arrays=ocp.args.StandardSave(arrays), document=ocp.args.JsonSave(document))
        for damaged in [other for other in self._manager.all_steps() if other >= number]:
            self._manager.delete(damaged)
        self._require_room(arrays)
        try:
            self._manager.save(number, args=args)
            self._manager.wait_until_finished()
        except ValueError as error:
            reason = next(
                (words for code, words in SYSTEM_ERRNOS.items() if os.strerror(code) in str(error)), None
            )
            if reason is None:  # Orbax has no type for what the system refuses
                raise
            shutil.rmtree(self._folder / f"{number}.orbax-checkpoint-tmp", ignore_errors=True)
            raise self._refused(reason) from error
        write_digest(self._folder / str(number))

    def _require_room(self, arrays: Any) -> None:
        """Orbax' threads write tracebacks where the disk is full; better not to begin."""
        leaves = jax.tree.leaves(arrays)
        needed = sum(leaf.nbytes for leaf in leaves) + len(leaves) * _BYTES_BESIDE_AN_ARRAY + _BYTES_BESIDE
        if shutil.disk_usage(self._folder).free < needed:
            raise self._refused(f"the disk is full: a checkpoint takes {needed / 1e6:.1f} MB")

    def _refused(self, reason: str) -> SystemRefusedError:
        return SystemRefusedError(
            f"{self._folder} could not be written: {reason}.",
            hint="Free space, then go on from the checkpoint before with --resume.",
        )

    def latest(self) -> int | None:
        """The newest checkpoint that is as it was written; None where there are none at all.

        Raises ArtifactError, naming a file of the newest, when every one of them is damaged.
        """
        damage: list[ArtifactError] = []
        for number in sorted(self._manager.all_steps(), reverse=True):
            try:
                check_digest(self._folder / str(number), hint=_HINT)
            except ArtifactError as error:
                LOGGER.warning("%s The checkpoint before it is looked for.", error.message)
                damage.append(error)
            else:
                return number
        if damage:
            raise damage[0]
        return None

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
    absl_logging.set_verbosity(absl_logging.FATAL)  # what is wrong is raised; what is damaged, we say
    for child in folder.glob("[0-9]*"):
        if not (child / DIGEST).exists():  # its run was killed while it was written
            shutil.rmtree(child)
    # In the background Orbax gives up by a clock that may jump, and a save here waits for its end anyway.
    options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, create=True, enable_async_checkpointing=False)
    with ocp.CheckpointManager(folder.absolute(), options=options) as manager:
        yield Checkpoints(manager)
