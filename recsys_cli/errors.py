"""Errors that are a person's to mend, and the exit code each ends the process with."""

import re
from enum import IntEnum
from typing import ClassVar, Final

SHOWN_LENGTH: Final = 40  # of a value's form


class ExitCode(IntEnum):
    """What a finished process says to the shell. Documented; never renumbered."""

    DONE = 0
    BUG = 1
    USAGE = 2
    BAD_DATA = 3
    BAD_ARTIFACT = 4
    DIVERGED = 5
    LOCKED = 6
    SYSTEM = 7
    GATE = 8
    TIMEOUT = 9
    INTERRUPTED = 130
    TERMINATED = 143
    BROKEN_PIPE = 141


def form_of(value: object) -> str:
    """How a value is written, and not what it is: letters as `a`, digits as `9`.

    Sentences end up in logs, and a log is no place for what somebody's tables hold.
    """
    form = re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", str(value)))
    return repr(form if len(form) <= SHOWN_LENGTH else form[:SHOWN_LENGTH] + "…")


class RecsysError(Exception):
    """An error with a sentence that says what was found where, and a hint that says what to do.

    Anything else that is raised is a bug and shows its traceback.
    """

    exit_code: ClassVar[ExitCode]

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RecsysError):
    """The command cannot be carried out as it was asked for."""

    exit_code = ExitCode.USAGE


class DataError(RecsysError):
    """An input table does not hold what it must."""

    exit_code = ExitCode.BAD_DATA


class ArtifactError(RecsysError):
    """An artifact is damaged, of another kind, or does not fit the others."""

    exit_code = ExitCode.BAD_ARTIFACT


class DivergedError(RecsysError):
    """Training produced a loss that is not finite."""

    exit_code = ExitCode.DIVERGED


class LockedError(RecsysError):
    """Another run holds the output."""

    exit_code = ExitCode.LOCKED


class SystemRefusedError(RecsysError):
    """The operating system said no: disk, permission or memory."""

    exit_code = ExitCode.SYSTEM


class GateError(RecsysError):
    """What was found is not good enough to go on with."""

    exit_code = ExitCode.GATE
