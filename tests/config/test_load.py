"""What is said later wins: defaults, the preset, the file, the command line; and each mistake is named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cli.config.load import load_settings
from recsys_cli.config.presets import PRESETS
from recsys_cli.config.settings import (
    EvaluateSettings,
    PreprocessSettings,
    ScoreSettings,
    TrainSettings,
)
from recsys_cli.errors import UsageError

SOME_PRESETS = {"best": {"epochs": 77, "seed": 3, "model": {"embedding_dim": 96, "num_heads": 4}}}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "nightly.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_said_gives_the_defaults():
    assert load_settings(ScoreSettings, config=None, options={"top_k": None}) == ScoreSettings()


def test_a_list_in_the_file_may_stand_for_a_tuple(tmp_path):
    settings = load_settings(EvaluateSettings, config=write(tmp_path, "ks = [3, 7]"), options={})
    assert settings.ks == (3, 7)


def test_the_layers_win_in_turn(tmp_path):
    config = write(tmp_path, 'preset = "best"\nseed = 4\n[model]\nembedding_dim = 48\n')
    options = {"seed": 5, "model.cross_attention": False, "epochs": None}
    settings = load_settings(TrainSettings, config=config, options=options, presets=SOME_PRESETS)
    assert settings.preset == "best"  # from the file
    assert settings.epochs == 77  # from the preset
    assert settings.seed == 5  # from the command line, over file and preset
    assert settings.model.embedding_dim == 48  # from the file, over the preset
    assert settings.model.num_heads == 4  # from the preset
    assert settings.model.cross_attention is False  # from the command line
    assert settings.patience == TrainSettings().patience  # the default


def test_the_command_line_chooses_the_preset_over_the_file(tmp_path):
    config = write(tmp_path, 'preset = "fast"')
    settings = load_settings(TrainSettings, config=config, options={"preset": "best"}, presets=SOME_PRESETS)
    assert (settings.preset, settings.epochs) == ("best", 77)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset):
    settings = load_settings(TrainSettings, config=None, options={"preset": preset}, presets=PRESETS)
    assert settings.preset == preset


def test_the_fields_of_file_and_command_line_add_up(tmp_path):
    config = write(tmp_path, '[item_fields]\ngenres = "multi"\nyear = "text"\n')
    settings = load_settings(PreprocessSettings, config=config, options={"item_fields": {"year": "number"}})
    assert settings.item_fields == {"genres": "multi", "year": "number"}


def test_dates_of_toml_are_taken_as_text(tmp_path):
    config = write(
        tmp_path, 'split = "time"\nvalidation_from = 2024-01-05\ntest_from = 2024-02-01T12:00:00Z\n'
    )
    settings = load_settings(PreprocessSettings, config=config, options={})
    assert settings.validation_from == "2024-01-05"
    assert settings.test_from == "2024-02-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("top-k = 5", "unknown key top-k.", "Did you mean top_k?"),
        ("topk = 5", "unknown key topk.", "Did you mean top_k?"),
        ("colour = 1", "unknown key colour.", "The keys here are top_k, candidates"),
        ("top_k = 0", "top_k=0 is not allowed: it must be at least 1.", ""),
        ('top_k = "5"', 'top_k="5" is not allowed: it must be a whole number.', ""),
        ("top_k = true", "top_k=true is not allowed: it must be a whole number.", ""),
        ('layout = "wide"', "layout=\"wide\" is not allowed: it must be 'rows' or 'lists'.", ""),
        ("include_seen = 1", "include_seen=1 is not allowed: it must be true or false.", ""),
        ("top_k =", "is not a TOML file: Invalid value (at end of document).", ""),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, message, hint):
    config = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load_settings(ScoreSettings, config=config, options={})
    assert caught.value.message.removeprefix(f"{config}") in {f": {message}", f" {message}"}
    assert caught.value.hint.startswith(hint)
    assert "\n" not in caught.value.message


def test_a_key_of_a_nested_table_is_named_with_its_table(tmp_path):
    config = write(tmp_path, "[model]\nembeding_dim = 8\n")
    with pytest.raises(UsageError, match=r"unknown key model\.embeding_dim") as caught:
        load_settings(TrainSettings, config=config, options={})
    assert caught.value.hint == "Did you mean model.embedding_dim?"


def test_a_nested_value_that_is_not_allowed_is_named_with_its_table(tmp_path):
    config = write(tmp_path, "[model]\ndropout = 1.0\n")
    with pytest.raises(
        UsageError, match=r"nightly\.toml: model\.dropout=1\.0 is not allowed: it must be less"
    ):
        load_settings(TrainSettings, config=config, options={})


def test_a_table_where_a_value_belongs_and_the_reverse_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"model=5 is not allowed: it must be a table"):
        load_settings(TrainSettings, config=write(tmp_path, "model = 5"), options={})
    with pytest.raises(UsageError, match="it must be a whole number"):
        load_settings(TrainSettings, config=write(tmp_path, "[epochs]\nx = 1"), options={})


def test_a_value_of_the_command_line_is_named_as_its_option(tmp_path):
    with pytest.raises(UsageError, match=r"^--users-per-batch=0 is not allowed: it must be at least 1\.$"):
        load_settings(ScoreSettings, config=write(tmp_path, "top_k = 5"), options={"users_per_batch": 0})


def test_a_rule_over_two_settings_quotes_both(tmp_path):
    config = write(tmp_path, "[model]\nembedding_dim = 63\n")
    with pytest.raises(UsageError, match=r"^embedding_dim=63 is not a multiple of num_heads=2\.$"):
        load_settings(TrainSettings, config=config, options={})


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_numbers_that_are_not_finite_are_refused(tmp_path, number):
    config = write(tmp_path, f"learning_rate = {number}")
    with pytest.raises(UsageError, match="learning_rate="):
        load_settings(TrainSettings, config=config, options={})


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.toml cannot be read: No such file or directory"):
        load_settings(ScoreSettings, config=tmp_path / "none.toml", options={})
    path = tmp_path / "utf16.toml"
    path.write_bytes("top_k = 5".encode("utf-16"))
    with pytest.raises(UsageError, match="is not a TOML file"):
        load_settings(ScoreSettings, config=path, options={})


@given(
    st.builds(
        ScoreSettings,
        top_k=st.integers(1, 50),
        candidates=st.integers(50, 900),
        scorer=st.sampled_from(["full", "retrieval"]),
        include_seen=st.booleans(),
        keep=st.none() | st.integers(1, 9),
    )
)
def test_settings_written_to_a_file_come_back(tmp_path_factory, settings):
    values = {name: value for name, value in settings.model_dump().items() if value is not None}
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
    config = write(tmp_path_factory.mktemp("config"), text)
    assert load_settings(ScoreSettings, config=config, options={}) == settings
