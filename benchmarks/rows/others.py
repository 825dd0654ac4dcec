"""SASRec of RecBole and RePlay beside recsys: the same shape, data and threads, each with its own loop."""

from contextlib import ExitStack

from bench import Bench, alternate
from results import Result, ratios

from rows.train import recsys, speeds_of


def sasrec_elsewhere(bench: Bench) -> Result:
    """Targets a second; one row a target is RecBole's way, and its targets are what is counted."""
    result = Result("train, Beauty, full softmax: RecBole and RePlay")
    given = {
        "events": str(bench.training_events("beauty")),
        "folder": str(bench.work / "recbole"),
        "length": 50,
        "dim": 64,
        "blocks": 2,
        "heads": 2,
    }
    with ExitStack() as stack:
        contenders = bench.start(
            stack,
            result,
            [recsys(bench, "recsys", "beauty", 50, "full-softmax")],
            [
                bench.peer("RecBole", "recbole", "recbole_train.py", batches=2, **given),
                bench.peer("RePlay", "replay", "replay_train.py", batches=10, users_per_batch=128, **given),
            ],
        )
        answers = alternate(contenders, 3)
    result.floor = "that of the row above on full softmax"
    speeds = {name: speeds_of(rounds) for name, rounds in answers.items()}
    for name, speed in speeds.items():
        result.add(name, "targets/s", speed)
        result.add(f"{name}, peak memory", "MB", [max(answer["peak_mb"] for answer in answers[name])])
        if name != "recsys":
            result.add(f"recsys : {name}", "×", ratios(speeds["recsys"], speed))
    return result
