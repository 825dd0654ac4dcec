"""The command line, described by itself: `python -m recsys_cli.cli.reference > docs/cli.md`."""

import inspect
import sys
from collections.abc import Iterable
from typing import Any, Final, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from typer.cli import get_docs_for_click
from typer.main import get_command

from recsys_cli.cli.declared import STAGES
from recsys_cli.cli.main import app
from recsys_cli.config.presets import PRESETS
from recsys_cli.errors import ExitCode

SETTINGS: Final[dict[str, type[BaseModel]]] = {name: settings for name, (_, settings) in STAGES.items()}
EXIT_CODES: Final = {
    ExitCode.DONE: "done",
    ExitCode.BUG: "a bug: a traceback is on stderr; please report it",
    ExitCode.USAGE: "the command cannot be carried out as asked: an option, an output that exists, "
    "a device that is not there",
    ExitCode.BAD_DATA: "an input table does not hold what it must",
    ExitCode.BAD_ARTIFACT: "a dataset, model or table is damaged, of another kind, or does not fit",
    ExitCode.DIVERGED: "training diverged: its loss is not finite",
    ExitCode.LOCKED: "another run holds the output",
    ExitCode.SYSTEM: "the system said no: disk, permission, memory",
    ExitCode.GATE: "a quality gate was not met; what was there stays",
    ExitCode.TIMEOUT: "a stage of `recsys run` took longer than its timeout",
    ExitCode.INTERRUPTED: "interrupted (SIGINT, Ctrl-C)",
    ExitCode.TERMINATED: "terminated (SIGTERM)",
    ExitCode.BROKEN_PIPE: "the reader of standard output went away",
}
HEAD: Final = """\
# The command line

Made from the program by `python -m recsys_cli.cli.reference`; a test checks that it is current.

**Streams.** Standard output carries the result and nothing else: tables on a terminal, one JSON object
when it is not one; `--json` and `--table` choose. Progress, warnings and errors go to standard error:
bars on a terminal, plain lines with UTC times elsewhere. `NO_COLOR` is obeyed.

**Errors.** `error:` one sentence that says what was found where; `hint:` one that says what to do.

**Compiled programs** are kept, so that only the first run waits for the compiler: in
`$XDG_CACHE_HOME/recsys/compiled`, or `~/.cache/recsys/compiled`, at most 256 MiB, those not used for longest
deleted first. The folder may be deleted at any time; where it cannot be read or written, a command takes
longer and says so in one line. `JAX_COMPILATION_CACHE_DIR=DIR` puts them elsewhere (without a bound), and
`JAX_ENABLE_COMPILATION_CACHE=false` keeps none. Programs are run as they are found: share the folder
with nobody whom you would not let run programs as you.

**Completion.** `recsys --install-completion` sets it up for the shell that runs it (bash, zsh, fish,
PowerShell); `recsys --show-completion` prints the script.

"""


def reference() -> str:
    """The whole page, in Markdown."""
    command: Any = get_command(app)
    commands = get_docs_for_click(obj=command, ctx=typer.Context(command), name="recsys", indent=1)
    parts = [HEAD + _exit_codes(), commands.strip(), _settings_files()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _exit_codes() -> str:
    rows = [[f"{code.value}", meaning] for code, meaning in EXIT_CODES.items()]
    return "## Exit codes\n\nNever renumbered.\n\n" + _table(["code", "means"], rows)


def _settings_files() -> str:
    head = (
        "## Settings files\n\n"
        "`--config FILE` reads settings of the command from a TOML file; the command line wins over "
        "it, and it over the preset. A key that is not listed here is an error. All settings are "
        "written into what the command makes."
    )
    return "\n\n".join([head, *(_settings(name, kind) for name, kind in SETTINGS.items()), _presets()])


def _settings(command: str, kind: type[BaseModel]) -> str:
    return f"### For `recsys {command}`\n\n" + _table(["key", "values", "default"], _setting_rows(kind, ""))


def _setting_rows(kind: type[BaseModel], prefix: str) -> Iterable[list[str]]:
    """One row a setting; those of a nested table as `table.key`."""
    for name, field in kind.model_fields.items():
        nested = field.annotation
        if inspect.isclass(nested) and issubclass(nested, BaseModel):
            yield from _setting_rows(nested, f"{prefix}{name}.")
        else:
            yield [f"`{prefix}{name}`", _values(nested), _default(field.default)]


def _values(annotation: Any) -> str:
    """What a setting takes, in words."""
    words = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    origin = get_origin(annotation)
    if annotation in words:
        return words[annotation]
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if origin is tuple:
        return f"list of {_values(get_args(annotation)[0])}s"
    if origin is dict:
        return f"table; values {_values(get_args(annotation)[1])}"
    return " or ".join(_values(part) for part in get_args(annotation) if part is not type(None))


def _default(value: Any) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, tuple):
        return f"`{list(value)}`"  # pyright: ignore[reportUnknownArgumentType]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`".replace("|", "\\|")


def _presets() -> str:
    rows = [[f"`{name}`", _preset(values, "") or "the defaults"] for name, values in PRESETS.items()]
    return "### Presets of `recsys train`\n\n" + _table(["preset", "changes"], rows)


def _preset(values: Any, prefix: str) -> str:
    return ", ".join(
        _preset(value, f"{prefix}{key}.") if isinstance(value, dict) else f"`{prefix}{key} = {value}`"
        for key, value in values.items()
    )


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    sys.stdout.write(reference())
