"""A pipeline in a folder, and stand-ins for its processes: cheap artifacts that depend on what was read."""

import json
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recsys_cli.artifacts.manifest import open_artifact, writing_artifact
from recsys_cli.cli.declared import declared_commands
from recsys_cli.pipelines.commands import Command
from recsys_cli.pipelines.fingerprints import fingerprint
from recsys_cli.pipelines.pipeline import Pipeline, load_pipeline
from recsys_cli.pipelines.process import Ended
from recsys_cli.pipelines.results import RunResult, StageRow
from recsys_cli.pipelines.run import run
from tests.conftest import write_dataset

NIGHT = """
[stages.preprocess]
interactions = "events.json"
output = "data"

[stages.train]
dataset = "data"
output = "model"
epochs = 3

[stages.score]
model = "model"
dataset = "data"
output = "recommendations.jsonl"

[stages.evaluate]
model = "model"
dataset = "data"
output = "metrics.json"
"""
EVENTS = {"ann": ["a", "b", "c"], "bob": ["b", "d"], "cid": ["c", "a", "e", "d"]}


@pytest.fixture(scope="session")
def commands() -> dict[str, Command]:
    return declared_commands()


@dataclass
class Processes:
    """Stands for `run_process`: `events.json` (user -> items) takes the place of a table."""

    folder: Path
    calls: list[list[str]] = field(default_factory=list)
    fails: dict[str, Ended] = field(default_factory=dict)  # command -> how it ends
    better_by: float = 0.01  # than popular: the interval's lower end
    during: Callable[[], None] = lambda: None  # happens while a stage runs

    def __call__(self, arguments, *, folder, timeout, on_line) -> Ended:
        self.calls.append(list(arguments))
        self.during()
        command, given = arguments[0], self._given(arguments)
        if on_line is not None:
            on_line(f"{command} says a line\n")
        if command in self.fails:
            return self.fails[command]
        result = getattr(self, command)(given)
        return Ended(0, timed_out=False, stdout=json.dumps(result).encode(), last_lines=())

    @property
    def commands(self) -> list[str]:
        return [call[0] for call in self.calls]

    def _given(self, arguments: list[str]) -> dict[str, str]:
        options = dict(each.removeprefix("--").partition("=")[::2] for each in arguments[1:-2])
        return {**options, "argument": arguments[-1]}

    def _fingerprint(self, name: str) -> str:
        return fingerprint(self.folder, name)

    def preprocess(self, given: dict[str, str]) -> dict[str, Any]:
        events = json.loads((self.folder / given["argument"]).read_text())
        rejected = events.pop("rejected", 0)
        scratch = write_dataset(self.folder / "scratch", events)
        made = open_artifact(scratch, "dataset")
        counts = {**made.manifest.counts, "rows": made.manifest.counts["events"] + rejected}
        details = {**made.manifest.details, "summary": {"rejected": {"no item": rejected}}}
        with writing_artifact(self.folder / given["output"], "dataset", overwrite=True) as writer:
            for name in made.manifest.files:
                shutil.copy(made.file(name), writer.file(name))
            writer.commit(configuration={}, inputs={}, counts=counts, details=details, run={})
        shutil.rmtree(scratch)
        return {
            "output": given["output"],
            "rows": counts["rows"],
            "rejected": {"no item": rejected},
            "notes": [],
        }

    def train(self, given: dict[str, str]) -> dict[str, Any]:
        settings = tomllib.loads((self.folder / given["config"]).read_text()) if "config" in given else {}
        with writing_artifact(self.folder / given["output"], "model", overwrite=True) as writer:
            writer.file("weights").write_text(self._fingerprint(given["argument"]))
            writer.commit(
                configuration={"epochs": settings.get("epochs")},
                inputs={"dataset": self._fingerprint(given["argument"])},
                counts={}, details={}, run={},
            )  # fmt: skip
        return {"output": given["output"], "epochs": settings.get("epochs"), "validation_ndcg_at_10": 0.25}

    def score(self, given: dict[str, str]) -> dict[str, Any]:
        output = given["output"].replace("{date}", "2026-11-24")
        made_of = [self._fingerprint(given["argument"]), self._fingerprint(given["dataset"])]
        (self.folder / output).write_text(json.dumps(made_of))
        return {"output": output, "users": 3, "by_source": {"model": 3}}

    def evaluate(self, given: dict[str, str]) -> dict[str, Any]:
        report = {
            "users": 2,
            "rankers": [{"metrics": {"NDCG@10": {"mean": 0.5, "low": 0.4, "high": 0.6}}}],
            "differences": [
                {"baseline": "recently popular", "metric": "NDCG@10", "mean": -1, "low": -1, "high": -1},
                {"baseline": "most popular", "metric": "HR@10", "mean": -1, "low": -1, "high": -1},
                {
                    "baseline": "most popular",
                    "metric": "NDCG@10",
                    "mean": 1,
                    "low": self.better_by,
                    "high": 1,
                },
            ],
        }
        if "output" in given:
            (self.folder / given["output"]).write_text(json.dumps(report))
        return report


@dataclass
class Night:
    """A folder with a pipeline that can be run, in this process."""

    folder: Path
    commands: dict[str, Command]
    processes: Processes

    def write(self, toml: str) -> None:
        (self.folder / "night.toml").write_text(toml)

    def events(self, **events: Any) -> None:
        (self.folder / "events.json").write_text(json.dumps(events))

    def load(self) -> Pipeline:
        return load_pipeline(self.folder / "night.toml", self.commands)

    def run(self, *only: str, first: str | None = None) -> RunResult:
        pipeline = self.load()
        return run(pipeline, pipeline.chosen(only=only, first=first), on_line=lambda line: None)

    def outcomes(self, *only: str) -> dict[str, str]:
        return {row.stage: row.outcome for row in self.run(*only).stages}

    def rows(self) -> list[StageRow]:
        """All lines of the run log, of all days."""
        files = sorted((self.folder / "night.run" / "log").glob("*.jsonl"))
        return [
            StageRow.model_validate_json(line) for file in files for line in file.read_text().splitlines()
        ]

    def bytes(self, *names: str) -> dict[str, bytes]:
        """Every file of these outputs."""
        paths = [self.folder / name for name in names]
        files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
        return {str(file.relative_to(self.folder)): file.read_bytes() for file in files if file.is_file()}


@pytest.fixture
def night(tmp_path: Path, commands: dict[str, Command], monkeypatch: pytest.MonkeyPatch) -> Night:
    """Four stages that nobody has run yet."""
    processes = Processes(tmp_path)
    monkeypatch.setattr("recsys_cli.pipelines.stage_runner.run_process", processes)
    night = Night(tmp_path, commands, processes)
    night.write(NIGHT)
    night.events(**EVENTS)
    return night
