"""`recsys preprocess`: tables -> a dataset."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recsys_cli.cli import console, options
from recsys_cli.errors import UsageError

_Split = Literal["leave-one-out", "time", "none"]
_Format = Literal["auto", "csv", "tsv", "dat", "recbole", "parquet", "jsonl"]
_Unit = Literal["auto", "seconds", "milliseconds", "iso", "order"]


def preprocess(
    interactions: Annotated[
        list[str],
        typer.Argument(
            metavar="INTERACTIONS...",
            help="Files, globs or directories of partitions: CSV, TSV, Parquet, JSON lines, MovieLens' .dat "
            "or RecBole's .inter, also packed with gzip or zstd; - reads standard input.",
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The dataset to make, a directory.")
    ],
    items: Annotated[
        Path | None, typer.Option("--items", metavar="FILE", help="A table of items: an id and attributes.")
    ] = None,
    users: Annotated[
        Path | None, typer.Option("--users", metavar="FILE", help="A table of users: an id and attributes.")
    ] = None,
    user_column: Annotated[
        str | None,
        options.setting("--user-column", metavar="NAME", does="The column of user ids", default="by name"),
    ] = None,
    item_column: Annotated[
        str | None,
        options.setting("--item-column", metavar="NAME", does="The column of item ids", default="by name"),
    ] = None,
    timestamp_column: Annotated[
        str | None,
        options.setting("--timestamp-column", metavar="NAME", does="The column of times", default="by name"),
    ] = None,
    rating_column: Annotated[
        str | None,
        options.setting("--rating-column", metavar="NAME", does="The column of ratings", default="by name"),
    ] = None,
    timestamp_unit: Annotated[
        _Unit | None,
        options.setting(
            "--timestamp-unit", does="What times are; order: only which came first", default="auto"
        ),
    ] = None,
    file_format: Annotated[
        _Format | None,
        options.setting("--format", does="The format of the interactions", default="auto"),
    ] = None,
    encoding: Annotated[
        str | None,
        options.setting(
            "--encoding", metavar="NAME", does="The encoding of text files, such as latin-1", default="utf-8"
        ),
    ] = None,
    item_field: Annotated[
        list[str] | None,
        options.setting(
            "--item-field",
            metavar="NAME=KIND",
            does="What a column of the items is: category, multi (several values), number, text (for "
            "display only) or ignore. May be repeated",
            default="recognised",
        ),
    ] = None,
    user_field: Annotated[
        list[str] | None,
        options.setting(
            "--user-field",
            metavar="NAME=KIND",
            does="The same for a column of the users",
            default="recognised",
        ),
    ] = None,
    value_separator: Annotated[
        str | None,
        options.setting(
            "--value-separator", metavar="TEXT", does="Stands between values of one cell", default="|"
        ),
    ] = None,
    number_bins: Annotated[
        int | None,
        options.setting(
            "--number-bins", metavar="N", does="Quantiles that numbers are cut into", default="10"
        ),
    ] = None,
    positive_rating: Annotated[
        float | None,
        options.setting(
            "--positive-rating",
            metavar="X",
            does="Only events rated X or more may be targets; lower ones stay in the history",
            default="all may be",
        ),
    ] = None,
    min_user_events: Annotated[
        int | None,
        options.setting("--min-user-events", metavar="N", does="Drop users with fewer events", default="1"),
    ] = None,
    min_item_events: Annotated[
        int | None,
        options.setting(
            "--min-item-events",
            metavar="N",
            does="Drop items with fewer events; with the former repeated until nothing more goes",
            default="1",
        ),
    ] = None,
    deduplicate: Annotated[
        bool | None,
        options.setting("--deduplicate/--no-deduplicate", does="Drop repeated rows", default="no"),
    ] = None,
    split: Annotated[
        _Split | None,
        options.setting("--split", does="How validation and test are cut off", default="leave-one-out"),
    ] = None,
    validation_from: Annotated[
        str | None,
        typer.Option("--validation-from", metavar="TIME", help="ISO 8601 or Unix seconds, for --split time."),
    ] = None,
    test_from: Annotated[
        str | None,
        typer.Option("--test-from", metavar="TIME", help="ISO 8601 or Unix seconds, for --split time."),
    ] = None,
    as_of: Annotated[
        str | None,
        options.setting(
            "--as-of",
            metavar="TIME",
            does="Reject rows later than this, ISO 8601 or Unix seconds",
            default="none is too late",
        ),
    ] = None,
    max_rejects: Annotated[
        float | None,
        options.setting(
            "--max-rejects",
            metavar="SHARE",
            does="Stop, exit 3, when a larger share of the rows cannot be used",
            default="0.01",
        ),
    ] = None,
    encoders: Annotated[
        Path | None,
        typer.Option(
            "--encoders",
            metavar="MODEL",
            help="Encode attributes as this model or dataset does, for scoring with that model.",
        ),
    ] = None,
    memory_limit: Annotated[
        str | None,
        options.setting(
            "--memory-limit", metavar="SIZE", does="Memory before spilling to disk", default="2GB"
        ),
    ] = None,
    threads: Annotated[
        int | None,
        options.setting("--threads", metavar="N", does="Threads that read and order", default="all"),
    ] = None,
    overwrite: options.Overwrite = False,
    private: options.Private = False,
    wait: options.Wait = 0.0,
    config: options.Config = None,
    quiet: options.Quiet = False,
    as_json: options.Json = None,
) -> None:
    """Turn tables into a dataset.

    Every input row is used, dropped by a rule that was asked for, or rejected with file, line and
    reason; the three add up, and are printed.
    """
    from recsys_cli.cli import views
    from recsys_cli.cli.memory import TABLES, require_address_space
    from recsys_cli.cli.privacy import writing
    from recsys_cli.config.load import load_settings
    from recsys_cli.config.settings import PreprocessSettings

    console.configure_logging(quiet=quiet)
    require_address_space(TABLES)
    from recsys_cli.stages.preprocess import preprocess as run_stage

    settings = load_settings(
        PreprocessSettings,
        config=config,
        options={
            "user_column": user_column,
            "item_column": item_column,
            "timestamp_column": timestamp_column,
            "rating_column": rating_column,
            "timestamp_unit": timestamp_unit,
            "format": file_format,
            "encoding": encoding,
            "item_fields": _kinds("--item-field", item_field),
            "user_fields": _kinds("--user-field", user_field),
            "value_separator": value_separator,
            "number_bins": number_bins,
            "positive_rating": positive_rating,
            "min_user_events": min_user_events,
            "min_item_events": min_item_events,
            "deduplicate": deduplicate,
            "split": split,
            "validation_from": validation_from,
            "test_from": test_from,
            "as_of": as_of,
            "max_rejects": max_rejects,
            "memory_limit": memory_limit,
            "threads": threads,
        },
    )
    with writing(output, private=private):
        result = run_stage(
            interactions,
            output,
            items=items,
            users=users,
            settings=settings,
            overwrite=overwrite,
            wait=wait,
            encoders=encoders,
        )
    console.print_result(result, as_json=as_json, view=lambda: views.preprocess_view(result))


def _kinds(option: str, pairs: list[str] | None) -> dict[str, str] | None:
    """`["genres=multi"]` -> `{"genres": "multi"}`; a name may hold `=`, a kind may not."""
    if not pairs:
        return None
    kinds: dict[str, str] = {}
    for pair in pairs:
        name, equals, kind = pair.rpartition("=")
        if not equals or not name:
            raise UsageError(
                f"{option} {pair!r} is not NAME=KIND.", hint=f"Write for example {option} genres=multi."
            )
        kinds[name] = kind
    return kinds
