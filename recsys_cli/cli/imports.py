"""Heavy imports without the garbage collector, which would go through all that they make again and again."""

import contextlib
import gc
from collections.abc import Generator


@contextlib.contextmanager
def heavy_imports() -> Generator[None]:
    """Put the collector off, and leave out of it for good what was made meanwhile."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
