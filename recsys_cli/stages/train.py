"""A dataset to a model: train, choose by validation, calibrate, and write the artifact."""

import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from recsys_cli import __version__
from recsys_cli.artifacts.manifest import Artifact, refuse_unfit, writing_artifact
from recsys_cli.config.settings import TrainSettings
from recsys_cli.models.parameters import with_params
from recsys_cli.models.recommender import Recommender
from recsys_cli.models.store import ModelDetails, StoredModel, open_model, write_model_files
from recsys_cli.sequences.store import Dataset, open_dataset
from recsys_cli.stages.results import TrainResult
from recsys_cli.training.fusion import Fusion, fit_fusion
from recsys_cli.training.loop import Progress, Run, train_run
from recsys_cli.training.observer import TrainObserver
from recsys_cli.training.prepare import make_run
from recsys_cli.training.run_folder import run_folder


def train(
    dataset: Path,
    output: Path,
    *,
    settings: TrainSettings | None = None,
    overwrite: bool = False,
    wait: float = 0.0,
    resume: bool = False,
    refit: Path | None = None,
    observer: TrainObserver | None = None,
) -> TrainResult:
    """Train a model on the dataset at `dataset` and write it to the directory `output`.

    With `refit`, the settings, the number of steps, the head's weight and the calibration are that
    model's, and every event is trained on: the model for production. `resume` goes on from the last
    checkpoint of a run that did not end. Another run on the same output is waited for, at most `wait`
    seconds. Raises UsageError, DataError, ArtifactError,
    DivergedError, LockedError, SystemRefusedError.
    """
    started = time.monotonic()
    refuse_unfit(output, "model", overwrite=overwrite)
    source = open_dataset(dataset)
    earlier = None if refit is None else open_model(refit)
    settings = earlier.settings if earlier else settings or TrainSettings()
    inputs = {"dataset": source.fingerprint} | ({"refit": earlier.artifact.fingerprint} if earlier else {})
    identity = {"version": __version__, "inputs": inputs, "settings": settings.model_dump(mode="json")}
    precision = jax.default_matmul_precision(settings.matmul_precision)
    with precision, run_folder(output, identity, resume=resume, wait=wait) as folder:
        refuse_unfit(output, "model", overwrite=overwrite)  # the run that was waited for may have made it
        run = make_run(source, settings, earlier=earlier)
        model, progress, total_steps = train_run(run, folder, resume=resume, observer=observer)
        fusion = _fusion(run, with_params(model, progress.best), earlier)
        details = _details(run, source, progress, fusion, total_steps)
        with writing_artifact(output, "model", overwrite=overwrite) as writer:
            write_model_files(writer, progress.best, source, [vars(line) for line in progress.history])
            artifact = writer.commit(
                configuration=settings.model_dump(mode="json"),
                inputs=inputs,
                counts={
                    "items": source.num_items,
                    "parameters": details.parameters,
                    "epochs": progress.epoch,
                },
                details=details.model_dump(mode="json"),
                run={"seconds": time.monotonic() - started, "jax": jax.__version__},
            )
    return _result(output, artifact, progress, details, refitted=earlier is not None)


def _fusion(run: Run, model: Recommender, earlier: StoredModel | None) -> Fusion:
    """Fitted on validation; taken from the earlier model when refitting; unknown without either."""
    if earlier is not None:
        return Fusion(earlier.details.head_weight, earlier.details.calibration, earlier.details.validation)
    if run.validator is None:
        return Fusion(1.0 if model.head is not None else None, None, {})
    return fit_fusion(model, run.validator, candidates=run.settings.candidates, seed=run.settings.seed)


def _details(run: Run, source: Dataset, progress: Progress, fusion: Fusion, total_steps: int) -> ModelDetails:
    return ModelDetails(
        fields=source.details["fields"],
        rating_edges=run.spec.rating_edges,
        rating_levels=run.spec.rating_levels,
        loss="full-softmax" if run.full_softmax else "sampled-softmax",
        head_weight=fusion.head_weight,
        calibration=fusion.calibration,
        best_epoch=progress.best_epoch,
        steps=progress.best_step,
        total_steps=total_steps,
        validation=fusion.figures,
        parameters=sum(int(np.size(leaf)) for leaf in jax.tree.leaves(progress.best)),
    )


def _result(
    output: Path, artifact: Artifact, progress: Progress, details: ModelDetails, *, refitted: bool
) -> TrainResult:
    return TrainResult(
        output=output,
        fingerprint=artifact.fingerprint,
        epochs=progress.epoch,
        best_epoch=details.best_epoch,
        validation_ndcg_at_10=None if refitted else details.validation.get("ndcg_at_10"),
        parameters=details.parameters,
        loss=details.loss,
        head_weight=details.head_weight,
        notes=_notes(details, refitted=refitted),
    )


def _notes(details: ModelDetails, *, refitted: bool) -> list[str]:
    if refitted:
        return ["Trained on all events; the head's weight and the calibration are the earlier model's."]
    if not details.validation:
        return ["Nothing was chosen by validation, since the dataset has no validation part."]
    judged: dict[str, Any] = details.validation["calibration"]
    if "reason" in judged:
        return [f"No probabilities: {judged['reason']}."]
    low, high = judged["brier_skill_interval"]
    return [
        f"Probabilities on unseen validation users: Brier skill {judged['brier_skill']:.4f} "
        f"[{low:.4f}, {high:.4f}] over the constant rate."
    ]
