"""What a stage's table may say, from the command's own declarations; and that table -> arguments.

The command line hands its declarations in, so that an option is declared once, and there.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsys_cli.config.load import Presets
from recsys_cli.config.settings import Settings


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command that stands for no setting."""

    key: str  # in a stage's table
    option: str | None  # "--output"; None: an argument, given by its place
    negative: str | None  # "--no-cross-attention", of an option that is a switch with two sides
    is_input: bool  # names what the command reads


@dataclass(frozen=True)
class Command:
    """One of the commands, as a pipeline sees it."""

    name: str
    parameters: Mapping[str, Parameter]  # by key; arguments in the order of their places
    settings: type[Settings]
    presets: Presets | None
    check: Callable[[Sequence[str]], str | None]  # arguments -> what is wrong with them, in a sentence

    @property
    def keys(self) -> list[str]:
        """All keys that a table of this command may have."""
        return sorted({*self.parameters, *self.settings.model_fields})

    def arguments(self, given: Mapping[str, Any], extra: Sequence[str] = ()) -> list[str]:
        """The command's arguments for the values of its parameters; `extra` are options as they are."""
        places = [key for key, each in self.parameters.items() if each.option is None and key in given]
        options = [
            text
            for key, value in given.items()
            if key not in places
            for text in _option(self.parameters[key], value)
        ]
        values = [value for key in places for value in _texts(given[key])]
        return [self.name, *options, *extra, "--", *values]


def _option(parameter: Parameter, value: Any) -> Iterator[str]:
    if value is True:
        yield str(parameter.option)
    elif value is False:
        if parameter.negative is not None:
            yield parameter.negative
    else:
        yield from (f"{parameter.option}={text}" for text in _texts(value))


def _texts(value: Any) -> list[str]:
    """One text, or those of a list."""
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def settings_file(settings: Mapping[str, Any]) -> str:
    """Settings as the TOML file that `--config` reads: a line each, tables as dotted keys."""
    return "".join(f"{key} = {value}\n" for key, value in _lines(settings, ""))


def _lines(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        name = prefix + _toml(key)
        if isinstance(value, Mapping):
            yield from _lines(value, f"{name}.")
        elif value is not None:  # what is not given has no line
            yield name, _toml(value)


def _toml(value: Any) -> str:
    """JSON is TOML here, but for one character that TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
