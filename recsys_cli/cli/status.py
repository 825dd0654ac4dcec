"""`recsys status`: a folder or a pipeline's file -> its artifacts, their age, and whether they are stale."""

from pathlib import Path
from typing import Annotated

import typer

from recsys_cli.cli import console, options
from recsys_cli.errors import UsageError


def status(
    place: Annotated[
        Path,
        typer.Argument(
            metavar="[DIR]", help="A folder of artifacts, or the TOML file of a pipeline.", show_default=False
        ),
    ] = Path(),
    *,
    as_json: options.Json = None,
) -> None:
    """Say when each artifact was made, from what, and whether it is stale.

    Stale is what would be made otherwise now: an input, the configuration or recsys itself is another
    one. Runs that did not end, and what waits for its expectations, are listed too.
    """
    from recsys_cli.cli import pipeline_views
    from recsys_cli.cli.declared import declared_commands
    from recsys_cli.pipelines.status import status as status_of

    if not place.exists():
        raise UsageError(f"{place} does not exist.", hint="Give a folder, or the TOML file of a pipeline.")
    result = status_of(place, declared_commands())
    console.print_result(result, as_json=as_json, view=lambda: pipeline_views.status_view(result))
