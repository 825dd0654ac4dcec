"""The commands, and the one place where an error becomes an exit code."""

import os
import sys
from typing import Annotated

import typer

from recsys_cli import __version__
from recsys_cli.cli import console, failures
from recsys_cli.cli.check import check
from recsys_cli.cli.diff import diff
from recsys_cli.cli.doctor import doctor
from recsys_cli.cli.evaluate import evaluate
from recsys_cli.cli.preprocess import preprocess
from recsys_cli.cli.run import run
from recsys_cli.cli.score import score
from recsys_cli.cli.signals import caught_signals, end_with_parent
from recsys_cli.cli.status import status
from recsys_cli.cli.train import train
from recsys_cli.errors import ExitCode, UsageError

app = typer.Typer(
    name="recsys",
    rich_markup_mode=None,  # rich's help panels take longer to import than help may take
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command()(preprocess)
app.command()(train)
app.command()(score)
app.command()(evaluate)
app.command()(run)
app.command()(status)
app.command()(check)
app.command()(diff)
app.command()(doctor)


@app.callback(invoke_without_command=True)
def recsys(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Offline recommendation pipelines: tables in, a table of recommendations and an honest metric out.

    preprocess turns tables into a dataset, train a dataset into a model, score both into a table of
    recommendations, and evaluate says how good it is. run carries them out as one file says, night
    after night, and status says how old what they made is.
    """
    if version:
        typer.echo(f"recsys {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(ExitCode.USAGE)


def main(arguments: list[str] | None = None) -> int:
    """Run one command, by default that of `sys.argv`; the value is what the shell sees as `$?`."""
    console.prepare_streams()
    console.configure_logging(quiet=False)
    with caught_signals() as caught:
        try:
            end_with_parent()
            code = _run(arguments)
            if code == ExitCode.INTERRUPTED and caught.number is not None:
                raise KeyboardInterrupt  # which typer had made a code of, without a word
            return code
        except BaseException as error:
            if isinstance(error, SystemExit) and caught.number is None:
                raise
            return failures.report(error, signal_number=caught.number)


def _run(arguments: list[str] | None) -> int:
    try:
        _require_text(sys.argv[1:] if arguments is None else arguments)
        code = app(args=arguments, prog_name="recsys", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise console.ClosedOutputError from error
    return int(code or ExitCode.DONE)


def _require_text(arguments: list[str]) -> None:
    """Refuse bytes that are no text where the locale is: no table and no JSON could hold them."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            encoding = sys.getfilesystemencoding()
            raise UsageError(
                f"The argument {os.fsencode(argument)!r} is not text in {encoding}.",
                hint="Give another name, or set LC_ALL to a locale of this encoding.",
            ) from error
