"""What a stage's output was made from: `NAME.json` in the pipeline's run folder."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from recsys_cli import __version__
from recsys_cli.artifacts.atomic import atomic_file
from recsys_cli.errors import ArtifactError
from recsys_cli.pipelines.fingerprints import fingerprints
from recsys_cli.pipelines.pipeline import Pipeline, Stage


class Origin(BaseModel):
    """All that decides what a stage makes: equal origins, equal outputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str  # of recsys
    configuration: dict[str, Any]
    inputs: dict[str, str]  # input, as the file has it -> SHA-256; "" for one that is not there


class Output(BaseModel):
    """An output as it was when its stage had ended well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str  # relative to the TOML file's folder
    fingerprint: str  # SHA-256
    origin: Origin
    ended: str  # ISO 8601, UTC


class Record(BaseModel):
    """The last output that a stage made, and the attempt after it that has not ended well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Output | None = None
    begun: Origin | None = None


def origin(stage: Stage) -> Origin:
    """What the stage would make its output from now. Reads every input."""
    return Origin(
        version=__version__,
        configuration=stage.configuration,
        inputs=fingerprints(stage.folder, stage.inputs),
    )


def record_path(pipeline: Pipeline, stage: Stage) -> Path:
    """Where the stage's record is, or will be."""
    return pipeline.run_folder / f"{stage.name}.json"


def read_record(pipeline: Pipeline, stage: Stage) -> Record:
    """An empty one where the stage never ran. Raises ArtifactError for a damaged one."""
    path = record_path(pipeline, stage)
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Record()
    except ValidationError as error:
        raise ArtifactError(f"{path} is damaged.", hint="Remove it: the stage then runs again.") from error


def write_record(pipeline: Pipeline, stage: Stage, record: Record) -> None:
    """Replace the stage's record, in one step."""
    with atomic_file(record_path(pipeline, stage), overwrite=True) as scratch:
        scratch.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
