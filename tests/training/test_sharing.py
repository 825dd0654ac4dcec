"""Several devices train as one does: the same losses and weights, up to rounding."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from recsys_cli.config.settings import ModelSettings, TrainSettings
from recsys_cli.models.store import open_model
from recsys_cli.stages.train import train
from recsys_cli.training.sharing import share_rows

# Runs in a process of its own, since the number of devices is fixed when jax starts.
SCRIPT = """
import json, sys
import jax, jax.numpy as jnp, numpy as np
from recsys_cli.batches.batch import Batch
from recsys_cli.config.settings import ModelSettings, TrainSettings
from recsys_cli.models.recommender import ModelSize
from recsys_cli.models.parameters import fresh_params, structure
from recsys_cli.training.optimizer import make_optimizer
from recsys_cli.training.sharing import share_rows
from recsys_cli.training.step import initial_state, make_train_step

ROWS, LENGTH, ITEMS, STEPS = 11, 7, 13, 4
model = ModelSettings(embedding_dim=8, num_heads=2, num_blocks=1, max_length=LENGTH, head_dim=4, dropout=0.3)
settings = TrainSettings(model=model, cross_attention_candidates=5, sampled_negatives=6, tile_size=4)
lists = np.random.default_rng(0).integers(0, 4, (ITEMS + 1, 2))

def batch(seed):
    rng = np.random.default_rng(seed)
    items = rng.integers(1, ITEMS + 1, (ROWS, LENGTH + 1)).astype(np.int32)
    segments = np.sort(rng.integers(1, 3, (ROWS, LENGTH)), axis=1).astype(np.int32)
    segments[0, 4:] = 0  # a device with fewer targets than the others
    real = segments > 0
    positions = np.zeros_like(segments)
    return Batch(*(map(jnp.asarray, (items[:, :-1] * real, 0 * items[:, 1:], 0 * items[:, 1:], segments,
                                     positions, items[:, 1:] * real))))

def train(devices, full_softmax):
    fresh = structure(model, ModelSize(ITEMS, 3, 0))
    optimizer = make_optimizer(settings, STEPS)
    sharing = share_rows(ROWS, jax.devices()[:devices])
    step = make_train_step(fresh, optimizer, settings, full_softmax=full_softmax, sharing=sharing)
    state = initial_state(fresh_params(fresh, settings.seed), optimizer)
    state, attributes = sharing.replicate((state, jnp.asarray(lists)))
    args = state, sharing.split(batch(0)), attributes
    text = step.lower(*args).compile().as_text()
    exported = jax.export.export(step, platforms=["cuda", "tpu"])(*args)
    losses = []
    for number in range(STEPS):
        state, loss = step(state, sharing.split(batch(number)), attributes)
        losses.append([float(part) for part in loss])
    leaves = jax.tree.leaves(sharing.one_copy(state).params)
    return {
        "losses": losses,
        "weights": np.concatenate([np.ravel(leaf) for leaf in leaves]).tolist(),
        "gathers": text.count("all-gather") + text.count("all-to-all"),
        "exported_for": exported.nr_devices,
        "compiled": step._cache_size(),
    }

print(json.dumps({str((n, full)): train(n, full) for n in (1, 8) for full in (True, False)}))
"""

# Trains a whole model; what it logs goes to stderr.
TRAIN = """
import logging, sys
from pathlib import Path
from recsys_cli.config.settings import TrainSettings
from recsys_cli.stages.train import train
logging.basicConfig(level=logging.INFO, force=True)  # absl has set it up already
dataset, output, settings = sys.argv[1:]
train(Path(dataset), Path(output), settings=TrainSettings.model_validate_json(settings))
"""


def on_eight_devices(script, *args):
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.run(command, env=os.environ | flags, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def runs():
    return json.loads(on_eight_devices(SCRIPT).stdout)


@pytest.mark.slow
@pytest.mark.parametrize("full_softmax", [True, False])
def test_many_devices_give_the_losses_and_weights_of_one(runs, full_softmax):
    many, one = (runs[str((devices, full_softmax))] for devices in (8, 1))
    np.testing.assert_allclose(many["losses"], one["losses"], rtol=1e-5)
    np.testing.assert_allclose(many["weights"], one["weights"], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("full_softmax", [True, False])
def test_devices_add_up_gradients_and_exchange_nothing_else(runs, full_softmax):
    many = runs[str((8, full_softmax))]
    assert (many["gathers"], many["compiled"]) == (0, 1)


@pytest.mark.slow
def test_the_shared_step_exports_for_as_many_accelerators(runs):
    assert {devices: runs[str((devices, True))]["exported_for"] for devices in (8, 1)} == {8: 6, 1: 1}


@pytest.mark.slow
def test_a_run_on_eight_devices_is_the_run_on_one(make_dataset, tmp_path):
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 9, 60)
    histories = {
        f"u{u:02}": [f"i{(start + s) % 9}" for s in range(rng.integers(2, 8))]
        for u, start in enumerate(starts)
    }
    dataset = make_dataset(histories)
    model = ModelSettings(embedding_dim=8, num_heads=2, num_blocks=1, max_length=12, head_dim=4)
    settings = TrainSettings(model=model, epochs=2, rows_per_batch=4, candidates=5)
    train(dataset, tmp_path / "one", settings=settings)
    done = on_eight_devices(TRAIN, dataset, tmp_path / "many", settings.model_dump_json())
    one, many = ((open_model(tmp_path / name).artifact.file("history.jsonl")) for name in ("one", "many"))
    for line, other in zip(one.read_text().splitlines(), many.read_text().splitlines(), strict=True):
        assert json.loads(line) == pytest.approx(json.loads(other), rel=1e-4)
    assert "training on 4 of 8 devices, which share a batch's 4 rows" in done.stderr


@pytest.mark.parametrize(
    ("rows", "devices", "used", "each"),
    [(16, 1, 1, 0), (16, 8, 8, 2), (16, 6, 6, 3), (16, 5, 4, 4), (3, 8, 3, 1), (5, 2, 2, 3)],
)
def test_devices_have_equal_numbers_of_rows_and_none_has_only_empty_ones(rows, devices, used, each):
    sharing = share_rows(rows, jax.devices() * devices)
    assert (sharing.num_devices, sharing.rows_each) == (used, each)
