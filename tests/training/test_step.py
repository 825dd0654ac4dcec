"""The compiled step: it learns, compiles once, repeats itself, and lowers for every platform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recsys_cli.batches.batch import Batch
from recsys_cli.batches.epochs import batches, make_epoch
from recsys_cli.batches.events import event_arrays, training_data
from recsys_cli.config.settings import ModelSettings, TrainSettings
from recsys_cli.kernels.attention import AT_ONCE
from recsys_cli.models.cross_attention import HeadUser
from recsys_cli.models.parameters import fresh_params, structure, with_params
from recsys_cli.models.recommender import ModelSize
from recsys_cli.scoring.rerank import cross_attention_scores, head_tables
from recsys_cli.scoring.retrieve import retrieve
from recsys_cli.scoring.users import encode_rows
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Sequences
from recsys_cli.training.optimizer import make_optimizer
from recsys_cli.training.step import initial_state, make_train_step

ITEMS, USERS, LENGTH = 13, 40, 8
LISTS = jnp.asarray(np.random.default_rng(0).integers(0, 4, (ITEMS + 1, 2)))


def settings(length=LENGTH, **changes):
    model = ModelSettings(
        embedding_dim=8, num_heads=2, num_blocks=1, max_length=length, head_dim=4, dropout=0.1
    )
    return TrainSettings(
        model=model,
        rows_per_batch=3,
        learning_rate=0.01,
        cross_attention_candidates=5,
        sampled_negatives=6,
        **changes,
    )


def cyclic_data():
    """Users walk through the items in a circle, so that the next item is certain."""
    rng = np.random.default_rng(1)
    lists = [(rng.integers(ITEMS) + np.arange(rng.integers(3, 7))) % ITEMS + 1 for _ in range(USERS)]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in lists])]).astype(np.int64)
    items = np.concatenate(lists).astype(np.int32)
    stops = offsets[1:]
    source = Sequences(items, np.arange(len(items)), None, np.ones(len(items), bool), offsets, stops, stops)
    events = event_arrays(
        source, Ragged(np.zeros(0, np.int32), np.zeros(USERS + 1, np.int64)), edges=[], stops=stops
    )
    return training_data(source, events, stops=stops)


def run(chosen, epochs, full_softmax=True):
    model = structure(chosen.model, ModelSize(ITEMS, 3, 0))
    data = cyclic_data()
    optimizer = make_optimizer(chosen, 400)
    state = initial_state(fresh_params(model, chosen.seed), optimizer)
    step = make_train_step(model, optimizer, chosen, full_softmax=full_softmax)
    losses = []
    for epoch in range(1, epochs + 1):
        plan = make_epoch(data, length=LENGTH, seed=chosen.seed, epoch=epoch)
        for batch in batches(data, plan, rows_per_batch=3, length=LENGTH):
            state, loss = step(state, batch, LISTS)
            losses.append([float(part) for part in loss])
    return state, np.array(losses), step


@pytest.mark.parametrize("full_softmax", [True, False])
def test_both_losses_learn_a_certain_next_item(full_softmax):
    _, losses, _ = run(settings(), 25, full_softmax)
    per_target = losses[:, :2] / losses[:, 2:]
    assert (per_target[-5:].mean(axis=0) < 0.4 * per_target[:5].mean(axis=0)).all()


def test_nothing_is_compiled_after_the_first_step():
    _, _, step = run(settings(), 3)
    assert step._cache_size() == 1


def test_a_run_repeats_itself_to_the_last_bit():
    one, _, _ = run(settings(), 2)
    two, _, _ = run(settings(), 2)
    jax.tree.map(np.testing.assert_array_equal, one.params, two.params)


def test_another_seed_gives_another_run():
    _, losses, _ = run(settings(), 1)
    _, others, _ = run(settings(seed=1), 1)
    assert not np.allclose(losses, others)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize(("full_softmax", "length"), [(True, LENGTH), (False, LENGTH), (True, AT_ONCE + 1)])
def test_the_train_step_lowers_and_exports(platform, full_softmax, length):
    chosen = settings(length)
    model = structure(chosen.model, ModelSize(ITEMS, 3, 0))
    optimizer = make_optimizer(chosen, 10)
    step = make_train_step(model, optimizer, chosen, full_softmax=full_softmax)
    data = cyclic_data()
    batch = next(
        batches(data, make_epoch(data, length=length, seed=0, epoch=1), rows_per_batch=3, length=length)
    )
    state = initial_state(fresh_params(model, 0), optimizer)
    exported = jax.export.export(step, platforms=[platform])(state, batch, LISTS)
    assert exported.platforms == (platform,)
    assert "stablehlo" in exported.mlir_module()


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_the_score_steps_lower_and_export(platform):
    chosen = settings()
    empty = structure(chosen.model, ModelSize(ITEMS, 3, 0))
    model = with_params(empty, fresh_params(empty, 0))
    data = cyclic_data()
    batch = next(
        batches(data, make_epoch(data, length=LENGTH, seed=0, epoch=1), rows_per_batch=3, length=LENGTH)
    )
    states, excluded = jnp.zeros((4, 8)), jnp.zeros((4, 2), jnp.int32)
    user = HeadUser(states, jnp.zeros((4, LENGTH, 8)), jnp.ones(4, jnp.int32))
    tables = head_tables(model, LISTS)
    calls = [
        (encode_rows, (model, batch, LISTS), {}),
        (retrieve, (states, jnp.zeros((ITEMS, 8)), excluded, None), {"keep": 5}),
        (cross_attention_scores, (model, tables, user, jnp.ones((4, 3), jnp.int32), LISTS), {}),
    ]
    for function, args, options in calls:
        exported = jax.export.export(function, platforms=[platform])(*args, **options)
        assert exported.platforms == (platform,)


@pytest.mark.parametrize(("precision", "named"), [("float32", "HIGHEST"), ("bfloat16", "DEFAULT")])
def test_the_precision_asked_for_reaches_the_products(precision, named):
    states, excluded = jnp.zeros((4, 8)), jnp.zeros((4, 2), jnp.int32)
    with jax.default_matmul_precision(precision):
        lowered = retrieve.lower(states, jnp.zeros((ITEMS, 8)), excluded, None, keep=5).as_text()
    assert f"precision = [{named}, {named}]" in lowered


def temporary_bytes(rows, length, head):
    """Of one compiled step."""
    chosen = settings(length)
    chosen = chosen.model_copy(update={"model": chosen.model.model_copy(update={"cross_attention": head})})
    model = structure(chosen.model, ModelSize(ITEMS, 3, 0))
    optimizer = make_optimizer(chosen, 10)
    step = make_train_step(model, optimizer, chosen, full_softmax=True)
    batch = Batch(*[jax.ShapeDtypeStruct((rows, length), jnp.int32)] * 6)
    compiled = step.lower(initial_state(fresh_params(model, 0), optimizer), batch, LISTS).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(("head", "most"), [(False, 1.1), (True, 1.5)])
def test_the_memory_of_a_step_depends_on_its_positions_and_not_on_the_length_of_a_row(head, most):
    short, long, longest = (temporary_bytes(*shape, head) for shape in [(16, 512), (4, 2048), (1, 8192)])
    assert long < 1.1 * short
    assert longest < most * short  # the head works off a row at a time
