"""From process start: `recsys --help`, and the loss of the first training step."""

import sys

from bench import RECSYS, Bench
from contender import WORKERS
from processes import timed
from results import Result


def start_up(bench: Bench) -> Result:
    """Whole processes; what is timed ends when they have answered."""
    result = Result("start-up: recsys --help, and the first training step on Beauty")
    timed([*RECSYS, "--help"])
    helped = result.add("recsys --help", "s", [timed([*RECSYS, "--help"]).seconds for _ in range(10)])
    result.require("recsys --help", helped.median, 0.2, "s", at_least=False)
    bare = [timed([sys.executable, "-c", "pass"]).seconds for _ in range(10)]
    imports = "import jax, flax.nnx; jax.devices()"
    imported = [timed([sys.executable, "-c", imports]).seconds for _ in range(3)]
    result.add("the floor of --help: python -c pass", "s", bare)
    result.add(f"the floor of a first step: python -c '{imports}'", "s", imported)
    result.floor = "what the interpreter, and jax and flax, take to start before any code of ours"
    rounds = 1 if bench.quick else 3
    caches = [str(bench.work / f"first-step-cache-{number}") for number in range(rounds)]
    cold = result.add(
        "first step, nothing compiled before", "s", [_first_steps(bench, each) for each in caches]
    )
    result.add("first step, compiled before", "s", [_first_steps(bench, each) for each in caches])
    result.require("first training step", cold.median, 8, "s", at_least=False)
    result.notes.append(
        "The model is the benchmark's with its cross-attention head; the process ends with "
        "the first step's loss."
    )
    return result


def _first_steps(bench: Bench, cache: str) -> float:
    """Seconds from process start until the first loss is told; the process ends there."""
    settings = bench.settings("first-steps.toml", head=True)
    dataset = bench.dataset("beauty", attributes=True)
    command = ["train", dataset, "--output", bench.work / "never", "--config", settings]
    return timed(
        [sys.executable, WORKERS / "recsys_first_step.py", *command], {"XDG_CACHE_HOME": cache}
    ).seconds
