"""`recsys evaluate`: a model or a table of recommendations -> how good it is."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recsys_cli.cli import console, options
from recsys_cli.errors import UsageError

_Part = Literal["validation", "test"]


def evaluate(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="What `recsys train` made.", show_default=False),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Argument(metavar="[DATASET]", help="What `recsys preprocess` made.", show_default=False),
    ] = None,
    *,
    recommendations: Annotated[
        Path | None,
        typer.Option("--recommendations", metavar="FILE", help="Measure this table instead of a model."),
    ] = None,
    dataset_option: Annotated[
        Path | None,
        typer.Option("--dataset", metavar="DATASET", help="The dataset, with --recommendations."),
    ] = None,
    split: Annotated[
        _Part | None,
        options.setting(
            "--split",
            does="The part to measure on. Uses of test are counted beside the dataset: choose on validation",
            default="validation",
        ),
    ] = None,
    candidates: options.Candidates = None,
    scorer: options.Scorer = None,
    include_seen: options.IncludeSeen = None,
    popular_days: options.PopularDays = None,
    seed: options.Seed = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the JSON object to this file too."),
    ] = None,
    device: options.Device = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    private: options.Private = False,
    wait: options.Wait = 0.0,
    config: options.Config = None,
    quiet: options.Quiet = False,
    as_json: options.Json = None,
) -> None:
    """Measure a model or table beside baselines.

    Write recsys evaluate MODEL DATASET, or recsys evaluate --recommendations FILE --dataset DATASET.
    Everything is measured on the same users.
    """
    from contextlib import nullcontext

    from recsys_cli.artifacts.atomic import held_file
    from recsys_cli.cli import views
    from recsys_cli.cli.device import limit_threads, prepare_device
    from recsys_cli.cli.imports import heavy_imports
    from recsys_cli.cli.memory import MODELS, require_address_space
    from recsys_cli.cli.privacy import writing
    from recsys_cli.config.load import load_settings
    from recsys_cli.config.settings import EvaluateSettings

    console.configure_logging(quiet=quiet)
    measured = _dataset(model, dataset, recommendations, dataset_option)
    settings = load_settings(
        EvaluateSettings,
        config=config,
        options={
            "split": split,
            "candidates": candidates,
            "scorer": scorer,
            "include_seen": include_seen,
            "popular_days": popular_days,
            "seed": seed,
        },
    )
    require_address_space(MODELS)
    held = nullcontext() if output is None else held_file(output, overwrite=overwrite, wait=wait)
    with writing(output, private=private), held as file:  # before the work, not after it
        with heavy_imports():
            if model is not None:
                prepare_device(device, threads)
            elif threads is not None:
                limit_threads(threads)
            from recsys_cli.stages.evaluate import evaluate as run_stage

        result = run_stage(measured, model=model, recommendations=recommendations, settings=settings)
        if file is not None:
            views.write_json(result, file)
    console.print_result(result, as_json=as_json, view=lambda: views.evaluate_view(result))


def _dataset(
    model: Path | None, dataset: Path | None, recommendations: Path | None, option: Path | None
) -> Path:
    """The dataset of whichever of the two forms was used. Raises UsageError when it is neither."""
    given = [each for each in (dataset, option) if each is not None]
    if recommendations is None and model is not None and len(given) == 1:
        return given[0]
    if recommendations is not None and model is None and option is not None:
        return option
    raise UsageError(
        "evaluate needs a model and a dataset, or a table of recommendations and a dataset.",
        hint="Write `recsys evaluate MODEL DATASET`, or "
        "`recsys evaluate --recommendations FILE --dataset DATASET`.",
    )
