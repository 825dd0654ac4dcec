"""`recsys evaluate`: the whole process, and its ranking of the model alone."""

import time
from contextlib import ExitStack

from bench import PAUSE, RECSYS, Bench, alternate
from processes import timed
from results import Result


def whole_command(bench: Bench) -> Result:
    """Every metric with its interval, the model and every baseline, on Beauty's validation part."""
    result = Result("recsys evaluate, Beauty, every metric and baseline with intervals")
    model = bench.model("beauty", attributes=True, head=True)
    dataset = bench.dataset("beauty", attributes=True)
    command = [*RECSYS, "evaluate", model, dataset, "--quiet"]
    cold, warm = [], []
    for number in range(2 if bench.quick else 3):
        for runs in (cold, warm):
            time.sleep(PAUSE)
            runs.append(timed(command, {"XDG_CACHE_HOME": str(bench.work / f"evaluate-cache-{number}")}))
    with ExitStack() as stack:
        given = {"model": str(model), "dataset": str(dataset)}
        (ours,) = bench.start(stack, result, [bench.ours("recsys ranking", "recsys_evaluate.py", **given)])
        ranking = [each["seconds"] for each in alternate([ours], 3)[ours.name]]
    whole = result.add("whole process, nothing compiled before", "s", [run.seconds for run in cold])
    result.add("whole process, compiled before", "s", [run.seconds for run in warm])
    result.add("peak memory", "MB", [run.peak_mb for run in cold + warm])
    part = result.add("ranking the model: load, encode, retrieve, re-rank, ties", "s", ranking)
    product = bench.product_seconds(dataset)
    result.floor = (
        f"the product of all users and items takes {product:.2f} s at the 2048³ product's speed, "
        f"{100 * product / part.median:.0f} % of ranking the model"
    )
    result.require("whole process", whole.median, 8, "s", at_least=False)
    result.require("ranking the model", part.median, 2, "s", at_least=False)
    return result
