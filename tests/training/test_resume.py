"""A run that is cut anywhere and goes on is, bit for bit, the run that was not cut."""

import signal

import jax
import numpy as np
import pandas as pd
import pytest

from recsys_cli.config.settings import ModelSettings, TrainSettings
from recsys_cli.sequences.store import open_dataset
from recsys_cli.stages.preprocess import preprocess
from recsys_cli.training import progress as checkpointing
from recsys_cli.training.loop import train_run
from recsys_cli.training.prepare import make_run

MODEL = ModelSettings(embedding_dim=8, num_heads=2, num_blocks=1, max_length=12, head_dim=4, dropout=0.3)


class Cut(Exception):
    """Stands for kill -9: nothing is saved on the way out."""


def kill():
    raise Cut


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


class After:
    """An observer that does something once, when `steps` more steps were looked at."""

    def __init__(self, steps, action):
        self.steps, self.action = steps, action

    def started(self, total_epochs, steps_per_epoch, start_epoch):
        self.steps_per_epoch = steps_per_epoch

    def stepped(self, epoch, step, loss, targets):
        self.steps -= 1
        if self.steps == 0:
            self.action()

    def epoch_ended(self, record, seconds):
        pass


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    rng = np.random.default_rng(0)
    events = [
        (f"u{user:02}", f"i{(start + step) % 9}")
        for user, start in enumerate(rng.integers(0, 9, 60))
        for step in range(rng.integers(2, 8))
    ]
    path = tmp_path_factory.mktemp("resume") / "data"
    preprocess(pd.DataFrame(events, columns=["user_id", "item_id"]), path)
    return open_dataset(path)


@pytest.fixture(
    scope="module",
    params=["sampled-softmax", pytest.param("full-softmax", marks=pytest.mark.faults)],
)
def run(request, dataset):
    settings = TrainSettings(
        model=MODEL, epochs=9, patience=2, rows_per_batch=2, learning_rate=0.02, candidates=5,
        cross_attention_candidates=7, loss=request.param, sampled_negatives=6, tile_size=16,
    )  # fmt: skip
    return make_run(dataset, settings, earlier=None)


def train(run, folder, observer=None):
    """The rest of the run in this folder; the final progress as bytes and text."""
    _, progress, total_steps = train_run(run, folder, resume=True, observer=observer)
    leaves = jax.tree.leaves((progress.state, progress.best))
    numbers = (progress.best_epoch, progress.best_ndcg, progress.best_step, total_steps)
    return [np.asarray(leaf).tobytes() for leaf in leaves], repr((progress.history, numbers))


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """The run that was not cut, and how many steps its epochs have."""
    observer = After(0, kill)
    return train(run, tmp_path_factory.mktemp("whole"), observer), observer.steps_per_epoch


def test_a_run_killed_within_epochs_ends_with_the_bytes_of_one_that_was_not(
    run, whole, tmp_path, monkeypatch
):
    result, per_epoch = whole
    with pytest.raises(Cut):  # before its first checkpoint: it begins again
        train(run, tmp_path, After(2, kill))
    assert numbers(tmp_path) == []
    monkeypatch.setattr(checkpointing, "SECONDS_BETWEEN_CHECKPOINTS", 0)  # one after every step
    for steps in (3, per_epoch):
        with pytest.raises(Cut):
            train(run, tmp_path, After(steps, kill))
    assert train(run, tmp_path) == result


def test_ctrl_c_keeps_the_steps_so_far_and_the_rest_has_the_same_bytes(run, whole, tmp_path):
    result, per_epoch = whole
    kept = []
    for steps in (3, per_epoch):  # the second one in the next epoch
        with pytest.raises(KeyboardInterrupt):
            train(run, tmp_path, After(steps, ctrl_c))
        kept.append(numbers(tmp_path)[-1])
    assert 3 <= kept[0] < per_epoch < kept[1]
    assert train(run, tmp_path) == result


def numbers(folder):
    """Of the checkpoints in a folder."""
    return sorted(int(child.name) for child in folder.iterdir() if child.name.isdigit())
