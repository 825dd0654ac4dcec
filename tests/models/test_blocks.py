"""Dropout: a row's own, of the rate asked for, and without a bias."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recsys_cli.models.blocks import dropout

KEYS = jax.random.split(jax.random.key(1), 3)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 0.999])
def test_the_rate_is_kept_to_a_256th_and_the_mean_exactly(rate):
    ones = jnp.ones((3, 401, 101))
    got = np.asarray(dropout(ones, rate, KEYS))
    kept = got > 0
    nearest = min(255, round(256 * rate)) / 256
    assert abs(kept.mean() - (1 - nearest)) < 4 * np.sqrt(nearest * (1 - nearest) / got.size)
    np.testing.assert_allclose(got[kept], 1 / (1 - nearest), rtol=1e-6)


def test_a_row_is_dropped_by_its_own_key_wherever_it_stands():
    values = jnp.ones((3, 5, 7))
    whole = dropout(values, 0.5, KEYS)
    np.testing.assert_array_equal(dropout(values[:2], 0.5, KEYS[1:]), whole[1:])
    assert not np.array_equal(whole[0], whole[1])


def test_nothing_is_dropped_without_keys_or_at_rate_0():
    values = jnp.ones((3, 5, 7))
    np.testing.assert_array_equal(dropout(values, 0.5, None), values)
    np.testing.assert_array_equal(dropout(values, 0.0, KEYS), values)
