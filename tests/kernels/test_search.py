"""Search by blocks equals a full stable sort, whatever the ties, the exclusions and the shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recsys_cli.kernels import search
from recsys_cli.kernels.references import full_sort
from recsys_cli.kernels.search import BLOCK, Catalogue, best_items

SMALL_INTEGERS = st.sampled_from(
    [-2.0, -1.0, 0.0, 1.0, 3.0]
)  # exact in any order of addition, and full of ties
ITEMS = [1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 3]


def assert_equals_a_full_sort(states, vectors, excluded, k):
    found = best_items(states, Catalogue.build(vectors), excluded, k)
    wanted = full_sort(states, vectors, excluded, k)
    np.testing.assert_array_equal(found[1], wanted[1])
    np.testing.assert_array_equal(found[0], wanted[0])


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


@pytest.mark.parametrize("limit", [1, 40, 1 << 14])
@pytest.mark.parametrize(("items", "k"), [(37 * BLOCK + 11, 1), (37 * BLOCK + 11, 9), (20 * BLOCK, 19)])
def test_users_looked_into_in_many_parts_get_the_same_lists(limit, items, k, monkeypatch):
    monkeypatch.setattr(search, "PAIRS_AT_A_TIME", limit)
    monkeypatch.setattr(search, "GROUP", 1 if limit == 1 else 4)
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


@pytest.mark.parametrize("scale", [1e-18, 1.0, 1e15])
def test_no_item_with_a_clearly_higher_true_score_is_missed(scale):
    rng = np.random.default_rng(1)
    states = rng.normal(size=(9, 16)).astype(np.float32) * np.float32(scale)
    vectors = (5 + rng.normal(size=(1500, 16)) / 1000).astype(np.float32)  # scores alike to a few digits
    scores, columns = best_items(states, Catalogue.build(vectors), nothing_excluded(9, 1500), 10)
    true = states.astype(np.float64) @ vectors.T.astype(np.float64)
    rounding = 2 * 16 * 2.0**-24 * np.linalg.norm(states, axis=1) * np.linalg.norm(vectors, axis=1).max()
    tenth = -np.sort(-true, axis=1)[:, 9]
    assert (np.take_along_axis(true, columns, 1) >= (tenth - rounding)[:, None]).all()
    assert (np.diff(scores, axis=1) <= 0).all()


def test_lists_do_not_depend_on_who_else_is_in_the_batch():
    rng = np.random.default_rng(2)
    states = rng.normal(size=(67, 8)).astype(np.float32)
    catalogue = Catalogue.build(rng.normal(size=(2000, 8)).astype(np.float32))
    together = best_items(states, catalogue, nothing_excluded(67, 2000), 7)
    for first, last in [(0, 1), (1, 34), (34, 67)]:
        alone = best_items(states[first:last], catalogue, nothing_excluded(last - first, 2000), 7)
        np.testing.assert_array_equal(alone[0], together[0][first:last])
        np.testing.assert_array_equal(alone[1], together[1][first:last])


def test_copies_of_an_item_come_in_the_order_of_their_columns():
    rng = np.random.default_rng(3)
    vectors = np.tile(rng.normal(size=(50, 8)).astype(np.float32), (9, 1))
    _, columns = best_items(
        rng.normal(size=(5, 8)).astype(np.float32), Catalogue.build(vectors), nothing_excluded(5, 450), 9
    )
    assert (np.diff(columns, axis=1) == 50).all()
