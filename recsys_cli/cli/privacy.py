"""`--private`: what a command writes is its owner's alone to read."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Final

OTHERS: Final = 0o077  # the bits of group and others: without them files are 0600 and directories 0700


@contextlib.contextmanager
def writing(output: Path | None, *, private: bool) -> Generator[None]:
    """Within the block, files are made by the umask; or, `private`, readable by nobody else.

    An output directory that was there before is closed to others once the block has ended well.
    """
    if not private:
        yield
        return
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)
    if output is not None and output.is_dir():
        output.chmod(output.stat().st_mode & ~OTHERS)
