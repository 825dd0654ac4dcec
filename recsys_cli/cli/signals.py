"""SIGINT and SIGTERM unwind the stack, so that scratch files are cleaned up before the process ends."""

import contextlib
import signal
from collections.abc import Generator
from dataclasses import dataclass
from types import FrameType


class TerminatedError(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt, not an Exception: nothing on the way may swallow it."""


@dataclass
class CaughtSignal:
    """The signal that arrived, or None.

    Libraries may turn the exception that the handler raises into one of their own (DuckDB raises
    RuntimeError "Query interrupted"), so what arrived is written down here.
    """

    number: int | None = None


@contextlib.contextmanager
def caught_signals() -> Generator[CaughtSignal]:
    """Within the block SIGINT raises KeyboardInterrupt and SIGTERM TerminatedError."""
    caught = CaughtSignal()

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        caught.number = number
        raise KeyboardInterrupt if number == signal.SIGINT else TerminatedError

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
