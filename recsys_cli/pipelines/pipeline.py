"""A pipeline's TOML file -> its stages, checked in full before anything runs.

    keep_logs = 30                     # days with a run whose logs are kept; all, if not said
    timeout = 7200                     # seconds a stage may take, if it does not say otherwise

    [expectations]                     # what must hold before an output is replaced
    max_lost_users = 0.1

    [stages.preprocess]                # the name of a command, or any name with `command = "…"`
    interactions = "input/*.csv"
    output = "data"

Stages run in the order of the file; paths are relative to its folder.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from recsys_cli.config.load import load_table, read_toml, unknown_key
from recsys_cli.config.settings import Settings
from recsys_cli.errors import UsageError
from recsys_cli.pipelines.commands import Command

RUN_SUFFIX: Final = ".run"  # of the folder beside the TOML file: lock, logs, what outputs were made from
STAGE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # it names files
STAGE_KEYS: Final = ("command", "timeout")  # that are no option of a command


class Expectations(Settings):
    """What must hold of a new dataset or model before it takes the place of the old one."""

    min_rows: int | None = Field(default=None, ge=0)  # of interactions, as read
    max_rejects: float | None = Field(default=None, ge=0, le=1)  # share of these rows
    max_new_items: float | None = Field(
        default=None, ge=0, le=1
    )  # share of the items, not in the old dataset
    max_lost_users: float | None = Field(
        default=None, ge=0, le=1
    )  # share of the old one's users, with events
    better_than_popular: bool = False  # NDCG@10 on validation, the whole paired 95 % interval above 0

    def judges(self, command: str) -> bool:
        """Whether any of these is about what `command` makes."""
        of_a_dataset = self.model_dump(exclude={"better_than_popular"}).values()
        return {
            "preprocess": any(limit is not None for limit in of_a_dataset),
            "train": self.better_than_popular,
        }.get(command, False)


class Running(Settings):
    """The keys of the file that are no tables; the command line may say them too, and wins."""

    keep_logs: int | None = Field(default=None, ge=1)
    timeout: float | None = Field(default=None, gt=0)


class _StageKeys(Settings):
    """The keys of a stage that are no options of its command."""

    command: str
    timeout: float | None = Field(default=None, gt=0)


@dataclass(frozen=True)
class Stage:
    """One command, and all that it is told."""

    name: str
    command: Command
    folder: Path  # that paths are relative to
    given: Mapping[str, Any]  # values of the command's parameters, as the file has them
    settings: Settings  # in full
    has_settings: bool  # whether any was said
    timeout: float | None  # seconds
    judged: bool  # whether its output must meet expectations first

    @property
    def output(self) -> str:
        """As the file has it; may hold `{date}`."""
        return self.given["output"]

    @property
    def inputs(self) -> list[str]:
        """The paths, globs and folders that it reads, as the file has them."""
        named = [self.given[key] for key, each in self.command.parameters.items() if self._reads(key, each)]
        return [str(path) for value in named for path in (value if isinstance(value, list) else [value])]

    def _reads(self, key: str, parameter: Any) -> bool:
        return parameter.is_input and key in self.given

    @property
    def configuration(self) -> dict[str, Any]:
        """All that shapes the output, besides the inputs' content. For JSON."""
        options = {key: value for key, value in self.given.items() if key not in ("output", "config")}
        return {"command": self.command.name, **options, "settings": self.settings.model_dump(mode="json")}


@dataclass(frozen=True)
class Pipeline:
    """What a TOML file says."""

    path: Path
    stages: tuple[Stage, ...]
    expectations: Expectations
    keep_logs: int | None

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def run_folder(self) -> Path:
        """Where the lock, the logs and the records of the stages are."""
        return self.path.with_suffix(RUN_SUFFIX)

    def chosen(self, *, only: Sequence[str], first: str | None) -> tuple[Stage, ...]:
        """The stages named in `only`, or those from `first` on. Raises UsageError for an unknown name."""
        if only and first is not None:
            raise UsageError("--only and --from exclude each other.", hint="Give one of them.")
        names = [stage.name for stage in self.stages]
        for name in (*only, *([first] if first is not None else [])):
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Its stages are {', '.join(names)}."
                raise UsageError(f"{self.path} has no stage {name!r}.", hint=hint)
        if only:
            return tuple(stage for stage in self.stages if stage.name in only)
        return self.stages[0 if first is None else names.index(first) :]


def load_pipeline(path: Path, commands: Mapping[str, Command], told: Running | None = None) -> Pipeline:
    """Read and check a pipeline; what was `told` wins. Raises UsageError, which names file and key."""
    document = read_toml(path, hint="Give the TOML file of a pipeline.")
    tables = {key: _table(path, key, document.pop(key, {})) for key in ("expectations", "stages")}
    known = [*Running.model_fields, *tables]
    for key in document:
        if key not in known:
            raise unknown_key(path, "", key, known)
    told = told or Running()
    running = load_table(Running, document, path=path, prefix="")
    expectations = load_table(Expectations, tables["expectations"], path=path, prefix="expectations.")
    read = (
        _stage(path, name, _table(path, f"stages.{name}", table), commands, expectations)
        for name, table in tables["stages"].items()
    )
    stages = tuple(replace(stage, timeout=told.timeout or stage.timeout or running.timeout) for stage in read)
    if not stages:
        raise UsageError(f"{path} has no stages.", hint="Write a table such as [stages.preprocess].")
    _require_distinct_outputs(path, stages)
    return Pipeline(path, stages, expectations, told.keep_logs or running.keep_logs)


def _table(path: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {key} must be a table.", hint=f"Write [{key}].")
    return value


def _stage(
    path: Path,
    name: str,
    table: Mapping[str, Any],
    commands: Mapping[str, Command],
    expectations: Expectations,
) -> Stage:
    prefix = f"stages.{name}."
    if not STAGE_NAME.fullmatch(name):
        raise UsageError(
            f"{path}: the stage {name!r} cannot be called so.", hint="Use letters, digits, - and _."
        )
    command = _command(path, name, table, commands)
    for key in table:
        if key not in (*STAGE_KEYS, *command.keys):
            raise unknown_key(path, prefix, key, [*STAGE_KEYS, *command.keys])
    settings = {key: value for key, value in table.items() if key in command.settings.model_fields}
    given = {key: value for key, value in table.items() if key not in (*STAGE_KEYS, *settings)}
    own = load_table(
        _StageKeys,
        {"command": command.name, **{key: table[key] for key in STAGE_KEYS if key in table}},
        path=path,
        prefix=prefix,
    )
    _check_parameters(path, prefix, command, given)
    return Stage(
        name=name,
        command=command,
        folder=path.parent,
        given=given,
        settings=load_table(
            command.settings,
            settings,
            path=path,
            prefix=prefix,
            config=path.parent / given["config"] if "config" in given else None,
            presets=command.presets,
        ),
        has_settings=bool(settings) or "config" in given,
        timeout=own.timeout,
        # A refit has seen the validation part: there is nothing left to judge it on.
        judged=expectations.judges(command.name) and "refit" not in given,
    )


def _command(path: Path, name: str, table: Mapping[str, Any], commands: Mapping[str, Command]) -> Command:
    chosen = table.get("command", name)
    command = commands.get(chosen) if isinstance(chosen, str) else None
    if command is None:
        known = ", ".join(commands)
        what = "has no command" if "command" not in table else f"has an unknown command {chosen!r}"
        raise UsageError(f"{path}: stages.{name} {what}.", hint=f'Write command = "…": one of {known}.')
    return command


def _check_parameters(path: Path, prefix: str, command: Command, given: Mapping[str, Any]) -> None:
    """Raise UsageError for what the command itself would refuse, and for what no pipeline can have."""
    for key, value in given.items():
        _check_value(path, prefix + key, value)
        if command.parameters[key].is_input and "-" in (value if isinstance(value, list) else [value]):
            raise UsageError(
                f"{path}: {prefix}{key} is standard input, which cannot be looked at twice.",
                hint="Name a file.",
            )
    wrong = command.check(command.arguments(given)[1:])
    if wrong is not None:
        raise UsageError(
            f"{path}: {prefix.rstrip('.')}: {wrong.rstrip('.')}.", hint=f"See `recsys {command.name} --help`."
        )
    output = given.get("output")
    if not isinstance(output, str) or Path(output).name in ("", ".."):
        raise UsageError(f"{path}: {prefix}output must name what the stage makes.", hint="Give it a path.")


def _check_value(path: Path, key: str, value: Any) -> None:
    values: list[Any] = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str | int | float) for each in values):
        raise UsageError(
            f"{path}: {key} must be text, a number, true or false, or a list of texts.",
            hint="Give another value.",
        )


def _require_distinct_outputs(path: Path, stages: Sequence[Stage]) -> None:
    by_output: dict[Path, str] = {}
    for stage in stages:
        place = Path(stage.output)
        if place in by_output:
            raise UsageError(
                f"{path}: the stages {by_output[place]} and {stage.name} have one output, {place}.",
                hint="Give each its own.",
            )
        by_output[place] = stage.name
