"""The folder of a run that did not end -> its whole checkpoints, or an ArtifactError. Nothing is changed."""

from pathlib import Path
from typing import NamedTuple

from recsys_cli.artifacts.digest import DIGEST, check_digest
from recsys_cli.artifacts.documents import read_signed
from recsys_cli.errors import ArtifactError
from recsys_cli.training.run_folder import RUN_FILE

_HINT = "`recsys train --resume` goes on from the newest whole checkpoint; without it the run starts again."


class Unfinished(NamedTuple):
    """What a run that did not end has left."""

    checkpoints: list[int]  # numbers, ascending
    being_written: int  # folders of checkpoints that were not finished; the next run clears them away


def check_run(folder: Path) -> Unfinished:
    """Raise ArtifactError, naming the file, where a checkpoint is not as it was written."""
    try:
        read_signed(folder / RUN_FILE, hint=_HINT)
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} is no unfinished run: it has no {RUN_FILE}.", hint=_HINT) from error
    folders = [child for child in folder.iterdir() if child.name[:1].isdigit()]
    whole = [child for child in folders if (child / DIGEST).exists()]
    for child in whole:
        check_digest(child, hint=_HINT)
    return Unfinished(sorted(int(child.name) for child in whole), len(folders) - len(whole))
