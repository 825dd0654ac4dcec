"""A new dataset or model beside the old one, until it has met its expectations: `OUTPUT.candidate`."""

import json
import shutil
from pathlib import Path
from typing import Final

from recsys_cli.artifacts.atomic import system_errors
from recsys_cli.artifacts.manifest import RUN, Artifact, Kind, open_artifact, writing_artifact

CANDIDATE_SUFFIX: Final = ".candidate"


def candidate_path(output: Path) -> Path:
    """Where the stage makes what is to be judged."""
    return output.with_name(output.name + CANDIDATE_SUFFIX)


def is_whole(artifact: Artifact) -> bool:
    """Whether every file of the artifact is there, with its size; who reads one checks its bytes."""
    return all(
        (artifact.path / entry.name).is_file() and (artifact.path / entry.name).stat().st_size == entry.bytes
        for entry in artifact.manifest.files.values()
    )


def adopt(candidate: Path, output: Path, kind: Kind) -> Artifact:
    """Make `candidate` the current version of the artifact at `output`, in one step at the end.

    It is copied, and stays, so that a run that is killed meanwhile is gone on with. Raises what
    `writing_artifact` raises, and ArtifactError for a candidate that is damaged.
    """
    made = open_artifact(candidate, kind)
    manifest = made.manifest
    with writing_artifact(output, kind, overwrite=True) as writer:
        for name in manifest.files:
            shutil.copy(made.file(name), writer.file(name))
        return writer.commit(
            configuration=manifest.configuration,
            inputs=manifest.inputs,
            counts=manifest.counts,
            details=manifest.details,
            run=json.loads((candidate / RUN).read_bytes()),
        )


def remove_candidate(output: Path) -> None:
    """Remove what was made to be judged, if anything is there."""
    candidate = candidate_path(output)
    if candidate.exists():
        with system_errors(candidate):
            shutil.rmtree(candidate)
