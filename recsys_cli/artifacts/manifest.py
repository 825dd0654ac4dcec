"""Directory artifacts: data files named by their content, made current by one rename of the manifest.

A reader opens `manifest.json` once and reads the files it names. Clock times and speeds live in
`run.json`, outside every fingerprint, so that a rerun gives the same bytes.
"""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recsys_cli import __version__
from recsys_cli.artifacts.atomic import refuse_existing, say_cleared, sync, system_errors
from recsys_cli.artifacts.documents import (
    parse_document,
    read_bounded,
    require_regular,
    serialised,
    with_digest,
    without_digest,
)
from recsys_cli.artifacts.lock import LOCK, held_folder
from recsys_cli.errors import ArtifactError

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
RUN: Final = "run.json"
SCRATCH_PREFIX: Final = ".partial-"
LEDGER: Final = "test-uses.json"  # how often each test part was opened; written by `evaluate`
DATA_FILE: Final = re.compile(r"[\w.]+-[0-9a-f]{16}(\.\w+)?", re.ASCII)  # with the beginning of its SHA-256

Kind = Literal["dataset", "model"]
Count = Annotated[int, Field(ge=0, lt=2**53)]


class FileEntry(BaseModel):
    """One data file: its name inside the artifact, SHA-256 in hexadecimal, and size in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str
    bytes: Count


class Manifest(BaseModel):
    """What an artifact is, what made it, and which files belong to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    schema_version: int
    version: str  # of recsys
    configuration: dict[str, Any]
    inputs: dict[str, str]  # name of an input -> SHA-256, in hexadecimal
    counts: dict[str, Count]
    details: dict[str, Any]  # what else a reader of this kind needs
    files: dict[str, FileEntry]  # logical name ("items.parquet") -> the file that holds it


@dataclass(frozen=True)
class Artifact:
    """An opened artifact; its files are those the manifest named when it was opened."""

    path: Path
    manifest: Manifest
    fingerprint: str  # SHA-256 of the manifest's bytes
    _whole: set[str] = field(default_factory=set[str], compare=False, repr=False)  # names of checked files

    def file(self, name: str) -> Path:
        """The path of the file with this logical name, after its SHA-256 was checked; see `reading`."""
        with self.reading(name) as path:
            return path

    @contextlib.contextmanager
    def reading(self, name: str) -> Generator[Path]:
        """The path of the file with this logical name, whose SHA-256 was checked, to be read in the block.

        The second commit after this version's own removes it, and a reader that is slower than that ends.
        Raises ArtifactError, which tells that from a file that is missing or damaged.
        """
        entry = self.manifest.files.get(name)
        if entry is None:
            raise ArtifactError(f"{self.path} has no {name}.", hint=REMAKE)
        path = self.path / entry.name
        try:
            require_regular(path, hint=REMAKE)
            if name not in self._whole:
                _require_whole(path, entry)
                self._whole.add(name)
            yield path
        except FileNotFoundError as error:
            raise self._gone(path) from error

    def _gone(self, path: Path) -> ArtifactError:
        with contextlib.suppress(OSError):
            if hashlib.sha256((self.path / MANIFEST).read_bytes()).hexdigest() != self.fingerprint:
                return ArtifactError(
                    f"{self.path} was replaced more than once while it was read.",
                    hint="Run the command again.",
                )
        return ArtifactError(f"{path} is missing.", hint=REMAKE)

    def table(self, name: str, fields: "Iterable[pa.Field]" = ()) -> "pa.Table":
        """These columns (none named: all) of the Parquet file with this logical name; raises as `reading`."""
        from recsys_cli.artifacts.parquet import read_parquet  # noqa: PLC0415  (imports pyarrow)

        with self.reading(name) as path:
            return read_parquet(path, fields, hint=REMAKE)


REMAKE: Final = "Make the artifact again, or restore it from a copy."


def _require_whole(path: Path, entry: FileEntry) -> None:
    if path.stat().st_size != entry.bytes or sha256_of_file(path) != entry.sha256:
        raise ArtifactError(f"{path} is damaged: its SHA-256 is not the manifest's.", hint=REMAKE)


def open_artifact(path: Path, kind: Kind | None = None) -> Artifact:
    """Read the manifest of the artifact in directory `path`, of this kind or (None) of either.

    Raises ArtifactError when there is none, or it is of another kind or from a newer version.
    """
    made_by = {"dataset": "recsys preprocess", "model": "recsys train", None: "recsys"}[kind]
    hint = f"Give the directory that `{made_by}` made."
    try:
        raw = read_bounded(path / MANIFEST, hint=hint)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(
            f"{path} is not {'an artifact' if kind is None else f'a {kind}'}: it has no {MANIFEST}.",
            hint=hint,
        ) from error
    manifest = _parse_manifest(path, raw)
    if kind not in (None, manifest.kind):
        raise ArtifactError(f"{path} is a {manifest.kind}, not a {kind}.", hint=hint)
    return Artifact(path=path, manifest=manifest, fingerprint=hashlib.sha256(raw).hexdigest())


def _parse_manifest(path: Path, raw: bytes) -> Manifest:
    document = parse_document(raw, path / MANIFEST, hint=REMAKE)
    newest = document.get("schema_version")
    if isinstance(newest, int) and newest > SCHEMA_VERSION:
        raise ArtifactError(
            f"{path} has schema version {newest}; this recsys reads up to {SCHEMA_VERSION}.",
            hint="Upgrade recsys, or make the artifact again with this version.",
        )
    document = without_digest(document, raw, path / MANIFEST, hint=REMAKE)  # the first versions had none
    try:
        manifest = Manifest.model_validate(document, strict=True)
    except (ValidationError, RecursionError) as error:
        raise ArtifactError(f"{path / MANIFEST} is damaged.", hint=REMAKE) from error
    for entry in manifest.files.values():
        if not DATA_FILE.fullmatch(entry.name):
            raise ArtifactError(f"{path / MANIFEST} names a file outside the artifact.", hint=REMAKE)
    return manifest


@dataclass
class ArtifactWriter:
    """Collects the files of one new version of an artifact; nothing is current until `commit`."""

    path: Path
    kind: Kind
    _scratch: dict[str, Path] = field(default_factory=dict[str, Path])
    _added: list[Path] = field(default_factory=list[Path])  # data files that were not there before

    def file(self, name: str) -> Path:
        """A scratch path for the file with this logical name."""
        self._scratch[name] = self.path / f"{SCRATCH_PREFIX}{name}"
        return self._scratch[name]

    def folder(self, name: str) -> Path:
        """A scratch folder inside the artifact's directory, gone when the writing ends."""
        path = self.path / f"{SCRATCH_PREFIX}{name}"
        path.mkdir()
        return path

    def commit(
        self,
        *,
        configuration: dict[str, Any],
        inputs: dict[str, str],
        counts: dict[str, int],
        details: dict[str, Any],
        run: dict[str, Any],
    ) -> Artifact:
        """Name the files by their content and make them current with one rename of the manifest."""
        previous = _current_files(self.path)
        manifest = Manifest(
            kind=self.kind,
            schema_version=SCHEMA_VERSION,
            version=__version__,
            configuration=configuration,
            inputs=inputs,
            counts=counts,
            details=details,
            files={name: self._publish(name, path) for name, path in sorted(self._scratch.items())},
        )
        raw = with_digest(manifest.model_dump(mode="json"))
        fingerprint = hashlib.sha256(raw).hexdigest()
        written = (
            self._write(MANIFEST, raw),
            self._write(RUN, serialised({"fingerprint": fingerprint, **run})),
        )
        sync(self.path)  # the files' names, before the manifest that names them
        for scratch, name in zip(written, (MANIFEST, RUN), strict=True):
            os.replace(scratch, self.path / name)
        sync(self.path)
        _remove_older(self.path, keep=previous | {entry.name for entry in manifest.files.values()})
        return Artifact(self.path, manifest, fingerprint)

    def _publish(self, name: str, scratch: Path) -> FileEntry:
        digest = sha256_of_file(scratch)
        stem, dot, suffix = name.partition(".")
        named = self.path / f"{stem}-{digest[:16]}{dot}{suffix}"
        size = scratch.stat().st_size
        sync(scratch)
        if not named.exists():
            self._added.append(named)
        os.replace(scratch, named)
        return FileEntry(name=named.name, sha256=digest, bytes=size)

    def _write(self, name: str, raw: bytes) -> Path:
        scratch = self.path / f"{SCRATCH_PREFIX}{name}"
        scratch.write_bytes(raw)
        sync(scratch)
        return scratch

    def withdraw(self) -> None:
        """Remove what was written and is not part of the current version."""
        _remove_scratch(self.path)
        current = _current_files(self.path)
        for path in self._added:
            if path.name not in current:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_artifact(
    path: Path, kind: Kind, *, overwrite: bool, wait: float = 0.0
) -> Generator[ArtifactWriter]:
    """Hold directory `path` while a new version of its artifact is written.

    Raises UsageError when it exists and `overwrite` is off or it holds something else, LockedError
    when another run still holds it after `wait` seconds, SystemRefusedError when the system refuses.
    On any error before `commit` the artifact is as it was, and a directory made for it is removed.
    What a run left that did not end is cleared away.
    """
    made = refuse_unfit(path, kind, overwrite=overwrite)
    with system_errors(path), held_folder(path, output=path, wait=wait, keep=not made) as left:
        say_cleared(path, left)
        refuse_unfit(path, kind, overwrite=overwrite)  # another run may have made it before this had the lock
        _clear(path)
        writer = ArtifactWriter(path, kind)
        try:
            yield writer
        except BaseException:
            writer.withdraw()
            raise


def refuse_unfit(path: Path, kind: Kind, *, overwrite: bool) -> bool:
    """Refuse to write over what is not such an artifact; whether nobody's directory is there at all."""
    if _is_unfinished(path):
        return True
    refuse_existing(path, overwrite=overwrite)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        open_artifact(path, kind)
    return not path.exists()


def _is_unfinished(path: Path) -> bool:
    """Whether a directory holds at most what a first run leaves when it is killed."""
    if not path.is_dir():
        return False
    names = [child.name for child in path.iterdir()]
    return all(
        name.startswith(SCRATCH_PREFIX) or name in (LOCK, RUN) or DATA_FILE.fullmatch(name) for name in names
    )


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _current_files(path: Path) -> set[str]:
    if not (path / MANIFEST).exists():
        return set()
    return {entry.name for entry in _parse_manifest(path, (path / MANIFEST).read_bytes()).files.values()}


def _remove_older(path: Path, keep: set[str]) -> None:
    """Remove data files of older versions; a file of somebody else stays."""
    for child in path.iterdir():
        if child.name not in keep and DATA_FILE.fullmatch(child.name) and child.is_file():
            child.unlink()


def _clear(path: Path) -> None:
    """Remove what a run left that did not end; beside a manifest, its data files go with the next commit."""
    _remove_scratch(path)
    if not (path / MANIFEST).exists():
        (path / RUN).unlink(missing_ok=True)
        _remove_older(path, keep=set())


def _remove_scratch(path: Path) -> None:
    for child in path.glob(f"{SCRATCH_PREFIX}*"):
        if child.is_dir():
            shutil.rmtree(child)
        else:
            child.unlink()
