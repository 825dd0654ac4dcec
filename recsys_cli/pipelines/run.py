"""The night: each stage skipped, resumed or run in a process of its own, judged, and written down."""

import logging
from collections.abc import Sequence
from typing import Final

from recsys_cli.artifacts.atomic import system_errors
from recsys_cli.artifacts.lock import LOCK, held_lock
from recsys_cli.pipelines.pipeline import Pipeline, Stage
from recsys_cli.pipelines.plan import plan
from recsys_cli.pipelines.process import OnLine
from recsys_cli.pipelines.results import PlannedStage, PlanResult, RunResult, StageRow, Stopped
from recsys_cli.pipelines.run_log import RunLog
from recsys_cli.pipelines.stage_runner import StageRunner, arguments_of
from recsys_cli.pipelines.turn import Turn

LOGGER: Final = logging.getLogger("recsys")


def dry_run(pipeline: Pipeline, stages: Sequence[Stage]) -> PlanResult:
    """What `run` would do with these stages. Changes nothing. Raises ArtifactError."""
    return PlanResult(
        pipeline=pipeline.path,
        stages=[
            PlannedStage(
                stage=step.stage.name,
                action=step.action,
                reason=step.reason,
                command=["recsys", *arguments_of(pipeline, step)],
            )
            for step in plan(pipeline, stages)
        ],
    )


def run(
    pipeline: Pipeline, stages: Sequence[Stage], *, on_line: OnLine | None, wait: float = 0.0
) -> RunResult:
    """Give each stage its turn; stop at the first that does not end well, and pass its exit code on.

    `on_line` gets what the stages write to stderr, and so does the day's log; with None they write to
    this process's own. Raises LockedError where another run of this pipeline still goes on after `wait`
    seconds, and SystemRefusedError.
    """
    log = RunLog(pipeline.run_folder, keep=pipeline.keep_logs)
    with system_errors(pipeline.run_folder):
        pipeline.run_folder.mkdir(parents=True, exist_ok=True)
        with held_lock(pipeline.run_folder / LOCK, output=pipeline.path, wait=wait) as left:
            log.open()
            if left is not None:
                LOGGER.warning("an earlier run of %s did not end (%s)", pipeline.path, left)
            return _chain(pipeline, stages, log, on_line)


def _chain(pipeline: Pipeline, stages: Sequence[Stage], log: RunLog, on_line: OnLine | None) -> RunResult:
    rows: list[StageRow] = []
    stopped: Stopped | None = None
    for stage in stages:
        row, stopped = Turn(StageRunner(pipeline, stage, log, on_line)).take()
        rows.append(row)
        if stopped:
            break
    return RunResult(
        pipeline=pipeline.path,
        log=log.rows,
        stages=rows,
        exit_code=rows[-1].exit_code if rows else 0,
        stopped=stopped,
    )
