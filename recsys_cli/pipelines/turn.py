"""One stage's turn: decide, run, judge, adopt, record. Every turn leaves one row in the run log."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from recsys_cli import __version__
from recsys_cli.errors import ExitCode, RecsysError
from recsys_cli.pipelines.candidates import adopt, candidate_path, remove_candidate
from recsys_cli.pipelines.fingerprints import marks
from recsys_cli.pipelines.gates import in_words, judge_dataset, judge_model
from recsys_cli.pipelines.plan import KINDS, Step, decide, made_at, output_fingerprint
from recsys_cli.pipelines.records import Output, Record, write_record
from recsys_cli.pipelines.results import Judgement, Outcome, StageRow, Stopped
from recsys_cli.pipelines.stage_runner import EndedBadlyError, StageRunner

OUTCOMES: Final[dict[str, Outcome]] = {
    "skip": "skipped",
    "run": "ran",
    "resume": "resumed",
    "judge": "resumed",
}


@dataclass
class Turn:
    """What is known of one stage while it has its turn."""

    runner: StageRunner
    step: Step | None = None
    counts: dict[str, Any] = field(default_factory=dict[str, Any])
    judgements: list[Judgement] = field(default_factory=list[Judgement])
    fingerprint: str | None = None

    def take(self) -> tuple[StageRow, Stopped | None]:
        """The stage's row, and why the chain must stop, if it must. What interrupts it is raised on."""
        clock, started = time.monotonic(), _now()

        def written(outcome: Outcome, code: int, reason: str) -> StageRow:
            row = self._row(started, time.monotonic() - clock, outcome, code, reason)
            self.runner.log.add(row)
            return row

        try:
            step = self._carry_out()
        except RecsysError as error:
            outcome, code = _badly(error)
            return written(outcome, code, error.message), self._stopped(error)
        except BaseException as error:
            written(*_broken_off(error), type(error).__name__)
            raise
        return written(OUTCOMES[step.action], ExitCode.DONE, step.reason), None

    def _carry_out(self) -> Step:
        stage = self.runner.stage
        before = marks(stage.folder, stage.inputs)
        step = self.step = decide(self.runner.pipeline, stage)
        self.runner.say(f"{stage.name}: {step.action}: {step.reason}")
        if step.action == "skip":
            self.fingerprint = step.record.output.fingerprint if step.record.output else None
        else:
            output = self._make(step)
            self.fingerprint = output_fingerprint(stage, output)
            self._keep_record(step, output, unchanged=before == marks(stage.folder, stage.inputs))
        if stage.command.name in KINDS:
            remove_candidate(stage.folder / stage.output)  # one that an interrupted run left
        return step

    def _make(self, step: Step) -> Path:
        """Run the stage, judge what it made, put it in its place; returns where that is."""
        stage = self.runner.stage
        output = Path(stage.output)
        if step.action != "judge":
            write_record(self.runner.pipeline, stage, Record(output=step.record.output, begun=step.origin))
            result = self._made(step)
            self.counts = _counts(result)
            output = Path(result["output"]) if stage.command.name == "score" else output
        if stage.judged:
            self._judge()
        if stage.judged or step.action == "judge":  # it may have been judged when it was made, and no more
            candidate = candidate_path(stage.folder / output)
            adopt(candidate, stage.folder / output, KINDS[stage.command.name])
        return output

    def _made(self, step: Step) -> dict[str, Any]:
        try:
            return self.runner.make(step)
        except EndedBadlyError as error:
            if step.action == "resume" and error.code == ExitCode.USAGE:
                # The unfinished run is another one's; this one begins anew the next time.
                self._forget(step)
            raise

    def _judge(self) -> None:
        """Raises EndedBadlyError where an expectation is not met: the old output stays."""
        stage, pipeline = self.runner.stage, self.runner.pipeline
        new = made_at(stage)
        if stage.command.name == "train":
            self.judgements = judge_model(self.runner.evaluate(new))
        else:
            self.judgements = judge_dataset(
                stage.folder / new, stage.folder / stage.output, pipeline.expectations
            )
        missed = [in_words(each) for each in self.judgements if not each.met]
        if missed:
            raise EndedBadlyError(
                f"{stage.output} stays as it was: {'; '.join(missed)}",
                hint=f"Look at {new}; mend the input, or change [expectations] in {pipeline.path}.",
                outcome="gate",
                code=ExitCode.GATE,
            )

    def _keep_record(self, step: Step, output: Path, *, unchanged: bool) -> None:
        stage = self.runner.stage
        if self.fingerprint is None or not unchanged:
            self.runner.say(f"{stage.name}: an input changed while it was read: it runs again the next time")
            self._forget(step)
            return
        made = Output(path=str(output), fingerprint=self.fingerprint, origin=step.origin, ended=_now())
        write_record(self.runner.pipeline, stage, Record(output=made))

    def _forget(self, step: Step) -> None:
        """The attempt that was begun is not gone on with."""
        write_record(self.runner.pipeline, self.runner.stage, Record(output=step.record.output))

    def _stopped(self, error: RecsysError) -> Stopped:
        return Stopped(
            sentence=f"Stage {self.runner.stage.name}: {error.message.rstrip('.')}.", hint=error.hint
        )

    def _row(self, started: str, seconds: float, outcome: Outcome, code: int, reason: str) -> StageRow:
        stage = self.runner.stage
        return StageRow(
            stage=stage.name,
            command=stage.command.name,
            started=started,
            ended=_now(),
            seconds=round(seconds, 3),
            outcome=outcome,
            reason=reason,
            exit_code=code,
            version=__version__,
            inputs=self.step.origin.inputs if self.step else {},
            output=stage.output,
            fingerprint=self.fingerprint,
            counts=self.counts,
            judgements=self.judgements,
        )


def _badly(error: RecsysError) -> tuple[Outcome, int]:
    return (error.outcome, error.code) if isinstance(error, EndedBadlyError) else ("failed", error.exit_code)


def _broken_off(error: BaseException) -> tuple[Outcome, int]:
    """Of what is no error of ours: a signal, or a bug."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", ExitCode.INTERRUPTED
    return ("failed", ExitCode.BUG) if isinstance(error, Exception) else ("interrupted", ExitCode.TERMINATED)


def _counts(result: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a stage's result, by name, and the metrics of the ranker that was measured."""
    counts = {
        name: value
        for name, value in result.items()
        if isinstance(value, int | float) or (isinstance(value, dict) and _all_numbers(value.values()))
    }
    if result.get("rankers"):
        counts["metrics"] = {name: each["mean"] for name, each in result["rankers"][0]["metrics"].items()}
    return counts


def _all_numbers(values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
