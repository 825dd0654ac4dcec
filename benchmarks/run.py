"""The benchmark: recsys beside its peers and the machine's floor, into results.json and RESULTS.md.

    python benchmarks/run.py --data DIR [--quick] [--only ROW ...]

DIR holds the folders `beauty` and `ml-1m`, each with `interactions.csv.gz` (columns user_id, item_id,
timestamp) and perhaps `items.csv.gz`, `users.csv.gz`. Rows that are not run keep the figures they had, with
their date and commit. Run it on a machine that does nothing else.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench import THREADS, Bench
from contender import Contender, ContenderError
from machine import describe_machine, provenance
from peers import Peer, installed_peers
from processes import ProcessError
from report import render
from results import Result
from rows import accuracy, evaluate, others, preprocess, scale, score, startup, top_k, train

HERE: Final = Path(__file__).resolve().parent
THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

ROWS: Final[dict[str, Callable[[Bench], Result]]] = {
    "train": train.full_softmax,
    "train-sampled": train.sampled_softmax,
    "train-long": train.long_histories,
    "train-head": train.cross_attention,
    "train-others": others.sasrec_elsewhere,
    "top-k": top_k.exact_top_k,
    "score": score.whole_command,
    "re-rank": score.re_ranking,
    "preprocess": preprocess.ten_million,
    "preprocess-100m": preprocess.hundred_million,
    "evaluate": evaluate.whole_command,
    "start-up": startup.start_up,
    "scale": scale.three_sweeps,
    "million-items": scale.million_items,
    "accuracy": accuracy.both_losses,
}
QUICK: Final = ("train", "top-k", "score", "preprocess", "start-up")
FULL: Final = tuple(name for name in ROWS if name != "accuracy")  # which takes a quarter of an hour alone


def main() -> int:
    """Run the rows asked for, one at a time; 1 where a row failed."""
    arguments = _arguments()
    _limit_threads()
    for folder in (arguments.output, arguments.work):
        folder.mkdir(parents=True, exist_ok=True)
    peers = installed_peers(arguments.peers)
    with TemporaryDirectory(prefix="run-", dir=arguments.work) as work:
        return _run(arguments, Path(work), peers)


def _run(arguments: argparse.Namespace, work: Path, peers: dict[str, Peer]) -> int:
    document = _earlier(arguments.output) | {"machine": describe_machine(THREADS)}
    os.environ["XDG_CACHE_HOME"] = str(work / "cache")
    with Contender("floor", sys.executable, "floor.py", {"threads": THREADS}, work) as floor:
        bench = Bench(
            data=arguments.data.resolve(),
            work=work,
            output=arguments.output,
            peers=peers,
            quick=arguments.quick,
            floor=floor,
        )
        for name in arguments.only or (QUICK if arguments.quick else FULL):
            document["rows"][name] = _measured(name, bench)
            _write(document, arguments.output)
    return int(any(row["failed"] for row in document["rows"].values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, with fewer rounds")
    parser.add_argument("--only", choices=ROWS, nargs="+", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--output", type=Path, help="a directory for results.json and RESULTS.md")
    parser.add_argument("--peers", type=Path, default=HERE.parent / ".venv-peers", help="their environments")
    parser.add_argument(
        "--work",
        type=Path,
        default=HERE.parent / "benchmark-output",
        help="where to make what is removed again",
    )
    arguments = parser.parse_args()
    for name in ("beauty", "ml-1m"):
        if not (arguments.data / name / "interactions.csv.gz").exists():
            parser.error(f"--data {arguments.data}: {name}/interactions.csv.gz is not there.")
    arguments.output = arguments.output or (HERE / "quick" if arguments.quick else HERE)
    arguments.work = arguments.work.resolve()
    return arguments


def _limit_threads() -> None:
    """For every process that is started from here: jax and pyarrow go by the processors they may use."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(THREADS)))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


def _measured(name: str, bench: Bench) -> dict[str, Any]:
    """One row as JSON; a row that fails says so and does not stop the others."""
    print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
    started, failed = time.monotonic(), ""
    result = Result(name)
    try:
        result = ROWS[name](bench)
    except (ContenderError, ProcessError) as error:
        failed = str(error)
        print(f"  failed: {failed}", file=sys.stderr, flush=True)
    document = asdict(result)
    for written, need in zip(document["required"], result.required, strict=True):
        written["reached"] = need.reached
    return document | {"failed": failed, "seconds": time.monotonic() - started, **provenance()}


def _earlier(output: Path) -> dict[str, Any]:
    path = output / "results.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": {}}


def _write(document: dict[str, Any], output: Path) -> None:
    """After every row, so that a run that is stopped has said what it knew. In the order of ROWS."""
    document["rows"] = {name: document["rows"][name] for name in ROWS if name in document["rows"]}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (output / "results.json").write_text(text + "\n", encoding="utf-8")
    (output / "RESULTS.md").write_text(render(document), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
