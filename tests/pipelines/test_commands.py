"""A stage's table -> arguments that the command line itself would take; settings -> a file it reads."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cli.pipelines.commands import settings_file

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.integers(0, 9), max_size=3),
)


def test_an_option_is_known_by_its_long_name_and_an_argument_by_its_own(commands):
    given = {"items": "i.csv", "interactions": ["-a.csv", "b*.csv"], "output": "d"}
    assert commands["preprocess"].arguments(given, ["--json"]) == [
        "preprocess", "--items=i.csv", "--output=d", "--json", "--", "-a.csv", "b*.csv",
    ]  # fmt: skip


def test_a_switch_has_two_sides_and_a_repeated_option_a_list(commands):
    train, preprocess = commands["train"], commands["preprocess"]
    assert train.arguments({"cross_attention": False})[1] == "--no-cross-attention"
    assert train.arguments({"cross_attention": True})[1] == "--cross-attention"
    fields = preprocess.arguments({"item_field": ["a=text", "b=multi"]})
    assert fields[1:3] == ["--item-field=a=text", "--item-field=b=multi"]


def test_the_dataset_of_evaluate_goes_with_a_model_and_with_a_table(commands):
    evaluate = commands["evaluate"]
    with_model = evaluate.arguments({"model": "m", "dataset": "d", "output": "o"})
    with_table = evaluate.arguments({"recommendations": "r.csv", "dataset": "d", "output": "o"})
    assert with_model == ["evaluate", "--dataset=d", "--output=o", "--", "m"]
    assert with_table == ["evaluate", "--recommendations=r.csv", "--dataset=d", "--output=o", "--"]
    assert evaluate.check(with_model[1:]) is None
    assert evaluate.check(with_table[1:]) is None


def test_what_the_command_line_would_refuse_is_said_in_its_words(commands):
    assert commands["train"].check(["--output=m", "--device=cpu", "--", "d"]) is None
    assert "'--device'" in (commands["train"].check(["--output=m", "--device=abacus", "--", "d"]) or "")
    assert "--output" in (commands["train"].check(["--", "d"]) or "")


@pytest.mark.parametrize("name", ["preprocess", "train", "score", "evaluate"])
def test_what_the_pipeline_decides_is_no_key_and_inputs_are_told_from_outputs(commands, name):
    command = commands[name]
    assert not {"overwrite", "resume", "json", "quiet", "help"} & set(command.keys)
    inputs = {key for key, each in command.parameters.items() if each.is_input}
    assert (
        inputs
        == {
            "preprocess": {"interactions", "items", "users", "encoders"},
            "train": {"dataset", "refit"},
            "score": {"model", "dataset", "users", "allow_items", "deny_items", "deny_pairs"},
            "evaluate": {"model", "dataset", "recommendations"},
        }[name]
    )


@given(st.dictionaries(TEXTS, st.one_of(VALUES, st.dictionaries(TEXTS, VALUES, min_size=1, max_size=2))))
def test_settings_come_back_from_their_file_as_they_were(settings):
    assert tomllib.loads(settings_file(settings)) == settings


def test_what_is_not_given_has_no_line():
    assert settings_file({"epochs": None, "model": {"dropout": 0.5}}) == '"model"."dropout" = 0.5\n'
