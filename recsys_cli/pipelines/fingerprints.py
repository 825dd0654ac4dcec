"""What a stage reads -> SHA-256 of its content, and marks that tell whether it changed meanwhile."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path
from typing import Final

from recsys_cli.artifacts.manifest import MANIFEST, sha256_of_file
from recsys_cli.errors import UsageError

MISSING: Final = ""  # in the place of a SHA-256

Mark = tuple[str, int, int, int]  # path, inode, size, time of change: cheap to take again


def fingerprints(folder: Path, inputs: Sequence[str]) -> dict[str, str]:
    """Input, as it was given -> SHA-256 of its files' names and contents; `MISSING` where there is none."""
    return {given: fingerprint(folder, given) for given in inputs}


def fingerprint(folder: Path, given: str) -> str:
    """Of an artifact its own, which is its manifest's SHA-256; of one file its SHA-256."""
    files = input_files(folder, given)
    if not files:
        return MISSING
    if files == [folder / given] or files == [folder / given / MANIFEST]:
        return sha256_of_file(files[0])
    listed = "".join(f"{sha256_of_file(file)} {os.path.relpath(file, folder)}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def input_files(folder: Path, given: str) -> list[Path]:
    """The files behind a path, a glob or a folder, in byte order; of an artifact its manifest alone.

    Raises UsageError for what can be read only once.
    """
    path = folder / given
    if path.is_dir():
        return _files_in(path)
    if path.is_file():
        return [path]
    if path.exists():
        raise UsageError(f"{path} is a pipe or a device, and cannot be read twice.", hint="Name a file.")
    return [file for match in sorted(glob(str(path), recursive=True)) for file in input_files(folder, match)]


def _files_in(path: Path) -> list[Path]:
    if (path / MANIFEST).is_file():
        return [path / MANIFEST]
    return sorted((file for file in path.rglob("*") if file.is_file()), key=str)


def marks(folder: Path, inputs: Sequence[str]) -> list[Mark]:
    """Of every file; taken before and after, they are equal if nobody wrote to any in between."""
    return list(_marks(folder, inputs))


def _marks(folder: Path, inputs: Sequence[str]) -> Iterator[Mark]:
    for given in inputs:
        for file in input_files(folder, given):
            status = file.stat()
            yield str(file), status.st_ino, status.st_size, status.st_mtime_ns
