"""Whole processes, timed from the outside: seconds, peak memory, and what they said."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any


@dataclass(frozen=True)
class Timed:
    """A process that ended well."""

    seconds: float
    peak_mb: float  # of resident memory; at least what this process has, since Linux hands that on
    stdout: str


class ProcessError(Exception):
    """A process ended badly; the message is its name and the last line that it said."""


def timed(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Timed:
    """Run `command` to its end. Raises ProcessError where that is not a success."""
    words: list[Any] = [str(word) for word in command]
    with TemporaryFile() as out, TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(words, stdout=out, stderr=err, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            said = err.read().decode(errors="replace").strip().splitlines()
            raise ProcessError(
                f"{' '.join(words[:4])}: exit {process.returncode}: {said[-1] if said else ''}"
            )
        return Timed(seconds, usage.ru_maxrss / 1024, out.read().decode())
