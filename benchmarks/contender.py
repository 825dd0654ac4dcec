"""A worker process: it warms up once, then measures a round whenever it is asked to."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

WORKERS: Final = Path(__file__).with_name("workers")


class ContenderError(Exception):
    """A worker ended before it had answered; the message is the last line that it said."""


class Contender:
    """One side of a comparison; use it as a context manager."""

    def __init__(
        self, name: str, python: Path | str, script: str, given: Mapping[str, Any], logs: Path
    ) -> None:
        self.name = name
        self._log = logs / f"{name}.log".replace(" ", "-").lower()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, WORKERS / script, json.dumps(given)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.about: dict[str, Any] = {}

    def __enter__(self) -> "Contender":
        try:
            self.about = self._answer()
        except ContenderError:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def round(self, **what: Any) -> dict[str, float]:
        """Measure once."""
        self._pipe(self._process.stdin).write(json.dumps(what) + "\n")
        self._pipe(self._process.stdin).flush()
        return self._answer()

    def close(self) -> None:
        """End the worker; it is asked to, and then made to."""
        self._pipe(self._process.stdin).close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> dict[str, Any]:
        line = self._pipe(self._process.stdout).readline()
        if line:
            return json.loads(line)
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise ContenderError(f"{self.name}: {said[-1] if said else 'ended without a word'}")

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe
