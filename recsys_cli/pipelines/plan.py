"""A stage and what is on the disk -> what is to be done, and why. Changes nothing.

The same decision is shown by a dry run for all stages and taken by a run when a stage's turn comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from recsys_cli.artifacts.manifest import Kind, open_artifact, sha256_of_file
from recsys_cli.errors import ArtifactError
from recsys_cli.pipelines.candidates import candidate_path, is_whole
from recsys_cli.pipelines.fingerprints import MISSING
from recsys_cli.pipelines.pipeline import Pipeline, Stage
from recsys_cli.pipelines.records import Origin, Output, Record, origin, read_record
from recsys_cli.scoring.dated_output import dated_path
from recsys_cli.training.run_folder import PARTIAL_SUFFIX

Action = Literal["skip", "run", "resume", "judge"]  # judge: a candidate that was made earlier
KINDS: Final[dict[str, Kind]] = {"preprocess": "dataset", "train": "model"}  # command -> directory artifact


@dataclass(frozen=True)
class Step:
    """One stage, and what is to be done with it."""

    stage: Stage
    action: Action
    reason: str
    record: Record  # as it was
    origin: Origin  # what the output would be made from now


def plan(pipeline: Pipeline, stages: Sequence[Stage]) -> list[Step]:
    """What a run would do with each stage, in order."""
    steps: list[Step] = []
    for stage in stages:
        steps.append(_after(steps, decide(pipeline, stage)))
    return steps


def _after(earlier: Sequence[Step], step: Step) -> Step:
    """A stage whose input is to be made again has its turn, unless that comes out the same."""
    remade = [each.stage for each in earlier if each.action != "skip" and _reads(step.stage, each.stage)]
    if step.action != "skip" or not remade:
        return step
    names = ", ".join(stage.name for stage in remade)
    return replace(step, action="run", reason=f"after {names}, unless that makes the same again")


def _reads(stage: Stage, maker: Stage) -> bool:
    return Path(maker.output) in [Path(given) for given in stage.inputs]


def decide(pipeline: Pipeline, stage: Stage) -> Step:
    """What is to be done with one stage as things are now. Reads every input; raises ArtifactError."""
    record, now = read_record(pipeline, stage), origin(stage)
    changed = change(stage, record, now)
    if changed is None:
        return Step(stage, "skip", "nothing changed since its output was made", record, now)
    action, reason = _interrupted(stage, record, now) or ("run", changed)
    return Step(stage, action, reason, record, now)


def change(stage: Stage, record: Record, now: Origin) -> str | None:
    """Why the current output is not what the stage would make; None: it is."""
    if record.output is None:
        return "it has not run before"
    return _origin_change(record.output.origin, now) or _output_change(stage, record.output)


def _origin_change(then: Origin, now: Origin) -> str | None:
    if then.version != now.version:
        return f"its output was made by recsys {then.version}, and this is {now.version}"
    if then.configuration != now.configuration:
        return "the configuration changed: " + ", ".join(_differences(then.configuration, now.configuration))
    return "; ".join(_input_changes(then.inputs, now.inputs)) or None


def _output_change(stage: Stage, made: Output) -> str | None:
    output = current_output(stage)
    if str(output) != made.path or not (stage.folder / output).exists():
        return f"{output} is not there"
    same = output_fingerprint(stage, output) == made.fingerprint
    return None if same else f"{output} is not what the stage made"


def _differences(then: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    """The keys whose values differ, those of tables as `table.key`."""
    names: list[str] = []
    for key in sorted({*then, *now}):
        before, after = then.get(key), now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            names += _differences(before, after, f"{prefix}{key}.")
        elif before != after:
            names.append((prefix + key).removeprefix("settings."))
    return names


def _input_changes(then: dict[str, str], now: dict[str, str]) -> list[str]:
    changes: list[str] = []
    for given in sorted({*then, *now}):
        if now.get(given) == MISSING:
            changes.append(f"{given} is not there")
        elif then.get(given) != now.get(given):
            changes.append(f"{given} changed")
    return changes


def current_output(stage: Stage) -> Path:
    """Where the stage's output is today, in UTC; relative to the pipeline's folder."""
    if stage.command.name != "score":
        return Path(stage.output)
    return dated_path(Path(stage.output), datetime.now(UTC).date())


def output_fingerprint(stage: Stage, output: Path) -> str | None:
    """SHA-256 of a file, or of the manifest of an artifact; None where it is not there, or not whole."""
    path, kind = stage.folder / output, KINDS.get(stage.command.name)
    if kind is None:
        return sha256_of_file(path) if path.is_file() else None
    try:
        artifact = open_artifact(path, kind)
    except ArtifactError:
        return None
    return artifact.fingerprint if is_whole(artifact) else None


def _interrupted(stage: Stage, record: Record, now: Origin) -> tuple[Action, str] | None:
    """How to go on with an attempt that did not end, if it was to make the same."""
    if record.begun != now:
        return None
    target, candidate = made_at(stage), candidate_path(Path(stage.output))
    if stage.command.name in KINDS and output_fingerprint(stage, candidate) is not None:
        return "judge", f"{candidate} was made from this, and has not met its expectations yet"
    if stage.command.name == "train" and (stage.folder / f"{target}{PARTIAL_SUFFIX}").is_dir():
        return "resume", "it was interrupted"
    return None


def made_at(stage: Stage) -> Path:
    """Where the command is told to write: beside the output, if that is to be judged first."""
    output = Path(stage.output)
    return candidate_path(output) if stage.judged else output
