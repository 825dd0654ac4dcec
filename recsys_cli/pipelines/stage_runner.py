"""A stage's commands as processes: what it makes, and the evaluation that a new model is judged by."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from recsys_cli.artifacts.atomic import atomic_file
from recsys_cli.config.settings import EvaluateSettings, Settings
from recsys_cli.errors import RecsysError
from recsys_cli.pipelines.commands import settings_file
from recsys_cli.pipelines.pipeline import Pipeline, Stage
from recsys_cli.pipelines.plan import Step, made_at
from recsys_cli.pipelines.process import Ended, OnLine, run_process
from recsys_cli.pipelines.results import Outcome
from recsys_cli.pipelines.run_log import RunLog

LOGGER: Final = logging.getLogger("recsys")
K: Final = 10  # of the metric that models are judged by


class EndedBadlyError(RecsysError):
    """A stage's process did not end well, or what it made did not meet its expectations."""

    def __init__(self, message: str, *, hint: str, outcome: Outcome, code: int) -> None:
        super().__init__(message, hint=hint)
        self.outcome: Outcome = outcome
        self.code = code  # as a shell has it; not only ours


@dataclass(frozen=True)
class StageRunner:
    """Runs commands for one stage, in the pipeline's folder."""

    pipeline: Pipeline
    stage: Stage
    log: RunLog
    on_line: OnLine | None  # gets what is written to stderr; None: that is this process's

    def make(self, step: Step) -> dict[str, Any]:
        """Run the stage's command; its result. Raises EndedBadlyError."""
        path = _settings_path(self.pipeline, self.stage)
        return self._run(arguments_of(self.pipeline, step), self.stage.settings, path)

    def evaluate(self, model: Path) -> dict[str, Any]:
        """Measure a model that the stage made on the validation part of its dataset, beside baselines."""
        stage = self.stage
        shared = {key: stage.given[key] for key in ("dataset", "device", "threads") if key in stage.given}
        options = [f"--{key}={value}" for key, value in shared.items()]
        path = _settings_path(self.pipeline, stage, ".evaluate")
        trained: Any = stage.settings
        return self._run(
            ["evaluate", *options, *_fixed(self.pipeline, path), "--", str(model)],
            EvaluateSettings(ks=(K,), candidates=max(K, trained.candidates)),
            path,
        )

    def say(self, sentence: str) -> None:
        """Tell a person, and the day's log."""
        LOGGER.info(sentence)
        self.log.say(f"{datetime.now(UTC):%FT%TZ} {sentence}\n")

    def _run(self, arguments: Sequence[str], settings: Settings, path: Path) -> dict[str, Any]:
        """One process of recsys, with its settings in a file; its result."""
        with atomic_file(path, overwrite=True) as scratch:
            scratch.write_text(settings_file(settings.model_dump(mode="json")), encoding="utf-8")
        on_line = None if self.on_line is None else self._heard
        ended = run_process(arguments, folder=self.stage.folder, timeout=self.stage.timeout, on_line=on_line)
        if ended.code:
            raise self._ended_badly(ended)
        return json.loads(ended.stdout)

    def _heard(self, line: str) -> None:
        self.log.say(line)
        if self.on_line is not None:
            self.on_line(line)

    def _ended_badly(self, ended: Ended) -> EndedBadlyError:
        if ended.timed_out:
            message = f"it was ended after {self.stage.timeout:g} seconds"
            hint = "Give it a longer timeout; training goes on from its last checkpoint."
        else:
            message = _last(ended, "error: ") or f"it ended with exit code {ended.code}"
            hint = _last(ended, "hint: ") or f"See {self.log.lines}."
        outcome: Outcome = "timed out" if ended.timed_out else "failed"
        return EndedBadlyError(message.rstrip("."), hint=hint, outcome=outcome, code=ended.code)


def arguments_of(pipeline: Pipeline, step: Step) -> list[str]:
    """The arguments of the command that carries out a step."""
    stage = step.stage
    given = {key: value for key, value in stage.given.items() if key != "config"}
    extra = ["--overwrite", *(["--resume"] if step.action == "resume" else [])]
    fixed = _fixed(pipeline, _settings_path(pipeline, stage)) if stage.has_settings else ["--json"]
    return stage.command.arguments({**given, "output": str(made_at(stage))}, [*fixed, *extra])


def _fixed(pipeline: Pipeline, settings: Path) -> list[str]:
    return [f"--config={settings.relative_to(pipeline.folder)}", "--json"]


def _settings_path(pipeline: Pipeline, stage: Stage, suffix: str = "") -> Path:
    return pipeline.run_folder / f"{stage.name}{suffix}.toml"


def _last(ended: Ended, beginning: str) -> str | None:
    """The rest of the last line of stderr with this beginning."""
    rests = [line.removeprefix(beginning).strip() for line in ended.last_lines if line.startswith(beginning)]
    return rests[-1] if rests else None
