"""`recsys score`: a model and a dataset -> a table of recommendations."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recsys_cli.cli import console, options

_Part = Literal["validation", "test"]
_Layout = Literal["rows", "lists"]


def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="What `recsys train` made.")],
    *,
    dataset: Annotated[
        Path,
        typer.Option(
            "--dataset", metavar="DATASET", help="Whose users to score; may be newer than the model."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The table to write: .parquet, .csv or .jsonl; {date} in the name is filled in.",
        ),
    ],
    top_k: Annotated[
        int | None, options.setting("--top-k", "-k", metavar="K", does="Items a user", default="20")
    ] = None,
    candidates: options.Candidates = None,
    scorer: options.Scorer = None,
    include_seen: options.IncludeSeen = None,
    before: Annotated[
        _Part | None,
        typer.Option("--before", help="Users as they stood just before this part of the split."),
    ] = None,
    users: Annotated[
        Path | None,
        options.setting("--users", metavar="FILE", does="Only the users of this file", default="all"),
    ] = None,
    allow_items: Annotated[
        Path | None, typer.Option("--allow-items", metavar="FILE", help="Recommend only items of this file.")
    ] = None,
    deny_items: Annotated[
        Path | None, typer.Option("--deny-items", metavar="FILE", help="Recommend no item of this file.")
    ] = None,
    deny_pairs: Annotated[
        Path | None,
        typer.Option("--deny-pairs", metavar="FILE", help="Recommend no pair of user and item of this file."),
    ] = None,
    popular_days: options.PopularDays = None,
    layout: Annotated[
        _Layout | None,
        options.setting("--layout", does="One row a user and rank, or one row a user", default="rows"),
    ] = None,
    keep: Annotated[
        int | None,
        options.setting("--keep", metavar="N", does="With {date}: keep the N newest tables", default="all"),
    ] = None,
    show: Annotated[
        int, typer.Option("--show", metavar="N", min=0, help="Users whose lists the printed table shows.")
    ] = 3,
    device: options.Device = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    private: options.Private = False,
    wait: options.Wait = 0.0,
    config: options.Config = None,
    quiet: options.Quiet = False,
    as_json: options.Json = None,
) -> None:
    """Write every user's best items as a table.

    Users and items are joined by id. Users that the model does not know are encoded from their
    events; users without events get popular items.
    """
    from recsys_cli.cli import lists, views
    from recsys_cli.cli.device import prepare_device
    from recsys_cli.cli.imports import heavy_imports
    from recsys_cli.cli.memory import MODELS, require_address_space
    from recsys_cli.cli.privacy import writing
    from recsys_cli.cli.scoring_progress import scoring_progress
    from recsys_cli.config.load import load_settings
    from recsys_cli.config.settings import ScoreSettings

    console.configure_logging(quiet=quiet)
    settings = load_settings(
        ScoreSettings,
        config=config,
        options={
            "top_k": top_k,
            "candidates": candidates,
            "scorer": scorer,
            "include_seen": include_seen,
            "before": before,
            "popular_days": popular_days,
            "layout": layout,
            "keep": keep,
        },
    )
    require_address_space(MODELS)
    with heavy_imports():
        prepare_device(device, threads)
        from recsys_cli.stages.score import score as run_stage

    with scoring_progress(quiet=quiet) as on_progress, writing(output, private=private):
        result = run_stage(
            model,
            dataset,
            output,
            settings=settings,
            users=users,
            allow_items=allow_items,
            deny_items=deny_items,
            deny_pairs=deny_pairs,
            overwrite=overwrite,
            wait=wait,
            on_progress=on_progress,
        )
    console.print_result(
        result,
        as_json=as_json,
        view=lambda: views.score_view(result, lists.read_lists(result.output, dataset, users=show)),
    )
