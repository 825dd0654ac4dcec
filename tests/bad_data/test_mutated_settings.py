"""Whatever is in a file of settings: settings, or one sentence that says what is wrong with it."""

import time

import pytest

from recsys_cli.config.load import load_settings
from recsys_cli.config.settings import EvaluateSettings, PreprocessSettings, ScoreSettings, TrainSettings
from recsys_cli.errors import UsageError

LONGEST_SECONDS = 5  # of processors; the machine may be busy with other things
FILES = {
    PreprocessSettings: (
        'user_column = "viewer"\nmax_rejects = 0.5\ndeduplicate = true\nsplit = "time"\n'
        "validation_from = 2024-01-01\ntest_from = 2024-02-01T00:00:00Z\n"
        '[item_fields]\ngenres = "multi"\nyear = "number"\n'
    ),
    TrainSettings: (
        'preset = "fast"\nseed = 7\nepochs = 3\nlearning_rate = 1e-3\nloss = "full-softmax"\n'
        "[model]\nembedding_dim = 16\nnum_heads = 2\ndropout = 0.1\ncross_attention = false\n"
    ),
    ScoreSettings: 'top_k = 5\ncandidates = 50\nscorer = "full"\ninclude_seen = true\nlayout = "lists"\n',
    EvaluateSettings: 'split = "test"\nks = [5, 10]\nbootstrap_samples = 100\nseed = 3\n',
}


def check(path, data, kind):
    path.write_bytes(data)
    started = time.process_time()
    refused = None
    try:
        assert isinstance(load_settings(kind, config=path, options={}), kind)
    except UsageError as error:
        refused = error
    assert time.process_time() - started < LONGEST_SECONDS
    if refused is not None:
        assert refused.message.endswith((".", "?"))
        assert len(refused.message) < 1000
        assert refused.hint


def spoil(tmp_path, mutator, seeds):
    for seed in seeds:
        kind = list(FILES)[seed % len(FILES)]
        data = mutator(seed).toml(FILES[kind])
        try:
            check(tmp_path / "x.toml", data, kind)
        except Exception as error:
            error.add_note(f"seed {seed}, {kind.__name__}: {data[:500]!r}")
            raise


@pytest.mark.parametrize("kind", FILES)
def test_the_files_are_right_before_they_are_spoilt(tmp_path, kind):
    (tmp_path / "x.toml").write_text(FILES[kind])
    assert load_settings(kind, config=tmp_path / "x.toml", options={}) != kind()


def test_spoilt_settings_are_refused_in_a_sentence(tmp_path, mutator):
    spoil(tmp_path, mutator, range(92))


@pytest.mark.faults
def test_many_spoilt_settings_are_refused_in_a_sentence(tmp_path, mutator):
    spoil(tmp_path, mutator, range(1_000_000, 1_001_600))
