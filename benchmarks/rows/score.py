"""Scoring: the whole command beside RecTools' `recommend`, and the cross-attention over candidates alone."""

import time
from contextlib import ExitStack
from pathlib import Path

from bench import PAUSE, RECSYS, Bench, alternate
from processes import Timed, timed
from results import Result, Spread, ratios


def whole_command(bench: Bench) -> Result:
    """`recsys score` from process start to Parquet, without a compilation cache and with last night's."""
    result = Result("recsys score, Beauty, 22,363 users, top 10, retrieval, whole process")
    model, dataset = bench.model("beauty"), bench.dataset("beauty")
    shape = {"n_factors": 64, "n_blocks": 2, "n_heads": 2, "session_max_len": 50, "loss": "softmax"}
    events = str(bench.data / "beauty" / "interactions.csv.gz")
    cold, warm, theirs = [], [], []
    with ExitStack() as stack:
        rectools = bench.peer(
            "RecTools", "rectools", "rectools_recommend.py", events=events, model=shape, k=10
        )
        peers = bench.start(stack, result, [], [rectools])
        for number in range(2 if bench.quick else 4):
            cache = bench.work / f"cache-{number}"
            cold.append(_score(bench, model, dataset, cache))
            warm.append(_score(bench, model, dataset, cache))
            theirs += [each.round()["seconds"] for each in peers]
    _note_seconds(result, "recsys score, nothing compiled before", cold)
    second_night = _note_seconds(result, "recsys score, the second night", warm)
    product = bench.product_seconds(dataset)
    result.floor = (
        f"the product of all users and items takes {product:.2f} s at the 2048³ product's speed, "
        f"{100 * product / second_night.median:.0f} % of the second night; the rest is start-up, reading, "
        "encoding, top-k and Parquet"
    )
    if theirs:
        result.add("RecTools' recommend alone, in a warm process", "s", theirs)
        for name, runs, bound in (("first night", cold, 1.0), ("second night", warm, 0.7)):
            times = result.add(f"{name} : RecTools", "×", ratios([run.seconds for run in runs], theirs))
            result.require(f"{name}, seconds over RecTools'", times.median, bound, "×", at_least=False)
    result.notes.append(
        "RecTools' model was fitted on two batches: weights do not change the speed. 'Well under' is "
        "taken as 0.7."
    )
    return result


def re_ranking(bench: Bench) -> Result:
    """Cross-attention over 200 candidates a user, both directions, once users are encoded."""
    result = Result("cross-attention over 200 candidates a user, Beauty, 64-d")
    given = {
        "model": str(bench.model("beauty", attributes=True, head=True)),
        "dataset": str(bench.dataset("beauty", attributes=True)),
        "candidates": 200,
    }
    with ExitStack() as stack:
        (ours,) = bench.start(stack, result, [bench.ours("recsys re-ranking", "recsys_rerank.py", **given)])
        answers = alternate([bench.floor, ours], 3 if bench.quick else 7)
    speeds = [answer["users"] / answer["seconds"] for answer in answers[ours.name]]
    result.add(
        "all of the two stages", "users/s", [each["users"] / each["whole"] for each in answers[ours.name]]
    )
    speed = result.add("cross-attention", "users/s", speeds)
    operations = ours.about["operations_per_user"]
    floors = [answer["gflops"] * 1e9 / operations for answer in answers[bench.floor.name]]
    result.add("the floor", "users/s", floors)
    result.add("recsys : the floor", "×", ratios(speeds, floors))
    result.floor = (
        f"{operations / 1e6:.2f} M operations a user, two for each multiplication of a candidate's query and "
        f"output with the events of a full history, at the 2048³ product's speed; the gathers are not in it"
    )
    result.require("users a second", speed.median, 3_000, "")
    return result


def _score(bench: Bench, model: Path, dataset: Path, cache: Path) -> Timed:
    time.sleep(PAUSE)
    return timed(
        [
            *RECSYS,
            *("score", model, "--dataset", dataset, "--output", bench.work / "recommendations.parquet"),
            *("--top-k", "10", "--scorer", "retrieval", "--overwrite", "--quiet"),
        ],
        {"XDG_CACHE_HOME": str(cache)},
    )


def _note_seconds(result: Result, what: str, runs: list[Timed]) -> Spread:
    result.add(f"{what}, peak memory", "MB", [run.peak_mb for run in runs])
    return result.add(what, "s", [run.seconds for run in runs])
