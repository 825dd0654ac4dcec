"""The worker's side of a measurement: say that it is warm, then one answer for each round asked for.

One JSON object a line, in on stdin, out on stdout; whatever a library prints goes to stderr.
"""

import json
import os
import resource
import sys
import time
from importlib import metadata
from typing import Any

_OUT = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


def arguments() -> dict[str, Any]:
    """What the runner wants this worker to be."""
    return json.loads(sys.argv[1])


def ready(*packages: str, **about: Any) -> None:
    """Warm: tell the versions of `packages`, and whatever the rounds will need."""
    _say({"versions": {name: metadata.version(name) for name in packages}, **about})


def wait() -> dict[str, Any]:
    """The next round's arguments. Ends the process, without clean-up, when there is none."""
    line = sys.stdin.readline()
    if not line:
        os._exit(0)
    return json.loads(line)


def report(**figures: float) -> None:
    """What this round measured."""
    _say({**figures, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


class Rounds:
    """Rounds of some batches each in a training loop of someone else's; the first is the warm-up."""

    def __init__(self, batches: int, *packages: str) -> None:
        self._wanted, self._packages = batches, packages
        self._batches, self._targets, self._since, self._warm = 0, 0, 0.0, False

    def count(self, targets: int) -> None:
        """One more batch, of so many targets."""
        self._batches += 1
        self._targets += targets

    def turn(self) -> None:
        """Where a round has its batches: tell, and hold the loop still until the next one is asked for."""
        if self._batches < self._wanted:
            return
        if self._warm:
            report(targets=self._targets, seconds=time.perf_counter() - self._since)
        else:
            ready(*self._packages)
        self._warm = True
        wait()
        self._batches, self._targets, self._since = 0, 0, time.perf_counter()


def _say(value: dict[str, Any]) -> None:
    print(json.dumps(value), file=_OUT, flush=True)
