"""The commands that can be stages of a pipeline, read off their own declarations.

A key of a stage's table is a setting of the command, an argument by its name, or an option by its
long name with `_` for `-`. What a pipeline itself decides is not among them.
"""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, Final, get_args

import typer
from typer.main import get_command

from recsys_cli.cli.evaluate import evaluate
from recsys_cli.cli.preprocess import preprocess
from recsys_cli.cli.score import score
from recsys_cli.cli.train import train
from recsys_cli.config.presets import PRESETS
from recsys_cli.config.settings import (
    EvaluateSettings,
    PreprocessSettings,
    ScoreSettings,
    Settings,
    TrainSettings,
)
from recsys_cli.pipelines.commands import Command, Parameter

STAGES: Final[Mapping[str, tuple[Callable[..., None], type[Settings]]]] = {
    "preprocess": (preprocess, PreprocessSettings),
    "train": (train, TrainSettings),
    "score": (score, ScoreSettings),
    "evaluate": (evaluate, EvaluateSettings),
}
DECIDED: Final = {"overwrite", "resume", "quiet", "json", "show"}  # by the pipeline
NO_INPUTS: Final = {"output", "config"}  # paths, but not what a command makes its output from


def declared_commands() -> dict[str, Command]:
    """The four commands, by name."""
    from recsys_cli.cli.main import app  # which imports the command that calls this

    group: Any = get_command(app)
    return {name: _command(group.commands[name], *STAGES[name]) for name in STAGES}


def _command(declared: Any, function: Callable[..., None], settings: type[Settings]) -> Command:
    kinds = {name: get_args(each.annotation)[0] for name, each in signature(function).parameters.items()}
    parameters = [_parameter(each, kinds[each.name]) for each in declared.params]
    # Of an argument and an option with one name (evaluate's dataset) the option is the one that is kept.
    parameters.sort(key=lambda each: each.option is not None)
    return Command(
        name=declared.name,
        parameters={each.key: each for each in parameters if each.key not in DECIDED},
        settings=settings,
        presets=PRESETS if "preset" in settings.model_fields else None,
        check=lambda arguments: _wrong(declared, arguments),
    )


def _parameter(declared: Any, kind: Any) -> Parameter:
    if declared.param_type_name == "argument":
        return Parameter(declared.name, None, None, is_input=True)
    option = max(declared.opts, key=len)
    key = option.removeprefix("--").replace("-", "_")
    is_path = Path in (kind, *get_args(kind))
    return Parameter(
        key, option, next(iter(declared.secondary_opts), None), is_input=is_path and key not in NO_INPUTS
    )


def _wrong(declared: Any, arguments: Sequence[str]) -> str | None:
    """What the command line would say to these arguments, without running anything."""
    try:
        declared.make_context(declared.name, list(arguments))
    except typer.TyperException as error:
        return error.format_message()
    return None
