"""One writer at a time: a lock that the operating system drops when its holder dies."""

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from recsys_cli.errors import LockedError


@contextlib.contextmanager
def held_lock(path: Path, *, output: Path) -> Generator[None]:
    """Hold an exclusive lock on `path` (a directory, or a scratch file that is made when missing).

    Raises LockedError, naming `output`, when another process holds it.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"Another run is writing {output}.",
                hint="Wait until it has ended, or choose another --output.",
            ) from error
        yield
    finally:
        os.close(descriptor)
