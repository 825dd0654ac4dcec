"""`recsys diff`: two tables of recommendations -> how much they differ, and whether that is too much."""

from pathlib import Path
from typing import Annotated

import typer

from recsys_cli.cli import console, options
from recsys_cli.errors import GateError


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The .parquet of before.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The .parquet of now.", show_default=False)],
    *,
    top_k: Annotated[
        int | None,
        typer.Option(
            "--top-k",
            "-k",
            metavar="K",
            min=1,
            help="Compare the first K items of each list; as many as both tables have where it is not given.",
        ),
    ] = None,
    min_overlap: Annotated[
        float | None,
        typer.Option(
            "--min-overlap",
            metavar="SHARE",
            min=0,
            max=1,
            help="End with exit code 8 where overlap@K is less.",
        ),
    ] = None,
    max_lost_share: Annotated[
        float | None,
        typer.Option(
            "--max-lost-share",
            metavar="SHARE",
            min=0,
            max=1,
            help="End with exit code 8 where a larger share of the old table's users has no list any more.",
        ),
    ] = None,
    as_json: options.Json = None,
) -> None:
    """Compare two tables of recommendations.

    overlap@K is the share of the first K items that a user's two lists have in common, as a mean over
    the users that are in both tables.
    """
    from recsys_cli.cli import views
    from recsys_cli.cli.imports import heavy_imports

    with heavy_imports():
        from recsys_cli.stages.diff import diff as run_stage

    result = run_stage(old, new, top_k=top_k, min_overlap=min_overlap, max_lost_share=max_lost_share)
    console.print_result(result, as_json=as_json, view=lambda: views.diff_view(result))
    if result.unmet:
        raise GateError(
            f"{new} differs too much from {old}: {' '.join(result.unmet)}",
            hint="Look at what changed in the data or the model, or lower the limit.",
        )
