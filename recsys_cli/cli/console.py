"""The two streams. stdout: the result and nothing else. stderr: what a person should know on the way."""

import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType

    from recsys_cli.stages.results import Result

LOGGER: Final = logging.getLogger("recsys")


class ClosedOutputError(Exception):
    """The reader of stdout has gone, as `head` does."""


def prepare_streams() -> None:
    """Make both streams usable whatever the shell gave: closed, or of an encoding without emoji."""
    sys.stdout = _usable(sys.stdout)
    sys.stderr = _usable(sys.stderr)


def _usable(stream: TextIO | Any | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def configure_logging(*, quiet: bool) -> None:
    """Send the logger `recsys` to stderr: from INFO, or only warnings when `quiet`."""
    LOGGER.handlers = [StderrHandler()]
    LOGGER.setLevel(logging.WARNING if quiet else logging.INFO)
    LOGGER.propagate = False


class StderrHandler(logging.Handler):
    """Plain lines; with UTC times where stderr is not a terminal, as logs of cron want them.

    Looks `sys.stderr` up for each line, because a progress bar stands in for it while it is shown.
    """

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(_stamp(record) + _level(record) + record.getMessage() + "\n")
        sys.stderr.flush()


def _stamp(record: logging.LogRecord) -> str:
    if is_terminal(sys.stderr):
        return ""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(record.created))


def _level(record: logging.LogRecord) -> str:
    return "" if record.levelno <= logging.INFO else record.levelname.lower() + ": "


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at this stream."""
    return stream.isatty()


def lines_of_a_stage(*, quiet: bool) -> Callable[[str], None] | None:
    """What gets the lines that a stage's process writes to stderr; None: it is to write to ours itself.

    It does so only on a terminal, where it shows progress as if it had been started there.
    """
    if quiet:
        return _keep_silent
    return None if is_terminal(sys.stderr) else _write_line


def _keep_silent(line: str) -> None:
    del line


def _write_line(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


def print_result(
    result: "Result", *, as_json: bool | None, view: Callable[[], Iterable["RenderableType"]]
) -> None:
    """Print one result: JSON, or the tables of `view`; `as_json=None` asks whether stdout is a terminal."""
    if as_json is None:
        as_json = not is_terminal(sys.stdout)
    try:
        if as_json:
            _write_utf8(result.model_dump_json(indent=2) + "\n")
        else:
            _print_tables(view())
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ClosedOutputError from error


def _write_utf8(text: str) -> None:
    """JSON is UTF-8 whatever the locale says."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
    else:
        sys.stdout.write(text)


def _print_tables(renderables: Iterable["RenderableType"]) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for renderable in renderables:
        console.print(renderable)
