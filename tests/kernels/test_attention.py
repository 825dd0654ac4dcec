"""Packed attention against a plain softmax, one window at a time, and its memory on long rows."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cli.kernels import references
from recsys_cli.kernels.attention import AT_ONCE, _fused_attention, packed_attention
from recsys_cli.kernels.blocked_attention import blocked_attention


def arrays(rows, length, heads, dim, windows=3, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    shape = (rows, length, heads, dim)
    segments = np.sort(rng.integers(1, windows + 1, (rows, length)), axis=1).astype(np.int32)
    segments[0, length - length // 3 :] = 0
    return (*(rng.normal(size=shape, scale=scale).astype(np.float32) for _ in range(3)), segments)


def assert_equals_the_reference(attention, args):
    upstream = np.cos(np.arange(args[0].size)).reshape(args[0].shape)

    @jax.jit
    def both(*arrays):
        out, gradients_of = jax.vjp(lambda *a: attention(*a, args[3]), *arrays)
        return out, gradients_of(jnp.float32(upstream))

    got, gradients = both(*args[:3])
    wanted, *wanted_gradients = references.attention(*args, upstream)
    # Logits of a hundred are rounded by 1e-5, and so are weights, relatively.
    np.testing.assert_allclose(got, wanted, atol=1e-5 * max(1.0, np.abs(wanted).max()))
    for one, other in zip(gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_short_row_is_a_softmax_over_each_windows_past():
    assert_equals_the_reference(packed_attention, arrays(3, 7, 2, 5))


def test_a_row_longer_than_is_held_at_once_is_too():
    assert_equals_the_reference(packed_attention, arrays(2, AT_ONCE + 5, 1, 3))


def test_so_is_what_runs_on_accelerators():
    def attention(queries, keys, values, segments):
        mask = (segments[:, :, None] == segments[:, None, :]) & np.tri(9, dtype=bool)
        return _fused_attention(queries, keys, values, mask[:, None])

    assert_equals_the_reference(attention, arrays(3, 9, 2, 5))


@settings(max_examples=10, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 17), st.integers(1, 3), st.integers(1, 5)),
    windows=st.integers(1, 6),
    block=st.sampled_from([1, 3, 4, 16]),
    scale=st.sampled_from([0.1, 1.0, 5.0]),
    seed=st.integers(0, 99),
)
def test_blocks_have_its_values_and_gradients_at_any_shape(shape, windows, block, scale, seed):
    args = arrays(*shape, windows=windows, seed=seed, scale=scale)
    assert_equals_the_reference(lambda *a: blocked_attention(*a, block), args)


def test_a_later_token_and_another_window_change_nothing_in_a_long_row():
    queries, keys, values, segments = arrays(1, 40, 2, 3)
    segments[0] = np.repeat([1, 2], 20)
    before = blocked_attention(queries, keys, values, segments, 8)
    keys[0, 30:], values[0, 30:] = 9, 9  # the second window, from its eleventh token
    after = blocked_attention(queries, keys, values, segments, 8)
    np.testing.assert_array_equal(before[0, :30], after[0, :30])
    assert not np.allclose(before[0, 30:], after[0, 30:])


def temporary_bytes(rows, length):
    array = jax.ShapeDtypeStruct((rows, length, 2, 16), jnp.float32)
    segments = jax.ShapeDtypeStruct((rows, length), jnp.int32)
    gradient = jax.jit(jax.grad(lambda *a: packed_attention(*a).sum(), argnums=(0, 1, 2)))
    return gradient.lower(array, array, array, segments).compile().memory_analysis().temp_size_in_bytes


def test_memory_depends_on_the_positions_and_not_on_the_length_of_a_row():
    short, long, longest = (temporary_bytes(*shape) for shape in [(16, 512), (4, 2048), (1, 8192)])
    assert long < 1.1 * short
    assert longest < 1.1 * short
