"""`recsys check`: an artifact -> whether it is whole, and what it holds."""

from pathlib import Path
from typing import Annotated

import typer

from recsys_cli.cli import console, options


def check(
    artifact: Annotated[
        Path,
        typer.Argument(
            metavar="ARTIFACT",
            help="A dataset, a model, MODEL.partial, a .parquet of recommendations, or a report.",
            show_default=False,
        ),
    ],
    *,
    as_json: options.Json = None,
) -> None:
    """Verify an artifact in full: its checksums, and all that must hold in its files and between them.

    Nothing is changed. What is damaged is named, and the exit code is 4.
    """
    from recsys_cli.cli import views
    from recsys_cli.cli.imports import heavy_imports

    with heavy_imports():
        from recsys_cli.stages.check import check as run_stage

    result = run_stage(artifact)
    console.print_result(result, as_json=as_json, view=lambda: views.check_view(result))
