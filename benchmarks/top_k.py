"""Exact top-k by inner product: ours and FAISS IndexFlatIP in turns -> users/s, one JSON object a row.

    python benchmarks/top_k.py --peer PYTHON_WITH_FAISS

The bare product keeps nothing but a maximum; it is the best over several batch sizes and forms.
Each side is a process that makes the same vectors, and works once for each line that it is sent.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

THREADS, DIM, USERS = 2, 64, 8192
SHAPES = [(12_101, 10), (12_101, 100), (100_000, 10), (100_000, 100)]


def vectors(items: int) -> tuple[Any, Any]:
    """User and item vectors, standard normal."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((USERS, DIM), np.float32), rng.standard_normal((items, DIM), np.float32)


def ours(items: int, k: int, slots: int = 16) -> Callable[[], Any]:
    """What `recsys score` calls; 9 seen items excluded for each user, in 16 slots, as on Beauty."""
    import jax.numpy as jnp  # noqa: PLC0415

    from recsys_cli.scoring.retriever import Retriever  # noqa: PLC0415

    states, catalogue = vectors(items)
    excluded = np.random.default_rng(1).integers(0, items, (USERS, slots)).astype(np.int32)
    excluded[:, 9:] = items
    retriever = Retriever(jnp.asarray(catalogue))
    return lambda: retriever.best(states, excluded, None, k)


def faiss(items: int, k: int) -> Callable[[], Any]:
    """IndexFlatIP, all users in one call, which is its fastest; nothing excluded."""
    import faiss as library  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

    library.omp_set_num_threads(THREADS)
    states, catalogue = vectors(items)
    index = library.IndexFlatIP(DIM)
    index.add(catalogue)
    return lambda: index.search(states, k)


def bare(items: int, k: int) -> Callable[[], Any]:  # noqa: ARG001
    """A float32 product of the same shape with only each user's maximum kept; see `fastest_product`."""
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    states, catalogue = map(jnp.asarray, vectors(items))
    forms = [jax.jit(lambda s, v: (v @ s.T).max(0)), jax.jit(lambda s, v: (s @ v.T).max(1))]

    def product(form: Any, size: int) -> Callable[[], Any]:
        parts = [states[first : first + size] for first in range(0, USERS, size)]
        return lambda: [form(part, catalogue).block_until_ready() for part in parts]

    candidates = [product(form, size) for form in forms for size in (128, 512, 2048)]
    return min(candidates, key=lambda run: min(seconds(run) for _ in range(3)))


def seconds(run: Callable[[], Any]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def worker(side: str, items: int, k: int) -> None:
    """Print `ready`, then the seconds of one run for each line of standard input."""
    run = {"ours": ours, "faiss": faiss, "bare": bare}[side](items, k)
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(seconds(run), flush=True)


class Side:
    """A worker in a process of its own, on `THREADS` processors."""

    def __init__(self, python: str, side: str, items: int, k: int) -> None:
        command = [python, __file__, "--worker", side, str(items), str(k)]
        environment = os.environ | {"OMP_NUM_THREADS": str(THREADS)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        if self._read() != "ready":
            raise RuntimeError(f"the worker {side} did not start")

    def run(self) -> float:
        """Seconds of one run."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self._read())

    def stop(self) -> None:
        self.process.communicate()

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def row(items: int, k: int, *, peer: str, rounds: int) -> dict[str, Any]:
    """Median users/s of each side with the quickest and the slowest run, taken in turns."""
    pythons = {"ours": sys.executable, "bare": sys.executable, "faiss": peer}
    sides = {name: Side(python, name, items, k) for name, python in pythons.items()}
    taken = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            taken[name].append(USERS / side.run())
    for side in sides.values():
        side.stop()
    medians = {name: statistics.median(speeds) for name, speeds in taken.items()}
    result: dict[str, Any] = {"items": items, "k": k}
    for name, speeds in taken.items():
        result[name] = [round(medians[name]), round(min(speeds)), round(max(speeds))]
    result["over_faiss"] = round(medians["ours"] / medians["faiss"], 2)
    result["share_of_bare"] = round(medians["ours"] / medians["bare"], 3)
    return result


def main() -> None:
    """Print one JSON object a shape: [median, slowest, quickest] users/s of each side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="a Python that has faiss-cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", nargs=3, metavar=("SIDE", "ITEMS", "K"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker[0], int(options.worker[1]), int(options.worker[2]))
        return
    for items, k in SHAPES:
        print(json.dumps(row(items, k, peer=options.peer, rounds=options.rounds)), flush=True)


if __name__ == "__main__":
    main()
