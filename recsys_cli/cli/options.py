"""Options that several commands share, each declared once.

An option that stands for a setting is None when it is not given: defaults live in
`recsys_cli.config.settings`, and are repeated here only in help texts (a test compares them).
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def setting(*names: str, does: str, default: str, metavar: str | None = None) -> Any:
    """An option that stands for a setting; `default` says what holds when it is not given."""
    return typer.Option(*names, help=f"{does}. [default: {default}]", metavar=metavar, show_default=False)


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="A TOML file with settings of this command; options on the command line win over it.",
    ),
]
Json = Annotated[
    bool | None,
    setting(
        "--json/--table",
        does="Print one JSON object, or tables",
        default="tables on a terminal, else JSON",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say only warnings and errors on stderr; no progress.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the output if it exists, in one step at the end.")
]
Private = Annotated[
    bool,
    typer.Option("--private", help="Let nobody else read what is written, whatever the umask allows."),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0,
        help="Wait this long for another run that writes the same output, before exit 6. [default: 0]",
        show_default=False,
    ),
]
Device = Annotated[
    Literal["cpu", "gpu", "tpu"] | None,
    setting(
        "--device",
        does="Where to compute. A device that is not there is an error",
        default="the best that jax finds",
    ),
]
Threads = Annotated[
    int | None,
    setting(
        "--threads",
        metavar="N",
        does="Use at most N processors (Linux; it binds the process to them)",
        default="all",
    ),
]
Candidates = Annotated[
    int | None,
    setting(
        "--candidates",
        metavar="N",
        does="Items a user that retrieval hands to cross-attention",
        default="200",
    ),
]
Scorer = Annotated[
    Literal["full", "retrieval"] | None,
    setting(
        "--scorer",
        does="Order by retrieval and cross-attention, or by retrieval alone",
        default="full",
    ),
]
IncludeSeen = Annotated[
    bool | None,
    setting(
        "--include-seen/--no-include-seen",
        does="Rank items that are in the user's history too",
        default="no",
    ),
]
PopularDays = Annotated[
    int | None,
    setting(
        "--popular-days",
        metavar="DAYS",
        does="How far back 'recently popular' looks",
        default="30",
    ),
]
Seed = Annotated[
    int | None,
    setting("--seed", metavar="N", does="The seed of everything random", default="0"),
]
