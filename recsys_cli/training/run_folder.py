"""Where an unfinished run lives: `MODEL.partial`, until it is a model."""

import json
import logging
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from recsys_cli.artifacts.atomic import system_errors
from recsys_cli.artifacts.lock import held_lock
from recsys_cli.errors import UsageError

LOGGER: Final = logging.getLogger("recsys")
PARTIAL_SUFFIX: Final = ".partial"
RUN_FILE: Final = "run.json"


@contextmanager
def run_folder(output: Path, identity: dict[str, Any], *, resume: bool) -> Generator[Path]:
    """The folder of the unfinished run, held against other runs; gone once the block ends well.

    `identity` is what must be the same for a run to be resumed; one that was killed before it wrote
    anything is resumed from its beginning. Raises UsageError where there is no such run to resume,
    LockedError where another run holds the folder.
    """
    folder = output.absolute() if output.name in ("", "..") else output
    folder = folder.with_name(folder.name + PARTIAL_SUFFIX)
    if resume and not folder.is_dir():
        raise UsageError(f"{folder} has no run to resume.", hint="Leave out --resume.")
    with system_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with held_lock(folder, output=output):
            _claim(folder, identity, resume=resume)
            yield folder
            shutil.rmtree(folder)


def _claim(folder: Path, identity: dict[str, Any], *, resume: bool) -> None:
    """Make sure the folder's checkpoints are this run's, or start afresh."""
    record = folder / RUN_FILE
    if resume and record.exists():
        if json.loads(record.read_text(encoding="utf-8")) != identity:
            raise UsageError(
                f"The run in {folder} was started with other settings or another dataset.",
                hint="Give the settings it was started with, or leave out --resume to start again.",
            )
        return
    if record.exists():
        LOGGER.warning("%s holds a run that did not end; it is started again (--resume would go on)", folder)
    _start(folder, identity)


def _start(folder: Path, identity: dict[str, Any]) -> None:
    """An empty folder with the run's identity, which is there whole or not at all."""
    for child in folder.iterdir():
        shutil.rmtree(child) if child.is_dir() else child.unlink()
    scratch = folder / f"{RUN_FILE}.new"
    scratch.write_text(json.dumps(identity, indent=1, sort_keys=True), encoding="utf-8")
    os.replace(scratch, folder / RUN_FILE)
