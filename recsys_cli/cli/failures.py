"""What went wrong -> a sentence and a hint on stderr, and the exit code. Bugs show their traceback."""

import sys
import traceback
from typing import Final

import typer

from recsys_cli.artifacts.atomic import SYSTEM_ERRNOS
from recsys_cli.cli.console import ClosedOutputError
from recsys_cli.errors import ExitCode, RecsysError

_MEMORY_HINT: Final = "Free memory, lower the limits of this command, or run it on a larger machine."
_NO_MEMORY: Final = {  # type of an error -> what its text then says
    "OSError": ("Cannot allocate memory",),
    "ImportError": ("failed to map segment", "Cannot allocate memory"),
    "RuntimeError": ("can't start new thread",),
    "JaxRuntimeError": ("RESOURCE_EXHAUSTED",),
    "XlaRuntimeError": ("RESOURCE_EXHAUSTED",),
}
_DISK_HINT: Final = "Free space or change the permissions, or choose another place."


def report(error: BaseException, *, signal_number: int | None) -> int:
    """Say on stderr what `error` means for a person; the value is the exit code."""
    if signal_number is not None:
        say("interrupted.", hint=None)
        return 128 + signal_number
    if isinstance(error, ClosedOutputError):
        console_is_gone()
        return ExitCode.BROKEN_PIPE
    if isinstance(error, RecsysError):
        say(error.message, hint=error.hint)
        return error.exit_code
    if isinstance(error, typer.TyperException):
        return _report_usage(error)
    return _report_system_or_bug(error)


def console_is_gone() -> None:
    """Nobody reads stdout any more: keep Python from flushing it, and complaining, at exit."""
    sys.stdout = None


def _report_usage(error: typer.TyperException) -> int:
    message = (
        error.format_message().replace("Value error, ", "").replace("Missing parameter", "Missing argument")
    )
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "recsys"
    say(message if message.endswith((".", "?")) else message + ".", hint=f"See `{command} --help`.")
    return ExitCode.USAGE


def _report_system_or_bug(error: BaseException) -> int:
    if isinstance(error, OSError) and error.errno in SYSTEM_ERRNOS:
        place = f"{error.filename}: " if error.filename else ""
        say(f"{place}{SYSTEM_ERRNOS[error.errno]}.", hint=_DISK_HINT)
        return ExitCode.SYSTEM
    if _is_out_of_memory(error):
        say("there is not enough memory.", hint=_MEMORY_HINT)
        return ExitCode.SYSTEM
    traceback.print_exception(error)
    return ExitCode.BUG


def _is_out_of_memory(error: BaseException) -> bool:
    """MemoryError, and what is raised in its place; told by name and text, not to import jax and duckdb."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException":
        return True
    words = _NO_MEMORY.get(type(error).__name__)
    if words is not None and any(word in str(error) for word in words):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and _is_out_of_memory(cause)


def say(message: str, *, hint: str | None) -> None:
    """One sentence about what went wrong, and one that says what to do."""
    sys.stderr.write(f"error: {message}\n")
    if hint:
        sys.stderr.write(f"hint: {hint}\n")
