"""Whole runs of the train stage on a dataset small enough to learn in seconds."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from recsys_cli.config.settings import ModelSettings, TrainSettings
from recsys_cli.errors import ArtifactError, DataError, DivergedError, UsageError
from recsys_cli.models.store import open_model
from recsys_cli.stages.train import train
from recsys_cli.training import loop

MODEL = ModelSettings(embedding_dim=8, num_heads=2, num_blocks=1, max_length=12, head_dim=4, dropout=0.1)


def settings(**changes):
    chosen = {"model": MODEL, "epochs": 3, "rows_per_batch": 4, "learning_rate": 0.01, "candidates": 5}
    return TrainSettings(**(chosen | {"cross_attention_candidates": 7} | changes))


@pytest.fixture
def dataset(make_dataset):
    rng = np.random.default_rng(0)
    histories = {
        f"u{u:02}": [f"i{(start + s) % 9}" for s in range(rng.integers(2, 8))]
        for u, start in enumerate(rng.integers(0, 9, 60))
    }
    attributes = {f"i{i}": {"genre": ["even" if i % 2 == 0 else "odd"]} for i in range(9)}
    return make_dataset(histories, item_attributes=attributes)


class Stop(Exception):
    """Stands for a kill between two epochs."""


class StopAfter:
    """An observer that ends the process's run after some epochs."""

    def __init__(self, epochs):
        self.epochs = epochs

    def started(self, total_epochs, steps_per_epoch, start_epoch):
        pass

    def stepped(self, epoch, step, loss, targets):
        pass

    def epoch_ended(self, record, seconds):
        if record.epoch == self.epochs:
            raise Stop


def files_of(model: Path):
    return {name: entry.sha256 for name, entry in open_model(model).artifact.manifest.files.items()}


def test_a_rerun_gives_the_same_bytes(dataset, tmp_path):
    one = train(dataset, tmp_path / "one", settings=settings())
    two = train(dataset, tmp_path / "two", settings=settings())
    assert one.fingerprint == two.fingerprint


def test_a_resumed_run_gives_the_bytes_of_an_uninterrupted_one(dataset, tmp_path):
    whole = train(dataset, tmp_path / "whole", settings=settings())
    with pytest.raises(Stop):
        train(dataset, tmp_path / "cut", settings=settings(), observer=StopAfter(2))
    assert not (tmp_path / "cut").exists()
    resumed = train(dataset, tmp_path / "cut", settings=settings(), resume=True)
    assert resumed.fingerprint == whole.fingerprint
    assert files_of(tmp_path / "cut") == files_of(tmp_path / "whole")
    assert not (tmp_path / "cut.partial").exists()


def test_resume_refuses_another_runs_checkpoints_and_a_run_that_is_not_there(dataset, tmp_path):
    with pytest.raises(UsageError, match="no run to resume"):
        train(dataset, tmp_path / "m", settings=settings(), resume=True)
    with pytest.raises(Stop):
        train(dataset, tmp_path / "m", settings=settings(), observer=StopAfter(1))
    with pytest.raises(UsageError, match="other settings"):
        train(dataset, tmp_path / "m", settings=settings(seed=5), resume=True)


def test_the_best_epoch_is_kept_and_patience_ends_the_run(dataset, tmp_path, monkeypatch):
    figures = iter([0.1, 0.3, 0.2, 0.25, 0.9])
    monkeypatch.setattr(loop.Validator, "ndcg", lambda self, model: next(figures))
    result = train(dataset, tmp_path / "m", settings=settings(epochs=9, patience=2))
    assert (result.epochs, result.best_epoch) == (4, 2)
    lines = (open_model(tmp_path / "m").artifact.file("history.jsonl")).read_text().splitlines()
    assert [json.loads(line)["ndcg_at_10"] for line in lines] == [0.1, 0.3, 0.2, 0.25]


def test_refit_takes_steps_head_weight_and_calibration_from_the_model(dataset, tmp_path):
    train(dataset, tmp_path / "m", settings=settings())
    first = open_model(tmp_path / "m").details
    train(dataset, tmp_path / "r", refit=tmp_path / "m")
    again = open_model(tmp_path / "r").details
    assert (again.steps, again.head_weight, again.calibration) == (
        first.steps,
        first.head_weight,
        first.calibration,
    )
    assert open_model(tmp_path / "r").settings == open_model(tmp_path / "m").settings
    weights = [load_file(open_model(tmp_path / name).artifact.file("weights.safetensors")) for name in "mr"]
    assert not np.allclose(weights[0]["embeddings/items"], weights[1]["embeddings/items"])


def test_retrieval_alone_has_no_head(dataset, tmp_path):
    alone = MODEL.model_copy(update={"cross_attention": False})
    result = train(dataset, tmp_path / "m", settings=settings(model=alone))
    assert result.head_weight is None
    weights = load_file(open_model(tmp_path / "m").artifact.file("weights.safetensors"))
    assert not any(name.startswith("head") for name in weights)


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_checkpoint(dataset, tmp_path):
    with pytest.raises(Stop):
        train(dataset, tmp_path / "m", settings=settings(), observer=StopAfter(1))
    with pytest.raises(DivergedError, match="not finite in epoch"):
        train(dataset, tmp_path / "d", settings=settings(learning_rate=1e30))
    assert any(child.name.isdigit() for child in (tmp_path / "m.partial").iterdir())
    assert not (tmp_path / "d").exists()


def test_sampled_softmax_is_chosen_above_a_catalogue_size(dataset, tmp_path):
    result = train(dataset, tmp_path / "m", settings=settings(full_softmax_items=3, sampled_negatives=6))
    assert result.loss == "sampled-softmax"


def test_a_dataset_without_two_events_of_anyone_has_nothing_to_learn_from(make_dataset, tmp_path):
    lonely = make_dataset({"a": ["x"], "b": ["y"]})
    with pytest.raises(DataError, match="nothing to learn from"):
        train(lonely, tmp_path / "m", settings=settings())
    assert not (tmp_path / "m").exists()


def test_a_model_given_as_a_dataset_is_refused(dataset, tmp_path):
    train(dataset, tmp_path / "m", settings=settings(epochs=1))
    with pytest.raises(ArtifactError, match="is a model, not a dataset"):
        train(tmp_path / "m", tmp_path / "n", settings=settings())


def test_an_output_that_exists_is_refused_and_left_alone(dataset, tmp_path):
    train(dataset, tmp_path / "m", settings=settings(epochs=1))
    before = files_of(tmp_path / "m")
    with pytest.raises(UsageError, match="exists already"):
        train(dataset, tmp_path / "m", settings=settings())
    assert files_of(tmp_path / "m") == before
