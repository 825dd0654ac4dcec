"""Results -> tables for a person, at most 80 columns wide. Written for reading; `--json` is for machines."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from recsys_cli.artifacts.atomic import HeldFile
from recsys_cli.cli.lists import UserList
from recsys_cli.stages.results import (
    CheckResult,
    Difference,
    DiffResult,
    DoctorResult,
    EvaluateResult,
    Metric,
    PreprocessResult,
    RankerReport,
    Result,
    ScoreResult,
    TrainResult,
)

MEASURES = ("HR", "recall", "precision", "F1", "NDCG", "MRR", "MAP")


def write_json(result: Result, file: HeldFile) -> None:
    """Write what `--json` prints to a file, whole or not at all."""
    with file.replaced() as scratch:
        scratch.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")


def preprocess_view(result: PreprocessResult) -> Iterable[RenderableType]:
    """Where every input row went, and what the dataset holds."""
    rows = _table("rows", numbers=["count"])
    rows.add_row("read", f"{result.rows:,}")
    rows.add_row("used", f"{result.used:,}")
    _add_counts(rows, "dropped", result.dropped)
    _add_counts(rows, "rejected", result.rejected)
    yield rows
    holds = _table("dataset", numbers=["count"])
    for name in ("users", "items", "attributes", "not_positive"):
        holds.add_row(name.replace("_", " "), f"{getattr(result, name):,}")
    yield holds
    yield from _ending(result.output, result.notes)


def train_view(result: TrainResult) -> Iterable[RenderableType]:
    """What was trained, and how good its best epoch was."""
    table = _table("model", numbers=["value"])
    table.add_row("epochs run", str(result.epochs))
    table.add_row("best epoch", str(result.best_epoch))
    if result.validation_ndcg_at_10 is not None:
        table.add_row("validation NDCG@10", f"{result.validation_ndcg_at_10:.4f}")
    table.add_row("loss", result.loss)
    if result.head_weight is not None:
        table.add_row("weight of cross-attention", f"{result.head_weight:g}")
    table.add_row("parameters", f"{result.parameters:,}")
    yield table
    yield from _ending(result.output, result.notes)


def score_view(result: ScoreResult, lists: Iterable[UserList]) -> Iterable[RenderableType]:
    """What the table holds, and the lists of a few users."""
    for user_list in lists:
        yield _list_table(user_list)
    table = _table("recommendations", numbers=["count"])
    table.add_row("users", f"{result.users:,}")
    table.add_row("rows", f"{result.rows:,}")
    _add_counts(table, "users, source", result.by_source)
    table.add_row("unknown users", f"{result.unknown_users:,}")
    table.add_row("unknown items", f"{result.unknown_items:,}")
    yield table
    yield from _ending(result.output, [*(f"Removed {path}." for path in result.removed), *result.notes])


def evaluate_view(result: EvaluateResult) -> Iterable[RenderableType]:
    """The first ranker at every k, then all of them at the middle k, then the differences."""
    ks = _ks(result.rankers[0])
    yield Text(
        f"{result.split}: {result.users:,} users, {result.targets:,} targets, "
        f"{result.catalogue:,} items ranked"
    )
    yield _measures_table(result.rankers[0], ks)
    yield _rankers_table(result.rankers, ks[len(ks) // 2])
    if result.differences:
        yield _differences_table(result.differences)
    yield from _reported_apart(result)


def check_view(result: CheckResult) -> Iterable[RenderableType]:
    """What was verified, and what it holds."""
    table = _table(result.kind, numbers=["count"])
    table.add_row("files", f"{result.files:,}")
    table.add_row("bytes", f"{result.bytes:,}")
    for name, count in result.counts.items():
        table.add_row(Text(name.replace("_", " ")), f"{count:,}")
    yield table
    yield Text(f"{result.path} is whole.", no_wrap=True, overflow="ignore")


def diff_view(result: DiffResult) -> Iterable[RenderableType]:
    """The two tables beside each other, what their lists have in common, and what does not hold."""
    table = _table("", numbers=["old", "new", "in both"])
    rows = {
        "users": (result.users_old, result.users_new, result.users_in_both),
        "items": (result.items_old, result.items_new, result.items_in_both),
    }
    for name, numbers in rows.items():
        table.add_row(name, *(f"{number:,}" for number in numbers))
    yield table
    shares = _table("lists", numbers=["value"])
    for name, share in result.overlap.items():
        shares.add_row(name, f"{share:.4f}")
    shares.add_row("users who lost their list", f"{result.lost_users:,} ({result.lost_share:.2%})")
    shares.add_row("users who are new", f"{result.added_users:,}")
    yield shares


def doctor_view(result: DoctorResult) -> Iterable[RenderableType]:
    """The surroundings, and a line for each package and kernel."""
    facts = _table("", numbers=[])
    facts.add_column("")
    for name, value in _facts(result).items():
        facts.add_row(name, Text(value, overflow="fold"))
    yield facts
    packages = _table("package", numbers=["version"])
    for name, version in result.packages.items():
        packages.add_row(name, version or "not installed")
    yield packages
    kernels = _table("kernel", numbers=["", "difference", "seconds"])
    for test in result.kernels:
        difference = test.trouble or "not finite" if test.difference is None else f"{test.difference:.1e}"
        kernels.add_row(test.kernel, "ok" if test.passed else "failed", difference, f"{test.seconds:.1f}")
    yield kernels


def _facts(result: DoctorResult) -> dict[str, str]:
    memory = {
        "memory": result.memory,
        "memory available": result.memory_available,
        "memory limit": result.memory_limit,
    }
    return {
        "recsys": result.recsys,
        "python": result.python,
        "system": result.system,
        "devices": ", ".join(result.devices),
        "processors": f"{result.usable_processors} of {result.processors} for this process",
        **{name: _gibibytes(value) for name, value in memory.items() if value is not None},
        **{f"disk ({disk.name})": f"{_gibibytes(disk.free)} free: {disk.path}" for disk in result.disks},
        "compiled programs": str(result.compilation_cache or "not kept"),
    }


def _gibibytes(value: int) -> str:
    return f"{value / (1 << 30):,.1f} GiB"


def _measures_table(ranker: RankerReport, ks: list[int]) -> Table:
    table = _table(ranker.name, numbers=[*MEASURES, "coverage"])
    for k in ks:
        cells = [_mean(ranker.metrics.get(f"{measure}@{k}")) for measure in MEASURES]
        table.add_row(f"@{k}", *cells, _share(ranker.coverage.get(f"coverage@{k}")))
    return table


def _rankers_table(rankers: list[RankerReport], k: int) -> Table:
    table = _table("ranker", numbers=[f"NDCG@{k}", "95 % interval", f"HR@{k}", f"coverage@{k}", "tied"])
    for ranker in rankers:
        ndcg = ranker.metrics.get(f"NDCG@{k}")
        table.add_row(
            ranker.name,
            _mean(ndcg),
            _interval(ndcg),
            _mean(ranker.metrics.get(f"HR@{k}")),
            _share(ranker.coverage.get(f"coverage@{k}")),
            _share(ranker.tied_targets),
        )
    return table


def _differences_table(differences: list[Difference]) -> Table:
    table = _table("difference to", numbers=["metric", "mean", "95 % interval"])
    for each in differences:
        table.add_row(each.baseline, each.metric, f"{each.mean:+.4f}", f"{each.low:+.4f} {each.high:+.4f}")
    return table


def _reported_apart(result: EvaluateResult) -> Iterable[Text]:
    if result.unreachable_targets:
        yield Text(f"{result.unreachable_targets:,} targets were in the history already: out of reach.")
    if result.users_without_history:
        yield Text(f"{result.users_without_history:,} users have a target but no earlier event: left out.")
    if result.test_uses is not None:
        yield Text(f"The test part of this dataset was opened {result.test_uses} time(s).")
    yield from (Text(note) for note in result.notes)


def _list_table(user_list: UserList) -> Table:
    table = _table(f"for {user_list.user}", numbers=[])
    table.add_column("score", justify="right")
    table.add_column("probability", justify="right")
    for rank, entry in enumerate(user_list.entries, start=1):
        probability = "" if entry.probability is None else f"{entry.probability:.3f}"
        table.add_row(f"{rank:>2}  {entry.title}", f"{entry.score:.3f}", probability)
    return table


def _table(first: str, *, numbers: Iterable[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text(first))
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _add_counts(table: Table, name: str, counts: Mapping[str, int]) -> None:
    """One row a cause; a plain zero where there was none."""
    for cause, count in counts.items():
        table.add_row(Text(f"{name}: {cause}"), f"{count:,}")
    if not counts:
        table.add_row(name, "0")


def _ending(output: Path, notes: Iterable[str]) -> Iterable[Text]:
    yield from (Text(note) for note in notes)
    yield Text(f"Wrote {output}", no_wrap=True, overflow="ignore")


def _ks(ranker: RankerReport) -> list[int]:
    return sorted(int(name.removeprefix("NDCG@")) for name in ranker.metrics if name.startswith("NDCG@"))


def _mean(metric: Metric | None) -> str:
    return "" if metric is None else f"{metric.mean:.4f}"


def _interval(metric: Metric | None) -> str:
    return "" if metric is None else f"{metric.low:.4f} {metric.high:.4f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
