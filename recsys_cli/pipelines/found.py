"""What lies in a folder: artifacts, whether what they were made from lies there too, and unfinished work."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cli.artifacts.documents import parse_document
from recsys_cli.artifacts.manifest import (
    MANIFEST,
    SCRATCH_PREFIX,
    Artifact,
    open_artifact,
    sha256_of_file,
)
from recsys_cli.errors import ArtifactError
from recsys_cli.evaluation.recommendations import METADATA_KEY
from recsys_cli.pipelines.candidates import CANDIDATE_SUFFIX, is_whole
from recsys_cli.pipelines.pipeline import RUN_SUFFIX
from recsys_cli.pipelines.results import ArtifactStatus, State, Unfinished
from recsys_cli.training.run_folder import PARTIAL_SUFFIX

INPUTS_OF_A_TABLE: Final = ("model", "dataset")  # whose fingerprints recommendations keep


@dataclass(frozen=True)
class _Made:
    """An artifact that was found, and the fingerprints that it keeps of its inputs."""

    path: Path
    kind: str
    version: str
    inputs: Mapping[str, str]
    fingerprint: str


class Found:
    """What lies in a folder and those below it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._damaged: list[tuple[Path, str]] = []  # path, what is wrong with it
        self._found = list(self._find())

    def artifacts(self) -> Iterator[ArtifactStatus]:
        """A row each, and one for each that cannot be read."""
        for made in self._found:
            state, reason = self._state(made)
            yield self._row(made.path, made.kind, state, reason, made)
        for path, wrong in self._damaged:
            yield self._row(path, "unknown", "damaged", wrong, None)

    def _row(self, path: Path, kind: str, state: State, reason: str, made: _Made | None) -> ArtifactStatus:
        return ArtifactStatus(
            path=os.path.relpath(path, self._folder),
            kind=kind,
            stage=None,
            made=written(path),
            version=made.version if made else None,
            made_from=dict(made.inputs) if made else {},
            state=state,
            reason=reason,
        )

    def _find(self) -> Iterator[_Made]:
        for path in _below(self._folder):
            if path.is_dir():
                yield from self._opened(path)
            elif path.suffix.lower() == ".parquet":
                yield from _table(path)

    def _opened(self, path: Path) -> Iterator[_Made]:
        try:
            artifact = _open(path)
        except ArtifactError as error:
            self._damaged.append((path, error.message))
            return
        if not is_whole(artifact):
            self._damaged.append((path, "a file of it is missing, or was cut"))
            return
        manifest = artifact.manifest
        yield _Made(path, manifest.kind, manifest.version, manifest.inputs, artifact.fingerprint)

    def _state(self, made: _Made) -> tuple[State, str]:
        """Whether each of its inputs is still to be found."""
        lost = [self._change(made, name, digest) for name, digest in made.inputs.items()]
        stale = [reason for state, reason in lost if state == "stale"]
        unknown = [reason for state, reason in lost if state == "unknown"]
        if stale:
            return "stale", "; ".join(stale)
        return ("unknown", "; ".join(unknown)) if unknown else ("current", "")

    def _change(self, made: _Made, name: str, digest: str) -> tuple[State, str]:
        if made.kind == "dataset":
            return self._table_change(name.partition("-")[2], digest)
        kind = "model" if name == "refit" else name
        others = [each for each in self._found if each.kind == kind]
        if any(each.fingerprint == digest for each in others):
            return "current", ""
        return ("stale", f"its {kind} is none of those here") if others else ("unknown", f"no {kind} is here")

    def _table_change(self, name: str, digest: str) -> tuple[State, str]:
        files = self._files.get(name, [])
        if any(sha256_of_file(file) == digest for file in files):
            return "current", ""
        return ("stale", f"{name} changed") if files else ("unknown", f"{name} is not here")

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        """Every file, by its name."""
        files: dict[str, list[Path]] = {}
        for path in _below(self._folder):
            if path.is_file():
                files.setdefault(path.name, []).append(path)
        return files


def _below(folder: Path) -> Iterator[Path]:
    """Files and artifacts below a folder, in byte order; not what artifacts and pipelines keep inside."""
    for child in sorted(folder.iterdir(), key=str):
        if child.is_dir() and not child.is_symlink():
            if (child / MANIFEST).is_file():
                yield child
            elif not child.name.startswith(".") and child.suffix != RUN_SUFFIX:
                yield from _below(child)
        elif child.is_file():
            yield child


def _open(path: Path) -> Artifact:
    """An artifact of either kind. Raises ArtifactError."""
    try:
        return open_artifact(path, "dataset")
    except ArtifactError:
        return open_artifact(path, "model")


def _table(path: Path) -> Iterator[_Made]:
    """The table of recommendations that a Parquet file is, if it is one."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return
    if METADATA_KEY not in metadata:
        return
    made = parse_document(metadata[METADATA_KEY], path, hint="Make the table again with `recsys score`.")
    if not {*INPUTS_OF_A_TABLE, "version"} <= made.keys():
        return
    inputs = {name: made[name] for name in INPUTS_OF_A_TABLE}
    yield _Made(path, "recommendations", made["version"], inputs, "")


def written(path: Path) -> str:
    """When a file, or the manifest of an artifact, was last written: ISO 8601, UTC."""
    manifest = path / MANIFEST
    return _time(manifest if manifest.is_file() else path)


def _time(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def unfinished(folder: Path) -> list[Unfinished]:
    """What runs below a folder work with, or left when they did not end."""
    found = [(path, _unfinished_what(path)) for path in sorted(folder.rglob("*"), key=str)]
    return [
        Unfinished(path=os.path.relpath(path, folder), what=what, changed=_time(path))
        for path, what in found
        if what is not None
    ]


def _unfinished_what(path: Path) -> str | None:
    if path.is_dir() and path.name.endswith(PARTIAL_SUFFIX):
        return "a training that did not end: `recsys train --resume` and `recsys run` go on with it"
    if path.is_dir() and path.name.endswith(CANDIDATE_SUFFIX):
        return "made, and not in use: it has not met its expectations yet"
    if path.name.startswith(SCRATCH_PREFIX) or (path.name[0] == "." and path.name.endswith(PARTIAL_SUFFIX)):
        return "written by a run that goes on or was killed: the next run removes it"
    return None
