"""What a run, a dry run and a status hand back: plain, frozen values, printed as a table or JSON."""

from pathlib import Path
from typing import Any, Literal

from recsys_cli.stages.results import Result

Outcome = Literal["ran", "skipped", "resumed", "failed", "timed out", "gate", "interrupted"]


class Judgement(Result):
    """One expectation and what was found."""

    expectation: str  # a key of [expectations]
    limit: float
    found: float | None  # None: there is nothing to compare with, as in the first night
    met: bool


class StageRow(Result):
    """One stage of one run: a line of the run log."""

    stage: str
    command: str
    started: str  # ISO 8601, UTC
    ended: str
    seconds: float  # by a clock that never jumps
    outcome: Outcome
    reason: str  # why it was run, skipped or resumed; of one that failed, what it said
    exit_code: int
    version: str  # of recsys
    inputs: dict[str, str]  # input -> SHA-256
    output: str
    fingerprint: str | None  # of the output, SHA-256; None where the stage did not end well
    counts: dict[str, Any]  # from the stage's own result
    judgements: list[Judgement]


class Stopped(Result):
    """Why the chain went no further than its last row."""

    sentence: str
    hint: str


class RunResult(Result):
    """What became of each stage whose turn came."""

    pipeline: Path
    log: Path
    stages: list[StageRow]
    exit_code: int  # that of the last of them
    stopped: Stopped | None


class PlannedStage(Result):
    """What a run would do with one stage."""

    stage: str
    action: str  # "skip", "run", "resume", "judge"
    reason: str
    command: list[str]


class PlanResult(Result):
    """What a run would do."""

    pipeline: Path
    stages: list[PlannedStage]


State = Literal["current", "stale", "unknown", "absent", "damaged"]


class ArtifactStatus(Result):
    """One output: when it was made, from what, and whether it would be made otherwise now."""

    path: str
    kind: str  # "dataset", "model", "recommendations", "report"
    stage: str | None  # of the pipeline that makes it
    made: str | None  # when it was last written, ISO 8601, UTC; None: it is not there
    version: str | None  # of recsys
    made_from: dict[str, str]  # input -> SHA-256 that it had then
    state: State
    reason: str


class Unfinished(Result):
    """What a run left that did not end, or works with now."""

    path: str
    what: str
    changed: str  # when anything in it last changed, ISO 8601, UTC


class StatusResult(Result):
    """The artifacts of a folder or of a pipeline."""

    folder: Path
    artifacts: list[ArtifactStatus]
    unfinished: list[Unfinished]
