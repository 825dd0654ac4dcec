"""Properties of the whole model: packing, causality, and two ways to the same score."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recsys_cli.batches.batch import Batch
from recsys_cli.config.settings import ModelSettings
from recsys_cli.kernels import attention
from recsys_cli.models.cross_attention import HeadUser
from recsys_cli.models.recommender import ModelSize, Recommender, candidates_of

ITEMS, ATTRIBUTES, LEVELS, LENGTH = 11, 5, 3, 9
SETTINGS = ModelSettings(embedding_dim=6, num_heads=3, num_blocks=2, max_length=LENGTH, head_dim=4)
RNG = np.random.default_rng(0)
LISTS = jnp.asarray(
    np.where(RNG.random((ITEMS + 1, 3)) < 0.6, np.array([1, 2, 3]) + RNG.integers(0, 2, (ITEMS + 1, 1)), 0)
)


@pytest.fixture
def model():
    fresh = Recommender(SETTINGS, ModelSize(ITEMS, ATTRIBUTES, LEVELS), rngs=nnx.Rngs(0))
    graph, state = nnx.split(fresh)
    key = jax.random.key(1)
    return nnx.merge(graph, jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(key, leaf.shape), state))


def row(*histories, length=LENGTH):
    """One packed row; events are (item, rating), user attributes are ("u", number)."""
    fields = np.zeros((6, 1, length), np.int32)
    column = 0
    for segment, history in enumerate(histories, start=1):
        for position, (item, rating) in enumerate(history):
            values = (0, rating, 0) if item == "u" else (item, 0, rating)
            fields[:5, 0, column] = (*values, segment, position)
            column += 1
    return Batch(*map(jnp.asarray, fields))


FIRST = [("u", 2), (3, 1), (7, 2), (1, 3)]
SECOND = [("u", 4), (9, 3), (3, 1)]


def test_packed_and_unpacked_histories_give_the_same_states(model):
    packed = model.encode(row(FIRST, SECOND), LISTS).states[0]
    np.testing.assert_allclose(packed[:4], model.encode(row(FIRST), LISTS).states[0, :4], atol=1e-5)
    np.testing.assert_allclose(packed[4:7], model.encode(row(SECOND), LISTS).states[0, :3], atol=1e-5)


def test_a_future_event_never_changes_an_earlier_position(model):
    one = model.encode(row([*FIRST, (5, 1)]), LISTS).states[0]
    other = model.encode(row([*FIRST, (8, 3)]), LISTS).states[0]
    np.testing.assert_array_equal(one[:4], other[:4])
    assert not np.allclose(one[4], other[4])


@pytest.mark.parametrize(
    "changed",
    [[("u", 3), *FIRST[1:]], [FIRST[0], (3, 2), *FIRST[2:]], [FIRST[0], FIRST[2], FIRST[1], FIRST[3]]],
)
def test_user_attributes_ratings_and_order_matter(model, changed):
    one = model.encode(row(FIRST), LISTS).states[0, 3]
    other = model.encode(row(changed), LISTS).states[0, 3]
    assert float(jnp.abs(one - other).max()) > 1e-3


def test_an_items_vector_is_its_id_plus_the_mean_of_its_attributes(model):
    tables = model.embeddings
    number = next(n for n in range(1, ITEMS + 1) if 0 < (LISTS[n] > 0).sum() < 3)
    own = LISTS[number][LISTS[number] > 0]
    wanted = tables.items[number] + tables.attributes[own].mean(axis=0)
    np.testing.assert_allclose(model.catalogue(LISTS)[number], wanted, rtol=1e-5)


def test_training_and_scoring_give_a_candidate_the_same_cross_attention(model):
    batch = row(FIRST, SECOND)
    encoded = model.encode(batch, LISTS)
    shared = candidates_of(jnp.array([1, 4, 6, 11]), LISTS)
    targets = candidates_of(jnp.full((1, LENGTH), 6), LISTS)
    vectors = tuple(model.embeddings.item_vectors(*each) for each in (targets, shared))
    target, others = model.head.score_all_positions(
        model.embeddings, encoded.states, encoded.history, batch.segments, targets, shared, vectors
    )
    np.testing.assert_allclose(target[0, :7], others[0, :7, 2], rtol=1e-4, atol=1e-5)
    tables = model.head.tables(model.embeddings, LISTS)
    for column, start, length in [(3, 0, 4), (6, 4, 3), (4, 4, 1)]:
        history = jnp.zeros((LENGTH, 6)).at[:length].set(encoded.history[0, start : start + length])
        user = HeadUser(encoded.states[0, column], history, jnp.asarray(length))
        np.testing.assert_allclose(
            model.head.score(tables, user, shared), others[0, column], rtol=1e-4, atol=1e-5
        )


def test_dropout_changes_states_only_when_a_key_is_given(model):
    batch = row(FIRST)
    plain = model.encode(batch, LISTS).states
    np.testing.assert_array_equal(plain, model.encode(batch, LISTS).states)
    assert not np.allclose(
        plain, model.encode(batch, LISTS, jax.random.split(jax.random.key(3), len(batch.items))).states
    )


@pytest.mark.parametrize("length", [8, 9])
def test_the_head_reads_a_long_history_in_blocks_as_it_reads_it_whole(model, monkeypatch, length):
    rng = np.random.default_rng(0)
    history = jnp.asarray(rng.normal(size=(2, length, 6)), jnp.float32)
    segments = jnp.asarray(np.sort(rng.integers(0, 3, (2, length)))[:, ::-1].copy())
    numbers = jnp.asarray(rng.integers(1, len(LISTS), (2, length)))

    def summed(history):
        targets, shared = candidates_of(numbers, LISTS), candidates_of(numbers[0, :3], LISTS)
        vectors = tuple(model.embeddings.item_vectors(*each) for each in (targets, shared))
        scores = model.head.score_all_positions(
            model.embeddings, history, history, segments, targets, shared, vectors
        )
        return sum((jnp.sin(part) * (1 + jnp.arange(part.size).reshape(part.shape))).sum() for part in scores)

    whole = jax.value_and_grad(summed)(history)
    monkeypatch.setattr(attention, "AT_ONCE", 7)
    monkeypatch.setattr(attention, "BLOCK", 4)
    blocks = jax.value_and_grad(summed)(history)
    np.testing.assert_allclose(blocks[0], whole[0], rtol=1e-5)
    np.testing.assert_allclose(blocks[1], whole[1], rtol=1e-4, atol=1e-4)
