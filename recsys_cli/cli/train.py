"""`recsys train`: a dataset -> a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from recsys_cli.cli import console, options
from recsys_cli.errors import UsageError

_Preset = Literal["fast", "balanced", "best"]
_Precision = Literal["auto", "float32", "tensorfloat32", "bfloat16"]
_Loss = Literal["auto", "full-softmax", "sampled-softmax"]


def train(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="What `recsys preprocess` made.", show_default=False)
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL", help="The model to make, a directory.")
    ],
    preset: Annotated[
        _Preset | None,
        options.setting("--preset", does="Settings that belong together", default="balanced"),
    ] = None,
    epochs: Annotated[
        int | None,
        options.setting(
            "--epochs", metavar="N", does="At most N passes over the data", default="of the preset"
        ),
    ] = None,
    seed: options.Seed = None,
    loss: Annotated[
        _Loss | None,
        options.setting("--loss", does="auto: sampled-softmax for large catalogues only", default="auto"),
    ] = None,
    cross_attention: Annotated[
        bool | None,
        options.setting(
            "--cross-attention/--no-cross-attention",
            does="Train the head that re-orders candidates, or retrieval alone",
            default="yes",
        ),
    ] = None,
    precision: Annotated[
        _Precision | None,
        options.setting(
            "--precision",
            does="Of matrix products; auto: float32, but bfloat16 in the full softmax on a CPU with AMX",
            default="auto",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint of a run that did not end.")
    ] = False,
    refit: Annotated[
        Path | None,
        typer.Option(
            "--refit",
            metavar="MODEL",
            help="Train on all events with the settings and for as many steps as this model: the model "
            "for production.",
        ),
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
    """Train a model on a dataset.

    The epoch that is best on validation is kept. An unfinished run lives in MODEL.partial until it
    is a model; --resume goes on from there.
    """
    from recsys_cli.cli import views
    from recsys_cli.cli.device import prepare_device
    from recsys_cli.cli.imports import heavy_imports
    from recsys_cli.cli.memory import MODELS, require_address_space
    from recsys_cli.cli.privacy import writing
    from recsys_cli.cli.training_progress import training_observer
    from recsys_cli.config.load import load_settings
    from recsys_cli.config.presets import PRESETS
    from recsys_cli.config.settings import TrainSettings

    console.configure_logging(quiet=quiet)
    options_given = {
        "preset": preset,
        "epochs": epochs,
        "seed": seed,
        "loss": loss,
        "precision": precision,
        "model.cross_attention": cross_attention,
    }
    if refit is not None:
        _refuse_settings(config, options_given)
    settings = load_settings(TrainSettings, config=config, options=options_given, presets=PRESETS)
    require_address_space(MODELS)
    with heavy_imports():
        prepare_device(device, threads)
        from recsys_cli.stages.train import train as run_stage

    with training_observer(quiet=quiet) as observer, writing(output, private=private):
        result = run_stage(
            dataset,
            output,
            settings=None if refit is not None else settings,
            overwrite=overwrite,
            wait=wait,
            resume=resume,
            refit=refit,
            observer=observer,
        )
    console.print_result(result, as_json=as_json, view=lambda: views.train_view(result))


def _refuse_settings(config: Path | None, options_given: Mapping[str, object]) -> None:
    """A refit takes every setting from its model; one that is given beside it would go unheard."""
    given = [name for name, value in {"config": config, **options_given}.items() if value is not None]
    if given:
        option = given[0].rpartition(".")[2].replace("_", "-")
        raise UsageError(
            f"--{option} means nothing with --refit, which takes every setting from its model.",
            hint=f"Leave out --{option}, or --refit.",
        )
