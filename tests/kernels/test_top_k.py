"""Exact top-k equals a full stable sort, whatever the ties."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recsys_cli.kernels.top_k import WORTH_BLOCKS, top_k, top_k_by_blocks

by_blocks = jax.jit(top_k_by_blocks, static_argnums=(1, 2))

FEW_VALUES = st.sampled_from([-np.inf, -1.5, 0.0, 0.25, 3.0])
SHAPES = [(5, 1), (3, 7), (2, 23), (4, 64)]


def assert_equals_a_full_sort(found, scores: np.ndarray, k: int) -> None:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found[1], order)
    np.testing.assert_array_equal(found[0], np.take_along_axis(scores, order, axis=1))


@pytest.mark.parametrize("shape", SHAPES)
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_it_equals_a_full_stable_sort(shape, data):
    scores = data.draw(hnp.arrays(np.float32, shape, elements=FEW_VALUES))
    k = data.draw(st.sampled_from(sorted({1, (shape[1] + 1) // 2, shape[1]})))
    assert_equals_a_full_sort(top_k(scores, k), scores, k)


@pytest.mark.parametrize(("items", "block", "k"), [(23, 4, 6), (23, 4, 1), (24, 8, 3), (9, 9, 1), (17, 2, 5)])
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_looking_only_into_the_best_blocks_equals_a_full_stable_sort(items, block, k, data):
    scores = data.draw(hnp.arrays(np.float32, (3, items), elements=FEW_VALUES))
    assert_equals_a_full_sort(by_blocks(scores, k, block), scores, k)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_a_large_catalogue_goes_through_blocks_and_ties_still_go_to_the_lowest_index(k):
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 40, (7, 5 * WORTH_BLOCKS + 11)).astype(np.float32)
    scores[2] = -np.inf
    scores[4, :-2] = -np.inf
    assert_equals_a_full_sort(top_k(scores, k), scores, k)
