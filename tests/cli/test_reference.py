"""docs/cli.md says what the program does, and the help texts say what the settings' defaults are."""

import inspect
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from recsys_cli.cli.evaluate import evaluate
from recsys_cli.cli.preprocess import preprocess
from recsys_cli.cli.reference import EXIT_CODES, SETTINGS, reference
from recsys_cli.cli.score import score
from recsys_cli.cli.train import train
from recsys_cli.errors import ExitCode

ROOT = Path(__file__).parents[2]
COMMANDS = {"preprocess": preprocess, "train": train, "score": score, "evaluate": evaluate}
OTHER_NAMES = {"file_format": "format", "item_field": "item_fields", "user_field": "user_fields"}
OF_THE_COMMAND = {
    "device",
    "threads",
    "as_json",
    "users",
    "wait",
}  # options with a default in words that are no settings
IN_WORDS = {
    "user_column": "by name", "item_column": "by name", "timestamp_column": "by name",
    "rating_column": "by name", "item_fields": "recognised", "user_fields": "recognised",
    "positive_rating": "all may be", "keep": "all", "as_of": "none is too late", "threads": "all",
    "epochs": "of the preset",
}  # fmt: skip


def test_the_page_is_current():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m recsys_cli.cli.reference > docs/cli.md"


def test_every_exit_code_is_explained():
    assert set(EXIT_CODES) == set(ExitCode)


def documented_defaults(command: Any) -> dict[str, str]:
    """Name of the setting -> the default that the help text states."""
    defaults: dict[str, str] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        text = get_args(parameter.annotation)[1].help
        stated = re.search(r"\[default: (.*)\]$", text)
        if stated:
            defaults[OTHER_NAMES.get(name, name)] = stated.group(1)
    return defaults


def in_words(name: str, value: Any) -> str:
    if name in IN_WORDS:
        return IN_WORDS[name]
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_defaults_in_the_help_are_those_of_the_settings(name):
    settings: Any = SETTINGS[name]()
    known = settings.model_dump()
    known |= known.get("model", {})
    for setting, stated in documented_defaults(COMMANDS[name]).items():
        if setting in known:
            assert stated == in_words(setting, known[setting]), setting
        else:
            assert setting in OF_THE_COMMAND


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_has_a_help_text(name):
    for parameter in inspect.signature(COMMANDS[name]).parameters.values():
        assert get_args(parameter.annotation)[1].help.endswith((".", "]"))
