"""A folder, or a pipeline -> when each artifact was made, from what, and whether it is stale.

A pipeline's records say what its outputs were made from. Of other artifacts their manifests and
tables say so themselves, in fingerprints, which are looked for among what lies in the folder.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from recsys_cli.pipelines.commands import Command
from recsys_cli.pipelines.found import Found, unfinished, written
from recsys_cli.pipelines.pipeline import RUN_SUFFIX, Pipeline, Stage, load_pipeline
from recsys_cli.pipelines.plan import change, current_output
from recsys_cli.pipelines.records import origin, read_record
from recsys_cli.pipelines.results import ArtifactStatus, State, StatusResult

MAKES: Final = {
    "preprocess": "dataset",
    "train": "model",
    "score": "recommendations",
    "evaluate": "report",
}  # command -> kind


def status(path: Path, commands: Mapping[str, Command]) -> StatusResult:
    """The status of a pipeline's file, or of a folder with the pipelines in it that have run.

    Raises UsageError for a pipeline that cannot be read, ArtifactError for a damaged record.
    """
    if not path.is_dir():
        pipeline = load_pipeline(path, commands)
        return StatusResult(
            folder=pipeline.folder,
            artifacts=[_stage_status(pipeline, stage) for stage in pipeline.stages],
            unfinished=unfinished(pipeline.folder),
        )
    pipelines = [load_pipeline(file, commands) for file in sorted(path.glob("*.toml")) if _has_run(file)]
    rows = [_stage_status(pipeline, stage) for pipeline in pipelines for stage in pipeline.stages]
    known = {row.path for row in rows}
    found = [row for row in Found(path).artifacts() if row.path not in known]
    return StatusResult(folder=path, artifacts=[*rows, *found], unfinished=unfinished(path))


def _has_run(file: Path) -> bool:
    return file.with_suffix(RUN_SUFFIX).is_dir()


def _stage_status(pipeline: Pipeline, stage: Stage) -> ArtifactStatus:
    record = read_record(pipeline, stage)
    made = record.output
    output = Path(made.path) if made is not None else current_output(stage)
    there = (stage.folder / output).exists()
    changed = change(stage, record, origin(stage))
    state: State = "absent" if not there else "unknown" if made is None else "stale" if changed else "current"
    return ArtifactStatus(
        path=str(output),
        kind=MAKES[stage.command.name],
        stage=stage.name,
        made=written(stage.folder / output) if there else None,
        version=None if made is None else made.origin.version,
        made_from={} if made is None else made.origin.inputs,
        state=state,
        reason="it was not made by this pipeline" if state == "unknown" else changed or "",
    )
