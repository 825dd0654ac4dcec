"""One file that appears by rename: complete, on the disk, or not there."""

import contextlib
import errno
import logging
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recsys_cli.artifacts.lock import LOCK, Holder, held_lock
from recsys_cli.errors import SystemRefusedError, UsageError

LOGGER: Final = logging.getLogger("recsys")

SYSTEM_ERRNOS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.EROFS: "the file system is read-only",
    errno.EFBIG: "it would be larger than a file may be",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.EIO: "the disk reports an error",
    errno.ENOTDIR: "a part of the path is not a directory",
    errno.EISDIR: "it is a directory",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "a symbolic link is in the way",
    errno.ENOLCK: "the file system has no locks",
    errno.EOPNOTSUPP: "the file system has no locks",
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
    """Whether the output, or a folder above it, is not there; anything else that is missing is a bug."""
    if not path.parent.exists():
        return True
    if error.filename is None:  # Arrow says the name in its text alone
        return str(path) in str(error)
    missing = Path(os.fsdecode(error.filename))
    return missing == path or (path in missing.parents and not path.exists())


@dataclass(frozen=True)
class HeldFile:
    """A file that this run alone may write."""

    path: Path

    @property
    def scratch(self) -> Path:
        """Where its next content is written, beside it."""
        return self.path.with_name(f".{self.path.name}.partial")

    @property
    def lock(self) -> Path:
        return self.path.with_name(f".{self.path.name}{LOCK}")

    @contextlib.contextmanager
    def replaced(self) -> Generator[Path]:
        """Yield the scratch path; when the block ends well it is synced and becomes the file.

        Raises SystemRefusedError when the system refuses. On any error the file is as it was.
        """
        with system_errors(self.path):
            try:
                yield self.scratch
                sync(self.scratch)
                os.replace(self.scratch, self.path)
                sync(self.path.parent)
            except BaseException:
                self.scratch.unlink(missing_ok=True)
                raise


@contextlib.contextmanager
def held_file(path: Path, *, overwrite: bool, wait: float = 0.0) -> Generator[HeldFile]:
    """Hold the file at `path` against other runs, from before its content is made until it is written.

    What a run that did not end left beside it is cleared away. Raises UsageError when `path` exists
    and `overwrite` is off, LockedError when another run still holds it after `wait` seconds,
    SystemRefusedError when the system refuses.
    """
    refuse_existing(path, overwrite=overwrite)
    held = HeldFile(path)
    with contextlib.ExitStack() as stack:
        with system_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            left = stack.enter_context(held_lock(held.lock, output=path, wait=wait))
            held.scratch.unlink(missing_ok=True)
        say_cleared(path, left)
        refuse_existing(
            path, overwrite=overwrite
        )  # another run may have made it before this one had the lock
        yield held


@contextlib.contextmanager
def atomic_file(path: Path, *, overwrite: bool, wait: float = 0.0) -> Generator[Path]:
    """`held_file` and `HeldFile.replaced` in one, for a content that is there already."""
    with held_file(path, overwrite=overwrite, wait=wait) as held, held.replaced() as scratch:
        yield scratch


def clear_left(path: Path) -> None:
    """Remove what a dead run left beside the file at `path`, which goes with an output that is held."""
    held = HeldFile(path)
    held.scratch.unlink(missing_ok=True)
    held.lock.unlink(missing_ok=True)


def say_cleared(output: Path, left: Holder | None) -> None:
    """Say what happened to the run before, where it did not end."""
    if left is not None:
        LOGGER.warning("an earlier run on %s did not end (%s); what it left is cleared", output, left)


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
