"""Tiled and sampled losses against the plain ones, values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cli.config.processors import multiplies_bfloat16
from recsys_cli.kernels import references
from recsys_cli.kernels.cross_entropy import full_softmax_loss, sampled_softmax_loss

ROUNDING = {"float32": 1e-6, "bfloat16": 2.0**-8}  # of a product of two rounded numbers


@pytest.mark.parametrize("products", ["float32", "bfloat16"])
@settings(max_examples=8, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(2, 11), st.integers(1, 5), st.integers(0, 99))
def test_the_tiled_loss_and_its_gradients_equal_the_plain_ones(products, tiles, tile, items, dim, seed):
    if products == "bfloat16" and not multiplies_bfloat16():
        pytest.skip("this processor does not multiply bfloat16")
    rng = np.random.default_rng(seed)
    targets = tiles * tile
    states = rng.normal(size=(targets, dim)).astype(np.float32)
    vectors = rng.normal(size=(items, dim)).astype(np.float32)
    labels = rng.integers(0, items, targets)
    weights = rng.integers(0, 2, targets).astype(np.float32)
    plain = references.softmax_loss(states, vectors, labels, weights)
    states, vectors, labels, weights = map(jnp.asarray, (states, vectors, labels, weights))
    tiled = jax.value_and_grad(full_softmax_loss, argnums=(0, 1))(
        states, vectors, labels, weights, tile, products
    )
    largest = float(jnp.linalg.norm(states, axis=1).max() * jnp.linalg.norm(vectors, axis=1).max())
    scale = targets * max(1.0, largest, float(jnp.abs(vectors).max()), float(jnp.abs(states).max()))
    for got, wanted in zip(jax.tree.leaves(tiled), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2 * ROUNDING[products] * scale)


def test_large_logits_do_not_overflow():
    loss = full_softmax_loss(
        jnp.full((2, 1), 200.0), jnp.array([[1.0], [-1.0]]), jnp.array([0, 1]), jnp.ones(2), 2
    )
    assert float(loss) == pytest.approx(400.0)


def test_sampling_every_item_once_gives_the_full_softmax():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(7, 11)).astype(np.float32)
    labels = rng.integers(0, 11, 7)
    hit = labels[:, None] == np.arange(11)
    sampled = sampled_softmax_loss(logits[hit], logits, jnp.zeros(11), hit, jnp.ones(7))
    full = -jnp.take_along_axis(jax.nn.log_softmax(logits, axis=1), labels[:, None], axis=1).sum()
    np.testing.assert_allclose(sampled, full, rtol=1e-5)


def test_the_logq_correction_makes_the_partition_function_unbiased():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=50).astype(np.float32)
    q = rng.dirichlet(np.ones(50))
    draws = rng.choice(50, size=(4000, 20), p=q)
    corrected = np.exp(logits[draws] - np.log(20 * q[draws])).sum(axis=1)
    assert corrected.mean() == pytest.approx(np.exp(logits).sum(), rel=0.05)
    loss = sampled_softmax_loss(
        jnp.array([0.3]),
        logits[draws[0]][None],
        np.log(20 * q[draws[0]]),
        np.zeros((1, 20), bool),
        jnp.ones(1),
    )
    assert float(loss) == pytest.approx(np.log(np.exp(0.3) + corrected[0]) - 0.3, rel=1e-4)
