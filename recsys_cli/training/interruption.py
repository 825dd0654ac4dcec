"""Signals that wait until what must be whole is whole."""

import contextlib
import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import Final

HELD: Final = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def signals_held() -> Generator[None]:
    """Within the block SIGINT and SIGTERM wait; after it their own handlers get the one that came.

    A second one does not wait. Threads other than the main one are never interrupted by signals, and
    nothing is held for them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)
        if len(came) > 1:
            restore()
            signal.raise_signal(number)

    before = {number: signal.signal(number, hold) for number in HELD}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    try:
        yield
    finally:
        restore()
        if came:
            signal.raise_signal(came[0])
