"""Any artifact to a summary of what it holds, after all that must hold was verified."""

from pathlib import Path

from pydantic import ValidationError

from recsys_cli.artifacts.documents import read_bounded
from recsys_cli.artifacts.manifest import MANIFEST, Artifact, open_artifact, sha256_of_file
from recsys_cli.errors import ArtifactError
from recsys_cli.scoring.check import check_table
from recsys_cli.sequences.check import check_dataset
from recsys_cli.sequences.store import open_dataset
from recsys_cli.stages.results import CheckResult, EvaluateResult, Metric

_HINT = (
    "Give a dataset, a model, an unfinished run (MODEL.partial), a .parquet of recommendations or a report."
)


def check(path: Path) -> CheckResult:
    """Verify the artifact at `path` in full; it is read and never changed.

    Raises ArtifactError, naming the file and what is wrong, at the first thing that does not hold.
    """
    if not path.exists():
        raise ArtifactError(f"{path} does not exist.", hint=_HINT)
    if path.is_dir():
        return _check_artifact(path) if (path / MANIFEST).exists() else _check_run(path)
    if path.suffix.lower() == ".parquet":
        return _check_table(path)
    if path.suffix.lower() == ".json":
        return _check_report(path)
    raise ArtifactError(f"{path} is nothing that recsys can check.", hint=_HINT)


def _check_artifact(path: Path) -> CheckResult:
    artifact = open_artifact(path)
    if artifact.manifest.kind == "dataset":
        check_dataset(open_dataset(path))
    else:
        from recsys_cli.models.check import check_model  # noqa: PLC0415  (imports jax)
        from recsys_cli.models.store import open_model  # noqa: PLC0415

        check_model(open_model(path))
    return _summary(artifact)


def _summary(artifact: Artifact) -> CheckResult:
    manifest = artifact.manifest
    return CheckResult(
        path=artifact.path,
        kind=manifest.kind,
        fingerprint=artifact.fingerprint,
        files=len(manifest.files),
        bytes=sum(entry.bytes for entry in manifest.files.values()),
        counts=dict(manifest.counts),
        made_from=dict(manifest.inputs),
    )


def _check_run(path: Path) -> CheckResult:
    from recsys_cli.training.check import check_run  # noqa: PLC0415  (imports jax)

    found = check_run(path)
    files = [file for file in path.rglob("*") if file.is_file()]
    return CheckResult(
        path=path,
        kind="run",
        fingerprint=None,
        files=len(files),
        bytes=sum(file.stat().st_size for file in files),
        counts={
            "checkpoints": len(found.checkpoints),
            "last_checkpoint": max(found.checkpoints, default=0),
            "unfinished_checkpoints": found.being_written,
        },
        made_from={},
    )


def _check_table(path: Path) -> CheckResult:
    held = check_table(path)
    return CheckResult(
        path=path,
        kind="recommendations",
        fingerprint=sha256_of_file(path),
        files=1,
        bytes=path.stat().st_size,
        counts={"users": held.users, "rows": held.rows, **held.by_source},
        made_from={name: held.made_by[name] for name in ("model", "dataset")},
    )


def _check_report(path: Path) -> CheckResult:
    hint = "Make the report again with `recsys evaluate`."
    raw = read_bounded(path, hint=hint)
    try:
        report = EvaluateResult.model_validate_json(raw)
    except (ValidationError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged, or no report of `recsys evaluate`.", hint=hint) from error
    for ranker in report.rankers:
        for name, metric in ranker.metrics.items():
            if not _in_order(metric):
                raise ArtifactError(f"{path}: {name} of {ranker.name} is not within its bounds.", hint=hint)
    return CheckResult(
        path=path,
        kind="report",
        fingerprint=sha256_of_file(path),
        files=1,
        bytes=len(raw),
        counts={"users": report.users, "targets": report.targets, "rankers": len(report.rankers)},
        made_from={},
    )


def _in_order(metric: Metric) -> bool:
    """A share between 0 and 1, inside its interval. Means may be an ulp beyond its ends."""
    return -1e-9 <= metric.low <= metric.mean + 1e-9 and metric.mean - 1e-9 <= metric.high <= 1 + 1e-9
