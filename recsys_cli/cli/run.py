"""`recsys run`: a pipeline's file -> its stages, skipped, resumed or run."""

from pathlib import Path
from typing import Annotated

import typer

from recsys_cli.cli import console, options


def run(
    pipeline: Annotated[
        Path, typer.Argument(metavar="PIPELINE", help="A TOML file with the stages.", show_default=False)
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done and why; change nothing.")
    ] = False,
    only: Annotated[
        list[str] | None,
        options.setting("--only", metavar="STAGE", does="Only this stage. May be repeated", default="all"),
    ] = None,
    from_stage: Annotated[
        str | None,
        options.setting("--from", metavar="STAGE", does="Only this stage and those after it", default="all"),
    ] = None,
    timeout: Annotated[
        float | None,
        options.setting(
            "--timeout",
            metavar="SECONDS",
            does="End a stage that takes longer, exit 9; wins over the file's",
            default="the file's",
        ),
    ] = None,
    keep_logs: Annotated[
        int | None,
        options.setting(
            "--keep-logs",
            metavar="DAYS",
            does="Keep the logs of the last DAYS days with a run; wins over the file's",
            default="the file's, or all",
        ),
    ] = None,
    wait: options.Wait = 0.0,
    quiet: options.Quiet = False,
    as_json: options.Json = None,
) -> None:
    """Run a pipeline: the stages of one file.

    A stage is skipped when nothing that its output was made from has changed, and resumed when it was
    interrupted. The chain stops at the first stage that fails, with its exit code, or whose output does
    not meet the expectations: then, with exit 8, and the old output stays.
    """
    from recsys_cli.cli import failures, pipeline_views
    from recsys_cli.cli.declared import declared_commands
    from recsys_cli.config.load import load_settings
    from recsys_cli.pipelines.pipeline import Running, load_pipeline
    from recsys_cli.pipelines.run import dry_run as plan_run
    from recsys_cli.pipelines.run import run as run_stages

    console.configure_logging(quiet=quiet)
    told = load_settings(Running, config=None, options={"timeout": timeout, "keep_logs": keep_logs})
    loaded = load_pipeline(pipeline, declared_commands(), told)
    stages = loaded.chosen(only=only or [], first=from_stage)
    if dry_run:
        planned = plan_run(loaded, stages)
        console.print_result(planned, as_json=as_json, view=lambda: pipeline_views.plan_view(planned))
        return
    result = run_stages(loaded, stages, wait=wait, on_line=console.lines_of_a_stage(quiet=quiet))
    console.print_result(result, as_json=as_json, view=lambda: pipeline_views.run_view(result))
    if result.stopped is not None:
        failures.say(result.stopped.sentence, hint=result.stopped.hint)
        raise typer.Exit(result.exit_code)
