"""Cross-attention against NumPy references of a few lines, in both directions."""

import jax
import numpy as np
import pytest

from recsys_cli.kernels import references
from recsys_cli.kernels.cross_attention import (
    attend_to_prefixes,
    attend_to_shared_tokens,
    attend_to_tokens,
    bounded_exp,
    multi_hot_columns,
)

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def test_a_user_attends_to_an_items_tokens_as_the_formula_says():
    query, output, keys, values = normal(6), normal(6), normal(4, 6), normal(4, 6)
    z = keys @ query / np.sqrt(6)
    b = np.exp(z) / np.exp(z).sum()
    wanted = output @ (b @ values)
    got = attend_to_tokens(keys @ query / np.sqrt(6), values @ output, np.ones(4, bool))
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_tokens_that_are_not_valid_count_for_nothing_and_none_at_all_gives_zero():
    z, w = normal(5), normal(5)
    valid = np.array([True, False, True, True, False])
    np.testing.assert_allclose(
        attend_to_tokens(z, w, valid), references.softmax_sum(z[valid], w[valid]), rtol=1e-5
    )
    assert float(attend_to_tokens(z, w, np.zeros(5, bool))) == 0.0


def test_an_item_attends_to_every_prefix_of_a_history():
    keys, values, queries, outputs = normal(2, 7, 3), normal(2, 7, 3), normal(5, 3), normal(5, 3)
    visible = np.tril(np.exp(normal(7, 7)))[None].repeat(2, 0)
    arrays = (keys, values, queries, outputs, visible)
    wanted = references.attend_to_prefixes(*arrays)
    np.testing.assert_allclose(attend_to_prefixes(*arrays), wanted, rtol=1e-4, atol=1e-5)


def test_shared_tokens_give_what_each_candidates_own_tokens_give():
    lists = np.array([[1, 3], [2, 0], [0, 0]], np.int32)
    id_z, id_w, a_z, a_w = normal(4, 3), normal(4, 3), normal(4, 4), normal(4, 4)
    got = attend_to_shared_tokens(id_z, id_w, a_z, a_w, multi_hot_columns(lists, 3))
    wanted = references.attend_to_shared_tokens(id_z, id_w, a_z, a_w, lists)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1e3, -1e3])
def test_extreme_logits_stay_finite_in_value_and_gradient(size):
    assert np.isfinite(bounded_exp(np.float32(size)))
    assert np.isfinite(jax.grad(bounded_exp)(np.float32(size)))
