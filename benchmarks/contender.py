"""A worker process: it warms up once, then measures a round whenever it is asked to."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

WORKERS: Final = Path(__file__).with_name("workers")


class ContenderError(Exception):
    """A worker could not be started, or ended before it had answered; the message is why."""


@dataclass
class Contender:
    """One side of a comparison: a context manager that starts the worker and waits until it is warm."""

    name: str
    python: Path | str
    script: str
    given: Mapping[str, Any]
    logs: Path
    missing: str | None = None  # why it cannot be started
    about: dict[str, Any] = field(default_factory=dict)  # what it said of itself when it was warm

    def __enter__(self) -> "Contender":
        if self.missing is not None:
            raise ContenderError(f"{self.name}: {self.missing}")
        self._log = self.logs / f"{self.name}.log".replace(" ", "-").lower()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self.python, WORKERS / self.script, json.dumps(self.given)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            self.about = self._answer()
        except ContenderError:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def round(self, **what: Any) -> dict[str, float]:
        """Measure once."""
        pipe = _open(self._process.stdin)
        pipe.write(json.dumps(what) + "\n")
        pipe.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = _open(self._process.stdout).readline()
        if line:
            return json.loads(line)
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise ContenderError(f"{self.name}: {said[-1] if said else 'ended without a word'}")

    def _close(self) -> None:
        """The worker is asked to end, and then made to."""
        _open(self._process.stdin).close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _open(self._process.stdout).close()


def _open(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
