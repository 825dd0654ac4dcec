"""A model or a table of recommendations to how good it is, beside baselines, on the same users."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pandas as pd

from recsys_cli.config.settings import EvaluateSettings
from recsys_cli.errors import ArtifactError, DataError, LockedError, SystemRefusedError, UsageError
from recsys_cli.evaluation.baselines import fit_baselines, known_before
from recsys_cli.evaluation.judged import Judged, judged_users
from recsys_cli.evaluation.ledger import count_test_use
from recsys_cli.evaluation.recommendations import read_recommendations
from recsys_cli.sequences.store import Dataset, open_dataset
from recsys_cli.stages.measured import Measured, Measurement, difference
from recsys_cli.stages.placed import Placed, check_table, place_baseline, place_model, place_table
from recsys_cli.stages.results import Difference, EvaluateResult

COMPARED_AT: Final = 10  # the k of the differences, where it is among the ks
COMPARED: Final = ("NDCG", "HR")
_LOG: Final = logging.getLogger("recsys")


def evaluate(
    dataset: Path,
    *,
    model: Path | None = None,
    recommendations: Path | pd.DataFrame | None = None,
    settings: EvaluateSettings | None = None,
) -> EvaluateResult:
    """Measure a model, or a table of recommendations, and the baselines on a part of the split.

    Users count who have a target in the part and an event before it. Baselines are fitted on what
    is known before the part. Opening the test part is counted beside the dataset. Raises UsageError,
    DataError, ArtifactError.
    """
    if (model is None) == (recommendations is None):
        raise UsageError("Nothing to measure, or two things.", hint="Give either a model or recommendations.")
    settings = settings or EvaluateSettings()
    source = open_dataset(dataset)
    judged = _judged(source, settings)
    notes: list[str] = []
    if model is not None:
        with ThreadPoolExecutor(1) as pool:  # beside the model's compilation, which keeps one processor busy
            placing = pool.submit(_place_baselines, source, judged, settings)
            subject, found = place_model(model, source, judged, settings)
        baselines = placing.result()
    else:
        assert recommendations is not None
        subject, settings, found = _place_table(recommendations, source, judged, settings)
        baselines = _place_baselines(source, judged, settings)
    notes += found
    measured = _measurement(source, judged, settings).measure([subject, *baselines])
    test_uses, found = _count_use(source, settings)
    notes += found
    if source.timestamp_kind == "order":
        notes.append("Recently popular is left out: the dataset's timestamps are only an order.")
    return EvaluateResult(
        split=settings.split,
        users=len(judged.users),
        users_without_history=judged.without_history,
        targets=len(judged.targets.values),
        unreachable_targets=int(judged.unreachable.sum()),
        catalogue=source.num_items,
        rankers=[each.report for each in measured],
        differences=_differences(measured, settings.ks),
        test_uses=test_uses,
        notes=notes,
    )


def _judged(source: Dataset, settings: EvaluateSettings) -> Judged:
    source.require_part(settings.split)
    judged = judged_users(source.sequences, settings.split, include_seen=settings.include_seen)
    if not len(judged.users):
        raise DataError(
            f"{source.path}: no user has a positive event in the {settings.split} part and one before it.",
            hint="Make the dataset with another split, or from more events.",
        )
    return judged


def _place_table(
    table: Path | pd.DataFrame, source: Dataset, judged: Judged, settings: EvaluateSettings
) -> tuple[Placed, EvaluateSettings, list[str]]:
    """Where the table places the targets; the settings with the ks that it is long enough for."""
    read = read_recommendations(table, source)
    notes = check_table(read, source, settings)
    ks = tuple(k for k in settings.ks if k <= read.top_k)
    if ks != settings.ks:
        left_out = ", ".join(str(k) for k in settings.ks if k > read.top_k)
        notes.append(f"Nothing is said at k = {left_out}: {read.name} has {read.top_k} items a user.")
        settings = settings.model_copy(update={"ks": ks or (read.top_k,)})
    placed, found = place_table(read, judged, max(settings.ks), include_seen=settings.include_seen)
    return placed, settings, notes + found


def _place_baselines(source: Dataset, judged: Judged, settings: EvaluateSettings) -> list[Placed]:
    known = known_before(source, settings.split)
    placed: list[Placed] = []
    for baseline in fit_baselines(source, known, popular_days=settings.popular_days):
        _LOG.info("Measuring %s.", baseline.name)
        placed.append(place_baseline(baseline, known, judged, max(settings.ks)))
    return placed


def _measurement(source: Dataset, judged: Judged, settings: EvaluateSettings) -> Measurement:
    return Measurement(
        offsets=judged.targets.offsets,
        ks=settings.ks,
        catalogue=source.num_items,
        samples=settings.bootstrap_samples,
        seed=settings.seed,
    )


def _differences(measured: list[Measured], ks: Sequence[int]) -> list[Difference]:
    k = COMPARED_AT if COMPARED_AT in ks else max(ks)
    subject, *baselines = measured
    return [difference(subject, each, f"{name}@{k}") for each in baselines for name in COMPARED]


def _count_use(source: Dataset, settings: EvaluateSettings) -> tuple[int | None, list[str]]:
    """How often the test part was opened, this time included; None where that is not counted."""
    if settings.split != "test":
        return None, []
    try:
        return count_test_use(source), []
    except (ArtifactError, LockedError, SystemRefusedError) as error:
        return None, [f"This use of the test part was not counted. {error.message}"]
