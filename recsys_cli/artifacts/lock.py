"""One writer at a time: a lock that the operating system drops when its holder dies, and who that is or was.

What is locked is a file of its own, which is gone once the lock is let go: one that is found unlocked was
left by a run that did not end.
"""

import contextlib
import fcntl
import json
import logging
import os
import stat
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from recsys_cli.errors import LockedError

LOGGER: Final = logging.getLogger("recsys")
LOCK: Final = ".lock"  # the name of a directory's lock, and how a file's ends
_SECONDS_BETWEEN_LOOKS: Final = 0.2
_NOTE_BYTES: Final = 4096  # more than any note has


@dataclass(frozen=True)
class Holder:
    """The process that wrote itself down in a lock file."""

    pid: int
    host: str
    started: str  # when it took the lock, UTC

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, started {self.started}"


@contextlib.contextmanager
def held_lock(path: Path, *, output: Path, wait: float = 0.0) -> Generator[Holder | None]:
    """Hold the lock file `path`, in a folder that exists, against other runs on `output`.

    Yields the run that held it and did not end, where there was one. Raises LockedError when another
    process still holds it after `wait` seconds.
    """
    descriptor = _locked(path, output, wait)
    try:
        left = _read_note(descriptor)
        _write_note(descriptor)
        yield left
    finally:
        if _is_at(descriptor, path):
            path.unlink()
        os.close(descriptor)


@contextlib.contextmanager
def held_folder(folder: Path, *, output: Path, keep: bool, wait: float = 0.0) -> Generator[Holder | None]:
    """Hold a folder, made where it is missing, by the lock inside it; as `held_lock`.

    One that is empty at the end is removed, unless `keep`.
    """
    try:
        with contextlib.ExitStack() as stack:
            yield _entered(stack, folder, output, wait)
    finally:
        if not keep:
            with contextlib.suppress(OSError):  # not empty: it holds the artifact, or the next run's lock
                folder.rmdir()


def _entered(stack: contextlib.ExitStack, folder: Path, output: Path, wait: float) -> Holder | None:
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:  # and yet there was no folder when it looked again
            if _is_something_else(folder):
                raise
        with contextlib.suppress(FileNotFoundError):  # its holder has removed the folder since
            return stack.enter_context(held_lock(folder / LOCK, output=output, wait=wait))


def _is_something_else(folder: Path) -> bool:
    try:
        return not stat.S_ISDIR(folder.lstat().st_mode)
    except FileNotFoundError:
        return False


def _locked(path: Path, output: Path, wait: float) -> int:
    """A descriptor of the locked file at `path`."""
    deadline = time.monotonic() + wait
    descriptor, by = _try_lock(path)
    if descriptor is None and wait:
        LOGGER.info("another run is writing %s%s; waiting for at most %g s", output, by, wait)
    while descriptor is None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _locked_error(output, by, wait)
        time.sleep(min(_SECONDS_BETWEEN_LOOKS, left))
        descriptor, by = _try_lock(path)
    return descriptor


def _try_lock(path: Path) -> tuple[int | None, str]:
    """A descriptor of the locked file at `path`; or None, and who holds it."""
    while True:
        with contextlib.ExitStack() as stack:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None, _by(descriptor)
            if _is_at(descriptor, path):  # or else its holder let go, and removed it, since it was opened
                stack.pop_all()
                return descriptor, ""


def _locked_error(output: Path, by: str, wait: float) -> LockedError:
    still = "still " if wait else ""
    return LockedError(
        f"Another run is {still}writing {output}{by}.",
        hint="Wait until it has ended (--wait SECONDS does), or choose another --output.",
    )


def _by(descriptor: int) -> str:
    """Who holds the lock, in brackets; nothing where that is not known.

    A note stays for a moment after its writer's death, until the next holder has written its own: a
    process of this machine that is not there any more is not the holder.
    """
    holder = _read_note(descriptor)
    if holder is None or (holder.host == os.uname().nodename and not _is_alive(holder.pid)):
        return ""
    return f" ({holder})"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one that is at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _write_note(descriptor: int) -> None:
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    note = json.dumps(asdict(Holder(os.getpid(), os.uname().nodename, started)))
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, note.encode(), 0)


def _read_note(descriptor: int) -> Holder | None:
    """None where there is no note, or half of one: its writer died over it, or is writing it."""
    try:
        note = json.loads(os.pread(descriptor, _NOTE_BYTES, 0))
        return Holder(pid=int(note["pid"]), host=str(note["host"]), started=str(note["started"]))
    except (ValueError, KeyError, TypeError):
        return None
