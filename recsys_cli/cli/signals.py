"""SIGINT and SIGTERM unwind the stack, so that scratch files are cleaned up before the process ends."""

import contextlib
import os
import signal
import sys
from collections.abc import Generator
from dataclasses import dataclass
from types import FrameType

from recsys_cli.pipelines import PARENT

_PR_SET_PDEATHSIG = 1


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


def end_with_parent() -> None:
    """Have this process get SIGTERM when the `recsys run` that started it dies, be it by SIGKILL.

    Linux only: elsewhere a stage whose run was killed goes on to its own end.
    """
    parent = os.environ.get(PARENT)
    if parent is None or not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before this was asked for
        os.kill(os.getpid(), signal.SIGTERM)
