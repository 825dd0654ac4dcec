"""Search by blocks equals a full stable sort, whatever the ties, the exclusions and the shapes."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recsys_cli.kernels import search
from recsys_cli.kernels.references import full_sort
from recsys_cli.kernels.search import BLOCK, Catalogue, best_items

SMALL_INTEGERS = st.sampled_from([-2.0, -1.0, 0.0, 1.0, 3.0])  # full of ties
ITEMS = [1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 3]
ROUGH = [np.float32, jnp.bfloat16]


def assert_equals_a_full_sort(states, vectors, excluded, k):
    """Bit for bit, whatever the rough product is."""
    wanted = full_sort(states, vectors, excluded, k)
    for dtype in ROUGH:
        found = best_items(states, Catalogue.build(vectors, dtype), excluded, k)
        np.testing.assert_array_equal(found[1], wanted[1])
        np.testing.assert_array_equal(found[0], wanted[0])


@pytest.fixture(params=["items", "blocks"])
def _cells(request, monkeypatch):
    """The rough product is of items, or of blocks wherever there are enough of them."""
    monkeypatch.setattr(search, "ITEMS_FOR_BLOCKS", BLOCK if request.param == "blocks" else 1 << 30)


def nothing_excluded(users: int, items: int):
    return np.full((users, 2), items, np.int32)


@pytest.mark.parametrize("items", ITEMS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_it_equals_a_full_stable_sort(items, data):
    states = data.draw(hnp.arrays(np.float32, (3, 4), elements=SMALL_INTEGERS))
    vectors = data.draw(hnp.arrays(np.float32, (items, 4), elements=SMALL_INTEGERS))
    excluded = data.draw(hnp.arrays(np.int32, (3, 6), elements=st.integers(0, items)))
    k = data.draw(st.sampled_from(sorted({1, min(3, items), (items + 1) // 2, items})))
    assert_equals_a_full_sort(states, vectors, excluded, k)


@pytest.mark.usefixtures("_cells")
@pytest.mark.parametrize("limit", [1, 4000, 1 << 21])
@pytest.mark.parametrize(("items", "k"), [(37 * BLOCK + 11, 1), (37 * BLOCK + 11, 9), (20 * BLOCK, 19)])
def test_users_looked_into_in_many_parts_get_the_same_lists(limit, items, k, monkeypatch):
    monkeypatch.setattr(search, "KEYS_AT_A_TIME", limit)
    rng = np.random.default_rng(items + k)
    states = rng.integers(-3, 4, (13, 6)).astype(np.float32)
    states[5] = 0  # all items tied
    vectors = rng.integers(-3, 4, (items, 6)).astype(np.float32)
    excluded = rng.integers(0, items + 1, (13, 40)).astype(np.int32)
    excluded[7] = np.argsort(-(vectors @ states[7]), kind="stable")[:40]  # its best
    assert_equals_a_full_sort(states, vectors, excluded, k)


def test_a_user_with_everything_excluded_gets_minus_infinity_and_the_lowest_columns():
    items = 3 * BLOCK + 5
    rng = np.random.default_rng(0)
    states, vectors = (
        rng.normal(size=(2, 4)).astype(np.float32),
        rng.normal(size=(items, 4)).astype(np.float32),
    )
    excluded = np.tile(np.arange(items, dtype=np.int32), (2, 1))
    excluded[1] = items
    scores, columns = best_items(states, Catalogue.build(vectors), excluded, 2)
    assert columns[0].tolist() == [0, 1]
    assert np.isneginf(scores[0]).all()
    assert np.isfinite(scores[1]).all()


def alike(rng, users, items):
    """Scores alike to a few digits: the rough product tells nothing."""
    return rng.normal(size=(users, 16)), 5 + rng.normal(size=(items, 16)) / 1000


def of_many_lengths(rng, users, items):
    states, vectors = rng.normal(size=(users, 16)), rng.normal(size=(items, 16))
    return states * 10.0 ** rng.uniform(-6, 6, (users, 1)), vectors * 10.0 ** rng.uniform(-3, 3, (items, 1))


def huge(rng, users, items):
    """Products of norms beyond 2**120; no score overflows."""
    return rng.normal(size=(users, 16)) * 1e18, rng.normal(size=(items, 16)) * 1e18


def tiny(rng, users, items):
    """Every product is below the smallest normal number."""
    return rng.normal(size=(users, 16)) * 1e-20, rng.normal(size=(items, 16)) * 1e-21


def subnormal(rng, users, items):
    """Items that a processor may take for zero."""
    return rng.normal(size=(users, 16)) * 1e3, rng.normal(size=(items, 16)) * 1e-40


def beyond_bfloat16(rng, users, items):
    """One item has a value that bfloat16 rounds to infinity."""
    states, vectors = rng.normal(size=(users, 16)) * 1e-3, rng.normal(size=(items, 16))
    states[0], vectors[7, 0] = 0, np.finfo(np.float32).max
    return states, vectors


@pytest.mark.usefixtures("_cells")
@pytest.mark.parametrize("make", [alike, of_many_lengths, huge, tiny, subnormal, beyond_bfloat16])
@pytest.mark.parametrize("k", [1, 10, 300, 1400])
def test_hard_numbers_are_ranked_as_a_full_sort_ranks_them(make, k):
    rng = np.random.default_rng(k)
    states, vectors = (side.astype(np.float32) for side in make(rng, 9, 1500))
    excluded = rng.integers(0, 1501, (9, 30)).astype(np.int32)
    assert_equals_a_full_sort(states, vectors, excluded, k)


def test_lists_do_not_depend_on_who_else_is_in_the_batch():
    rng = np.random.default_rng(2)
    states = rng.normal(size=(67, 8)).astype(np.float32)
    catalogue = Catalogue.build(rng.normal(size=(2000, 8)).astype(np.float32))
    together = best_items(states, catalogue, nothing_excluded(67, 2000), 7)
    for first, last in [(0, 1), (1, 34), (34, 67)]:
        alone = best_items(states[first:last], catalogue, nothing_excluded(last - first, 2000), 7)
        np.testing.assert_array_equal(alone[0], together[0][first:last])
        np.testing.assert_array_equal(alone[1], together[1][first:last])


@pytest.mark.usefixtures("_cells")
@pytest.mark.parametrize("dim", [8, 63])
def test_copies_of_an_item_come_in_the_order_of_their_columns(dim):
    rng = np.random.default_rng(3)
    vectors = np.tile(rng.normal(size=(50, dim)).astype(np.float32), (9, 1))
    states = rng.normal(size=(5, dim)).astype(np.float32)
    scores, columns = best_items(states, Catalogue.build(vectors), nothing_excluded(5, 450), 9)
    assert (np.diff(columns, axis=1) == 50).all()
    assert (np.diff(scores, axis=1) == 0).all()


@pytest.mark.parametrize("dtype", ROUGH)
def test_few_items_are_scored_twice(dtype, monkeypatch):
    """What the rough product is for: it would be as exact, and slow, if its bound were far too wide."""
    looked_into = []
    monkeypatch.setattr(search, "_exclude", lambda scores, *_: looked_into.append(scores.size))
    rng = np.random.default_rng(4)
    states, vectors = (rng.normal(size=(count, 64)).astype(np.float32) for count in (16, 12_000))
    best_items(states, Catalogue.build(vectors, dtype), nothing_excluded(16, 12_000), 100)
    assert sum(looked_into) < 16 * 100 * 1.5
