"""The four commands on real data sets, no option beyond file names: seconds, memory and test figures.

    python benchmarks/real_data.py --data DIR [--output DIR] [--only beauty]

DIR holds a folder a data set: `interactions.csv.gz`, and `items.csv.gz`, `users.csv.gz` where there are
any. Every run opens the test part: choose nothing by these figures. Prints one JSON object a data set.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

DATA_SETS = ("beauty", "ml-100k", "ml-latest-small")


def main() -> None:
    """Run every data set that is there, one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("benchmark-output"))
    parser.add_argument("--only", choices=DATA_SETS, action="append")
    arguments = parser.parse_args()
    for name in arguments.only or DATA_SETS:
        print(json.dumps(measure(name, arguments.data / name, arguments.output / name)), flush=True)


def measure(name: str, data: Path, output: Path) -> dict[str, Any]:
    """The four commands on one data set, into `output`."""
    output.mkdir(parents=True, exist_ok=True)
    dataset, model, table = output / "data", output / "model", output / "recommendations.parquet"
    tables = [data / "interactions.csv.gz"]
    options = [
        part
        for entity in ("items", "users")
        if (data / f"{entity}.csv.gz").exists()
        for part in (f"--{entity}", data / f"{entity}.csv.gz")
    ]
    seconds: dict[str, float] = {}
    run("preprocess", [*tables, *options, "--output", dataset, "--overwrite"], seconds)
    trained = run("train", [dataset, "--output", model, "--overwrite"], seconds)
    run("score", [model, "--dataset", dataset, "--output", table, "--overwrite"], seconds)
    report = run("evaluate", [model, dataset, "--split", "test"], seconds)
    return {
        "data": name,
        "seconds": seconds,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "best_epoch": trained["best_epoch"],
        "head_weight": trained["head_weight"],
        "validation_ndcg_at_10": trained["validation_ndcg_at_10"],
        "test": {
            ranker["name"]: {k: round(ranker["metrics"][k]["mean"], 4) for k in ("NDCG@10", "HR@10")}
            for ranker in report["rankers"]
        },
        "differences": [d for d in report["differences"] if d["metric"] == "NDCG@10"],
    }


def run(command: str, arguments: list[Any], seconds: dict[str, float]) -> dict[str, Any]:
    """One command of recsys as a process of its own; its JSON result."""
    started = time.monotonic()
    finished = subprocess.run(
        [sys.executable, "-m", "recsys_cli", command, *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds[command] = round(time.monotonic() - started, 1)
    return json.loads(finished.stdout)


if __name__ == "__main__":
    main()
