"""How seconds and memory grow with interactions, items and users; and a catalogue of a million items."""

import itertools
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import RECSYS, Bench
from contender import WORKERS
from processes import Timed, timed
from results import Result

STAGES: Final = ("preprocess", "train", "score")
LINEAR: Final = math.log10(11.5)  # ten times the size in 11.5 times the seconds: 15 % above linear


@dataclass(frozen=True)
class Size:
    """What a made data set holds."""

    interactions: int
    items: int
    users: int


SWEEPS: Final = {
    "interactions": [Size(size, 1_000, 1_000) for size in (5_000, 50_000, 500_000)],
    "items": [Size(150_000, size, 10_000) for size in (1_000, 10_000, 100_000)],
    "users": [Size(300_000, 10_000, size) for size in (1_000, 10_000, 100_000)],
}
MILLION: Final = Size(1_300_000, 1_000_000, 100_000)
POSITIONS: Final = Size(200_000, 40_000, 10_000)


def three_sweeps(bench: Bench) -> Result:
    """Each of the three grows by ten, twice, the others held; one epoch of training."""
    result = Result("scale: seconds and peak memory as interactions, items and users grow")
    result.table = [["grows", "size", *(f"{stage}, {unit}" for stage in STAGES for unit in ("s", "MB"))]]
    runs = {grown: [_stages(bench, size) for size in sizes] for grown, sizes in SWEEPS.items()}
    for grown, sizes in SWEEPS.items():
        for size, stages in zip(sizes, runs[grown], strict=True):
            cells = [cell for stage in STAGES for cell in (stages[stage].seconds, stages[stage].peak_mb)]
            result.table.append([grown, f"{getattr(size, grown):,}", *cells])
        for stage in STAGES:
            _require_linear(result, grown, stage, [each[stage] for each in runs[grown]])
    peaks = [each["score"].peak_mb for each in runs["users"]]
    result.require("score, memory of 100 times the users", peaks[-1] / peaks[0], 1.25, "×", at_least=False)
    _require_free_of_positions(result, bench)
    _plot(runs, bench.output / "scale.svg")
    result.notes.append("![seconds and memory](scale.svg)")
    result.notes.append(
        "The exponent is log10 of how many times the seconds grow in a decade; 1 is linear, and what is "
        "fixed (start-up, compilation) makes it smaller. Score's memory counts as flat up to 1.25."
    )
    return result


def million_items(bench: Bench) -> Result:
    """One epoch with sampled softmax in large batches, then 100,000 users scored, and a tenth of them."""
    result = Result("a catalogue of 1,000,000 items: train with sampled softmax, score 100,000 users")
    dataset, model = bench.work / "million", bench.work / "million-model"
    made = _events(bench, MILLION)
    timed([*RECSYS, "preprocess", made, "--output", dataset])
    settings = bench.settings("million.toml", head=False, rows_per_batch=128, min_epochs=1, epochs=1)
    train = timed([*RECSYS, "train", dataset, "--output", model, "--config", settings])
    users = bench.work / "users.csv"
    users.write_text("user_id\n" + "\n".join(map(str, range(1, MILLION.users // 10 + 1))), encoding="utf-8")
    command = [*RECSYS, "score", model, "--dataset", dataset, "--output", bench.work / "million.parquet"]
    command += ["--scorer", "retrieval", "--overwrite"]
    tenth, score = timed([*command, "--users", users]), timed(command)
    for what, run in (("train", train), ("score 10,000 users", tenth), ("score 100,000 users", score)):
        result.add(what, "s", [run.seconds])
        result.add(f"{what}, peak memory", "MB", [run.peak_mb])
    result.require("train, peak memory", train.peak_mb, 6_000, "MB", at_least=False)
    result.require(
        "score, memory of ten times the users", score.peak_mb / tenth.peak_mb, 1.1, "×", at_least=False
    )
    result.notes.append("Memory of score counts as flat up to 1.1.")
    return result


def _require_linear(result: Result, grown: str, stage: str, runs: list[Timed]) -> None:
    """Of the two decades, the worse."""
    seconds = [run.seconds for run in runs]
    exponent = max(math.log10(large / small) for small, large in itertools.pairwise(seconds))
    result.require(f"{stage}, exponent in {grown}", exponent, LINEAR, "", at_least=False)


def _require_free_of_positions(result: Result, bench: Bench) -> None:
    """Ten times the positions in a batch, full softmax: what is added, as a share of positions × items."""
    dataset = bench.work / "positions"
    timed([*RECSYS, "preprocess", _events(bench, POSITIONS), "--output", dataset, "--overwrite"])
    peaks: list[float] = []
    for rows in (16, 160):
        settings = bench.settings("positions.toml", head=False, rows_per_batch=rows, epochs=1)
        command = [*RECSYS, "train", dataset, "--output", bench.work / "positions-model", "--overwrite"]
        peaks.append(timed([*command, "--loss", "full-softmax", "--config", settings]).peak_mb)
    logits = (160 - 16) * 50 * POSITIONS.items * 4 / 2**20
    result.add("train, 16 rows a batch, 40,000 items, full softmax", "MB", peaks[:1])
    result.add("train, 160 rows a batch", "MB", peaks[1:])
    result.require(
        "train, memory added by more positions : their logits",
        (peaks[1] - peaks[0]) / logits,
        0.25,
        "×",
        at_least=False,
    )


def _stages(bench: Bench, size: Size) -> dict[str, Timed]:
    dataset, model = bench.work / "scale", bench.work / "scale-model"
    settings = bench.settings("scale.toml", head=True, epochs=1)
    events, output = _events(bench, size), bench.work / "scale.parquet"
    return {
        "preprocess": timed([*RECSYS, "preprocess", events, "--output", dataset, "--overwrite"]),
        "train": timed([*RECSYS, "train", dataset, "--output", model, "--config", settings, "--overwrite"]),
        "score": timed([*RECSYS, "score", model, "--dataset", dataset, "--output", output, "--overwrite"]),
    }


def _events(bench: Bench, size: Size) -> Path:
    path = bench.work / "scale.csv"
    words = map(str, (size.interactions, size.items, size.users))
    timed([sys.executable, WORKERS / "scale_events.py", *words, path])
    return path


def _plot(runs: dict[str, list[dict[str, Timed]]], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415  (of the extra `bench`, needed by this row alone)

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "recsys", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt  # noqa: PLC0415  (after the choice of what it draws with)

    figure, panels = plt.subplots(2, 3, figsize=(10, 6), sharex="col", constrained_layout=True)
    for column, (grown, measured) in enumerate(runs.items()):
        sizes = [getattr(size, grown) for size in SWEEPS[grown]]
        for stage in STAGES:
            panels[0, column].loglog(sizes, [each[stage].seconds for each in measured], "o-", label=stage)
            panels[1, column].semilogx(sizes, [each[stage].peak_mb for each in measured], "o-", label=stage)
        panels[1, column].set(xlabel=grown, ylim=(0, None))
    panels[0, 0].set(ylabel="seconds")
    panels[1, 0].set(ylabel="peak memory, MB")
    panels[0, 0].legend()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
