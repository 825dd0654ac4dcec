"""One stage as a process of its own: it can be ended, gives its memory back, and has an exit code."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recsys_cli.errors import ExitCode, RecsysError
from recsys_cli.pipelines import PARENT

GRACE: Final = 20.0  # seconds from SIGTERM, in which training writes a checkpoint, to SIGKILL
LAST_LINES: Final = 50
# -P: a module that lies in the pipeline's folder is nobody's to import.
RECSYS: Final = (sys.executable, "-P", "-m", "recsys_cli")

OnLine = Callable[[str], None]


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int  # as a shell has it: 128 + n for signal n
    timed_out: bool
    stdout: bytes
    last_lines: tuple[str, ...]  # of stderr; empty where that was a terminal's


def run_process(
    arguments: Sequence[str], *, folder: Path, timeout: float | None, on_line: OnLine | None
) -> Ended:
    """Run recsys with these arguments in `folder`, for at most `timeout` seconds.

    `on_line` gets every line of its stderr; with None it writes to this process's own. Whatever
    ends this process (Ctrl-C, SIGTERM) is passed on, and its end waited for.
    """
    lines: deque[str] = deque(maxlen=LAST_LINES)
    with tempfile.TemporaryFile() as stdout:
        process = subprocess.Popen(
            [*RECSYS, *arguments],
            cwd=folder,
            env={**os.environ, PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=None if on_line is None else subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            process_group=0,  # Ctrl-C reaches it through us, once
        )
        with _listening(process, on_line, lines), _never_left(process):
            late = _wait(process, timeout)
        stdout.seek(0)
        timed_out = late and process.returncode != 0  # it may have ended well after all
        return Ended(_code(process, timed_out=timed_out), timed_out, stdout.read(), tuple(lines))


def _wait(process: subprocess.Popen[str], timeout: float | None) -> bool:
    """Until it has ended; the value says whether it had to be ended because of the time."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        _end(process, signal.SIGTERM)
        return True
    except BaseException as stop:
        _end(process, signal.SIGINT if isinstance(stop, KeyboardInterrupt) else signal.SIGTERM)
        raise
    return False


def _end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)


@contextlib.contextmanager
def _never_left(process: subprocess.Popen[str]) -> Generator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _listening(process: subprocess.Popen[str], on_line: OnLine | None, lines: deque[str]) -> Generator[None]:
    """Hand on its stderr line by line, in a thread, until it is closed; raises what `on_line` raised."""
    if process.stderr is None or on_line is None:
        yield
        return
    stream, refused = process.stderr, list[Exception]()

    def listen() -> None:
        with stream:
            for line in stream:  # to the end, whatever happens: a full pipe would hold the process up
                lines.append(line)
                try:
                    on_line(line)
                except (OSError, RecsysError) as error:
                    refused.append(error)

    listener = threading.Thread(target=listen, name="recsys-stage-lines", daemon=True)
    listener.start()
    try:
        yield
    finally:
        listener.join(timeout=GRACE)
    if refused:
        raise refused[0]


def _code(process: subprocess.Popen[str], *, timed_out: bool) -> int:
    if timed_out:
        return ExitCode.TIMEOUT
    return process.returncode if process.returncode >= 0 else 128 - process.returncode
