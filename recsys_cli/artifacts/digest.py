"""A folder that knows what it holds: `digest.json` has SHA-256 and size of each of its files.

Written last, so that a folder without one was never finished.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

from recsys_cli.artifacts.atomic import sync
from recsys_cli.artifacts.documents import read_document
from recsys_cli.artifacts.manifest import sha256_of_file
from recsys_cli.errors import ArtifactError

DIGEST: Final = "digest.json"


def write_digest(folder: Path) -> None:
    """Describe the files below `folder` as they are now."""
    document = {name: _describe(path) for name, path in _files(folder).items()}
    scratch = folder / f".{DIGEST}"
    scratch.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sync(scratch)
    os.replace(scratch, folder / DIGEST)
    sync(folder)


def check_digest(folder: Path, *, hint: str) -> None:
    """Raise ArtifactError, naming a file, unless `folder` holds what it held when it was described."""
    described, found = _read(folder / DIGEST, hint), _files(folder)
    for name, path in found.items():
        if name not in described:
            raise ArtifactError(f"{path} is not in {folder / DIGEST}.", hint=hint)
        if path.is_symlink() or not path.is_file() or _describe(path) != described[name]:
            raise ArtifactError(f"{path} is damaged: its SHA-256 is not that of {DIGEST}.", hint=hint)
    for name in described.keys() - found.keys():
        raise ArtifactError(f"{folder}/{name} is missing.", hint=hint)


def _files(folder: Path) -> dict[str, Path]:
    """Name within the folder -> path, of all that is no directory; links are not followed."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or not path.is_dir()) and path.name not in {DIGEST, f".{DIGEST}"}
    }


def _describe(path: Path) -> dict[str, str | int]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)}


def _read(path: Path, hint: str) -> dict[str, Any]:
    try:
        return read_document(path, hint=hint)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing.", hint=hint) from error
