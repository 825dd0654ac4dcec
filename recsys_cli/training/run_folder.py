"""Where an unfinished run lives: `MODEL.partial`, until it is a model."""

import logging
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from recsys_cli.artifacts.atomic import system_errors
from recsys_cli.artifacts.documents import read_signed, with_digest
from recsys_cli.artifacts.lock import LOCK, Holder, held_folder
from recsys_cli.errors import RecsysError, UsageError

LOGGER: Final = logging.getLogger("recsys")
PARTIAL_SUFFIX: Final = ".partial"
RUN_FILE: Final = "run.json"
_AGAIN: Final = "Start the run again without --resume."


@contextmanager
def run_folder(output: Path, identity: dict[str, Any], *, resume: bool, wait: float = 0.0) -> Generator[Path]:
    """The folder of the unfinished run, held against other runs; gone once the block ends well.

    `identity` is what must be the same for a run to be resumed; one that was killed before it wrote
    anything is resumed from its beginning. Raises UsageError where there is no such run to resume,
    LockedError where another run still holds the folder after `wait` seconds.
    """
    folder = output.absolute() if output.name in ("", "..") else output
    folder = folder.with_name(folder.name + PARTIAL_SUFFIX)
    if resume and not folder.is_dir():
        raise UsageError(f"{folder} has no run to resume.", hint="Leave out --resume.")
    with system_errors(folder), held_folder(folder, output=output, keep=False, wait=wait) as left:
        _claim(folder, identity, left, resume=resume)
        try:
            yield folder
        except RecsysError:
            if not any(child.is_dir() for child in folder.iterdir()):  # no checkpoint to resume from
                _empty(folder)
            raise
        _empty(folder)


def _claim(folder: Path, identity: dict[str, Any], left: Holder | None, *, resume: bool) -> None:
    """Make sure the folder's checkpoints are this run's, or start afresh."""
    record = folder / RUN_FILE
    if resume and record.exists():
        if read_signed(record, hint=_AGAIN) != identity:
            raise UsageError(
                f"The run in {folder} was started with other settings, another dataset or another recsys.",
                hint="Give the settings it was started with, or leave out --resume to start again.",
            )
        if left is not None:
            LOGGER.warning("an earlier run in %s did not end (%s); it is resumed", folder, left)
        return
    if record.exists() or left is not None:
        who = "" if left is None else f" ({left})"
        again = "it is started again" + ("" if resume else " (--resume would go on)")
        LOGGER.warning("an earlier run in %s did not end%s; %s", folder, who, again)
    _empty(folder)
    scratch = folder / f"{RUN_FILE}.new"
    scratch.write_bytes(with_digest(identity))
    os.replace(scratch, record)


def _empty(folder: Path) -> None:
    """Remove all but the lock; the record first, so that a half emptied folder is no run to resume."""
    (folder / RUN_FILE).unlink(missing_ok=True)
    for child in folder.iterdir():
        if child.is_dir():
            shutil.rmtree(child)
        elif child.name != LOCK:
            child.unlink()
