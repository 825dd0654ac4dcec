"""One file that appears by rename: complete, on the disk, or not there."""

import contextlib
import errno
import os
from collections.abc import Generator
from pathlib import Path

from recsys_cli.artifacts.lock import held_lock
from recsys_cli.errors import SystemRefusedError, UsageError

SYSTEM_ERRNOS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the disk reports an error",
    errno.ENOTDIR: "a part of the path is not a directory",
    errno.EISDIR: "it is a directory",
    errno.ENAMETOOLONG: "the name is too long",
}


@contextlib.contextmanager
def system_errors(path: Path) -> Generator[None]:
    """Turn what the operating system refuses while `path` is written into one sentence (exit 7)."""
    try:
        yield
    except OSError as error:
        reason = SYSTEM_ERRNOS.get(error.errno or 0)
        if error.errno == errno.ENOENT and _concerns(path, error):
            reason = "a part of its path is not there and cannot be made"
        if reason is None:
            raise
        raise SystemRefusedError(
            f"{path} could not be written: {reason}.",
            hint="Free space or change the permissions, or choose another output; nothing was changed.",
        ) from error


def _concerns(path: Path, error: OSError) -> bool:
    """Whether what is not there is the output or above it; anything else that is missing is a bug."""
    missing = Path(os.fsdecode(error.filename or ""))
    return missing == path or missing in path.parents


@contextlib.contextmanager
def atomic_file(path: Path, *, overwrite: bool) -> Generator[Path]:
    """Yield a scratch path beside `path`; when the block ends well it is synced and renamed.

    Raises UsageError when `path` exists and `overwrite` is off, LockedError when another run
    writes it, SystemRefusedError when the system refuses. On any error `path` is as it was.
    """
    refuse_existing(path, overwrite=overwrite)
    scratch = path.with_name(f".{path.name}.partial")
    with system_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with held_lock(scratch, output=path):
            try:
                yield scratch
                sync(scratch)
                os.replace(scratch, path)
                sync(path.parent)
            except BaseException:
                scratch.unlink(missing_ok=True)
                raise


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError when `path` exists and may not be replaced."""
    if path.exists() and not overwrite:
        raise UsageError(
            f"{path} exists already.",
            hint="Add --overwrite to replace it, or choose another --output.",
        )


def sync(path: Path) -> None:
    """Force a file's or a directory's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
