"""Run a command in this process, with a stand-in for its stage: what the terminal does, and nothing else."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recsys_cli.cli.main import main
from recsys_cli.stages.results import (
    Difference,
    EvaluateResult,
    Metric,
    PreprocessResult,
    RankerReport,
    ScoreResult,
    TrainResult,
)


@dataclass
class Outcome:
    """What a shell sees of a finished command."""

    code: int
    stdout: str
    stderr: str


@dataclass
class Stage:
    """A stage that writes down how it was called, and returns or raises what the test wants."""

    result: Any
    error: BaseException | None = None
    arguments: list[Any] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.arguments, self.options = list(arguments), options
        if self.error is not None:
            raise self.error
        return self.result

    @property
    def settings(self) -> Any:
        return self.options["settings"]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    def run(*arguments: str) -> Outcome:
        code = main(list(arguments))
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


def no_device(device: str | None, threads: int | None) -> None:
    """Leave jax alone."""


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> dict[str, Stage]:
    """Stand-ins for the four stages, by name; jax is not started."""
    results = {
        "preprocess": preprocess_result(),
        "train": train_result(),
        "score": score_result(),
        "evaluate": evaluate_result(),
    }
    stages = {name: Stage(result) for name, result in results.items()}
    for name, stage in stages.items():
        module = ModuleType(f"recsys_cli.stages.{name}")
        setattr(module, name, stage)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("recsys_cli.cli.device.prepare_device", no_device)
    return stages


def preprocess_result() -> PreprocessResult:
    return PreprocessResult(
        output=Path("data"),
        fingerprint="ab" * 32,
        rows=1_234_567,
        used=1_234_550,
        dropped={"min-user-events": 12},
        rejected={"timestamp is not a number": 5},
        users=4_321,
        items=765,
        attributes=43,
        not_positive=21,
        split="leave-one-out",
        recognised={"user": "userId", "timestamps": "Unix seconds"},
        notes=["3 items of the items table have no event."],
    )


def train_result() -> TrainResult:
    return TrainResult(
        output=Path("model"),
        fingerprint="cd" * 32,
        epochs=7,
        best_epoch=5,
        validation_ndcg_at_10=0.0712,
        parameters=123_456,
        loss="full-softmax",
        head_weight=0.25,
        notes=[],
    )


def score_result() -> ScoreResult:
    return ScoreResult(
        output=Path("recommendations.parquet"),
        users=4,
        rows=12,
        by_source={"model": 3, "popular": 1},
        unknown_users=0,
        unknown_items=2,
        removed=[Path("recommendations-2026-11-01.parquet")],
        notes=[],
    )


def evaluate_result() -> EvaluateResult:
    rankers = ["model", "most popular", "recently popular", "last-item Markov", "co-occurrence"]
    return EvaluateResult(
        split="test",
        users=1_000,
        users_without_history=3,
        targets=1_000,
        unreachable_targets=2,
        catalogue=500,
        rankers=[ranker_report(name) for name in rankers],
        differences=[
            Difference(baseline=name, metric="NDCG@10", mean=0.0123, low=0.0011, high=0.0234)
            for name in rankers[1:]
        ],
        test_uses=2,
        notes=[],
    )


def ranker_report(name: str) -> RankerReport:
    measures = ("HR", "recall", "precision", "F1", "NDCG", "MRR", "MAP")
    metric = Metric(mean=0.1234, low=0.1111, high=0.1357)
    return RankerReport(
        name=name,
        metrics={f"{measure}@{k}": metric for measure in measures for k in (5, 10, 20)},
        coverage={f"coverage@{k}": 0.987 for k in (5, 10, 20)},
        tied_targets=0.0123,
        expected={f"NDCG@{k}": 0.1234 for k in (5, 10, 20)},
    )
