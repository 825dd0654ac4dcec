"""Packed attention against a plain NumPy softmax, one window at a time."""

import jax
import numpy as np
import pytest

from recsys_cli.kernels import attention
from recsys_cli.kernels.attention import packed_attention


def reference(queries, keys, values, segments):
    """Loops: each query sees its own window's earlier tokens."""
    out = np.zeros_like(values)
    rows, length, heads, dim = queries.shape
    for r in range(rows):
        for t in range(length):
            seen = [s for s in range(t + 1) if segments[r, s] == segments[r, t]]
            for h in range(heads):
                z = queries[r, t, h] @ keys[r, seen, h].T / np.sqrt(dim)
                b = np.exp(z - z.max())
                out[r, t, h] = (b / b.sum()) @ values[r, seen, h]
    return out


def arrays(rows, length, heads, dim, seed=0):
    rng = np.random.default_rng(seed)
    shape = (rows, length, heads, dim)
    segments = np.sort(rng.integers(1, 4, (rows, length)), axis=1).astype(np.int32)
    segments[0, -2:] = 0
    return (*(rng.normal(size=shape).astype(np.float32) for _ in range(3)), segments)


def test_packed_attention_equals_a_softmax_over_each_windows_past():
    queries, keys, values, segments = arrays(3, 7, 2, 5)
    got = packed_attention(queries, keys, values, segments)
    wanted = reference(queries, keys, values, segments)
    real = segments > 0
    np.testing.assert_allclose(got[real], wanted[real], atol=1e-5)


@pytest.mark.parametrize("wrt", [0, 1, 2])
def test_blocks_of_queries_give_the_same_values_and_gradients(monkeypatch, wrt):
    args = arrays(2, 12, 2, 3)

    def total(*a):
        return (packed_attention(*a) ** 2 * (args[3] > 0)[..., None, None]).sum()

    whole = jax.value_and_grad(total, argnums=wrt)(*args)
    monkeypatch.setattr(attention, "QUERY_BLOCK", 4)
    blocked = jax.value_and_grad(total, argnums=wrt)(*args)
    np.testing.assert_allclose(blocked[0], whole[0], rtol=1e-5)
    np.testing.assert_allclose(blocked[1], whole[1], atol=1e-5)
