"""A TOML file, a preset and the command line -> checked settings.

What is said later wins: defaults, then the preset, then the file, then the command line. A table of
a larger file may stand where the command line does.
"""

import difflib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from recsys_cli.config.settings import Settings
from recsys_cli.errors import UsageError

SettingsT = TypeVar("SettingsT", bound=Settings)
Presets = Mapping[str, Mapping[str, Any]]
Place = Callable[
    [Sequence[str]], str
]  # parts of a setting's name -> what a person called it; (): all of them
SHOWN_LENGTH: Final = 200  # letters of a key or a value in a sentence


def load_settings(
    kind: type[SettingsT],
    *,
    config: Path | None,
    options: Mapping[str, Any],
    presets: Presets | None = None,
) -> SettingsT:
    """Settings of this kind; `options` maps dotted names ("model.dropout") to values, None: not given.

    Raises UsageError, in one sentence that quotes file, key and value, for an unreadable file, an
    unknown key, and a value that is not allowed.
    """
    given = _nested({name: value for name, value in options.items() if value is not None})
    return _checked(kind, given, config, presets, lambda names: _option(names, given, config))


def load_table(
    kind: type[SettingsT],
    table: Mapping[str, Any],
    *,
    path: Path,
    prefix: str,
    config: Path | None = None,
    presets: Presets | None = None,
) -> SettingsT:
    """Settings of this kind from the table of `path` whose keys begin with `prefix` ("stages.train.").

    A `config` file lies under it. Raises UsageError as `load_settings` does.
    """
    _refuse_unknown(table, kind, path, prefix)
    return _checked(
        kind,
        _with_text_dates(table),
        config,
        presets,
        lambda names: f"{path}: {prefix}{'.'.join(names)}" if names else f"{path}: {prefix.rstrip('.')}: ",
    )


def _checked(
    kind: type[SettingsT],
    given: Mapping[str, Any],
    config: Path | None,
    presets: Presets | None,
    place: Place,
) -> SettingsT:
    from_file = {} if config is None else read_config(config, kind)
    preset = {} if presets is None else _preset(kind, _merged([from_file, given]), presets)
    try:
        # In JSON mode a list may stand for a tuple, and nothing else is converted.
        return kind.model_validate_json(json.dumps(_merged([preset, from_file, given])), strict=True)
    except ValidationError as error:
        raise _usage_error(error.errors()[0], place) from error


def _option(names: Sequence[str], given: Mapping[str, Any], config: Path | None) -> str:
    """An option, or a key of the file."""
    if not names:
        return ""
    setting = ".".join(names)
    if names[0] in given:
        return f"--{names[0].replace('_', '-')}" if len(names) == 1 else setting
    return setting if config is None else f"{config}: {setting}"


def read_config(path: Path, kind: type[Settings]) -> dict[str, Any]:
    """The settings in a TOML file. Raises UsageError when it cannot be read or has an unknown key."""
    document = read_toml(path, hint="Give --config a file.")
    _refuse_unknown(document, kind, path, prefix="")
    return document


def read_toml(path: Path, *, hint: str) -> dict[str, Any]:
    """A TOML file's tables, dates as text. Raises UsageError, with the hint where it cannot be read."""
    try:
        document = _with_text_dates(tomllib.loads(path.read_text(encoding="utf-8")))
        json.dumps(document)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint=hint) from error
    except RecursionError as error:
        raise UsageError(f"{path} is nested too deeply.", hint="Mend the file.") from error
    except ValueError as error:  # no TOML, no UTF-8, or a number with thousands of digits
        raise UsageError(f"{path} is not a TOML file: {error}.", hint="Mend the file.") from error
    return document


def _refuse_unknown(table: Mapping[str, Any], kind: type[BaseModel], path: Path, prefix: str) -> None:
    for key, value in table.items():
        field = kind.model_fields.get(key)
        if field is None:
            raise unknown_key(path, prefix, key, list(kind.model_fields))
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel) and isinstance(value, dict):
            _refuse_unknown(value, nested, path, f"{prefix}{key}.")


def unknown_key(path: Path, prefix: str, key: str, known: Sequence[str]) -> UsageError:
    """What to raise for a key that is none of `known`; its hint names the nearest of them."""
    near = difflib.get_close_matches(key.replace("-", "_").lower(), known, n=1, cutoff=0.6)
    hint = f"Did you mean {prefix}{near[0]}?" if near else f"The keys here are {', '.join(known)}."
    return UsageError(f"{path}: unknown key {prefix}{_shown(key)}.", hint=hint)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…"


def _with_text_dates(value: Any) -> Any:
    """TOML has dates of its own; settings take them as ISO 8601 text."""
    if isinstance(value, dict):
        return {key: _with_text_dates(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_with_text_dates(entry) for entry in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value


def _preset(kind: type[Settings], chosen: Mapping[str, Any], presets: Presets) -> Mapping[str, Any]:
    """The settings of the chosen preset; an unknown one is left for the validation to refuse."""
    name = chosen.get("preset", kind.model_fields["preset"].default)
    return presets.get(name, {}) if isinstance(name, str) else {}


def _nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """`{"model.dropout": 0.1}` -> `{"model": {"dropout": 0.1}}`."""
    nested: dict[str, Any] = {}
    for name, value in options.items():
        *tables, key = name.split(".")
        table = nested
        for part in tables:
            table = table.setdefault(part, {})
        table[key] = value
    return nested


def _merged(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Later layers win, key by key, tables merged."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            earlier = merged.get(key)
            if isinstance(earlier, dict) and isinstance(value, Mapping):
                merged[key] = _merged([earlier, value])
            else:
                merged[key] = value
    return merged


def _usage_error(detail: ErrorDetails, place: Place) -> UsageError:
    if detail["type"] == "value_error":  # a rule over several settings: its text quotes their values
        text = detail["msg"].removeprefix("Value error, ")
        return UsageError(f"{place(())}{text}.", hint="Change one of these settings.")
    setting = place([str(part) for part in detail["loc"]])
    value = _shown(json.dumps(detail["input"], ensure_ascii=False))
    return UsageError(
        f"{setting}={value} is not allowed: it must be {_wanted(detail)}.", hint="Give another value."
    )


def _wanted(detail: ErrorDetails) -> str:
    """What a value must be, in words, from pydantic's kind of error and its context."""
    context = detail.get("ctx", {})
    sentences = {
        "greater_than_equal": "at least {ge}",
        "greater_than": "more than {gt}",
        "less_than_equal": "at most {le}",
        "less_than": "less than {lt}",
        "literal_error": "{expected}",
        "int_type": "a whole number",
        "float_type": "a number",
        "finite_number": "a finite number",
        "string_type": "text",
        "string_too_short": "{min_length} character or more",
        "bool_type": "true or false",
        "dict_type": "a table",
        "model_type": "a table",
        "tuple_type": "a list",
    }
    sentence = sentences.get(detail["type"])
    if sentence is None:
        return f"right by the rule {detail['type']!r} ({detail['msg']})"
    return sentence.format(**context)
