"""Every kernel on a small case against its reference, on the device that jax chose: for `recsys doctor`."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from recsys_cli.kernels import references
from recsys_cli.kernels.attention import AT_ONCE, packed_attention
from recsys_cli.kernels.blocked_attention import blocked_attention
from recsys_cli.kernels.cross_attention import (
    attend_to_prefixes,
    attend_to_shared_tokens,
    attend_to_tokens,
    multi_hot_columns,
)
from recsys_cli.kernels.cross_entropy import full_softmax_loss, sampled_softmax_loss
from recsys_cli.kernels.products import Products
from recsys_cli.kernels.search import BLOCK, Catalogue, best_items

TOLERANCE: Final = 1e-4  # of the difference to the reference, relative to its largest value
ROUGH: Final = 2e-2  # where factors are rounded to bfloat16's 8 bits
Floats = NDArray[np.floating]
Pairs = list[tuple[object, object]]  # what a kernel gave, and what it should give


class Tested(NamedTuple):
    """One kernel: the largest relative difference to its reference, and how long that took."""

    kernel: str
    difference: float  # NaN where a value is not finite or the kernel could not run
    seconds: float
    trouble: str | None  # what the device said

    @property
    def passed(self) -> bool:
        return self.difference <= (ROUGH if "bfloat16" in self.kernel else TOLERANCE)


def self_test() -> Iterator[Tested]:
    """Test one kernel after another; a second or two each, most of it the compiler's."""
    for kernel, test in _tests().items():
        started = time.monotonic()
        difference, trouble = float("nan"), None
        try:
            with jax.default_matmul_precision("float32"):
                difference = float(np.max([_difference(found, wanted) for found, wanted in test()]))
        except RuntimeError as error:  # the device's own words; anything else is a bug of ours
            trouble = str(error).partition("\n")[0]
        yield Tested(kernel, difference, time.monotonic() - started, trouble)


def _difference(found: object, wanted: object) -> float:
    """Largest difference, relative to the largest value; NaN is not overlooked."""
    expected = np.asarray(wanted, np.float64)
    difference = np.abs(np.asarray(found, np.float64) - expected).max(initial=0.0)
    return float(difference / max(1.0, np.abs(expected).max(initial=0.0)))


def _attention(length: int, attend: Callable[..., jax.Array]) -> Pairs:
    draw = np.random.default_rng(0)
    queries, keys, values = (draw.normal(size=(2, length, 2, 8)).astype(np.float32) for _ in range(3))
    segments = np.sort(draw.integers(0, 4, (2, length)), axis=1).astype(np.int32)
    upstream = draw.normal(size=queries.shape).astype(np.float32)

    @jax.jit
    def both(*arrays: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        output, gradients_of = jax.vjp(lambda *each: attend(*each, segments), *arrays)
        return output, gradients_of(jnp.asarray(upstream))

    output, gradients = both(queries, keys, values)
    wanted = references.attention(queries, keys, values, segments, upstream)
    return list(zip((output, *gradients), wanted, strict=True))


def _cross_entropy(products: Products) -> Pairs:
    draw = np.random.default_rng(1)
    states, items = draw.normal(size=(64, 16)).astype(np.float32), draw.normal(size=(301, 16))
    labels, weights = draw.integers(0, 301, 64), draw.integers(0, 2, 64).astype(np.float32)
    arrays = jnp.asarray(states), jnp.asarray(items, jnp.float32), jnp.asarray(labels), jnp.asarray(weights)
    loss, gradients = jax.value_and_grad(full_softmax_loss, argnums=(0, 1))(*arrays, 16, products)
    wanted, wanted_gradients = references.softmax_loss(states, items, labels, weights)
    logits = (states.astype(np.float64) @ items.T).astype(np.float32)
    hit = labels[:, None] == np.arange(301)
    sampled = sampled_softmax_loss(
        jnp.asarray(logits[hit]), jnp.asarray(logits), jnp.zeros(301), jnp.asarray(hit), arrays[3]
    )
    found = [loss, *gradients, sampled]  # a sample of every item once gives the whole loss
    return list(zip(found, [wanted, *wanted_gradients, wanted], strict=True))


def _cross_attention() -> Pairs:
    draw = np.random.default_rng(2)

    def normal(*shape: int) -> NDArray[np.float32]:
        return draw.normal(size=shape).astype(np.float32)

    seen = np.tril(np.exp(normal(33, 33)))[None].repeat(2, 0)
    prefixes = normal(2, 33, 8), normal(2, 33, 8), normal(17, 8), normal(17, 8), seen
    lists = draw.integers(0, 6, (17, 3)).astype(np.int32)
    lists = np.array([np.pad(np.unique(each), (0, 3))[:3] for each in lists], np.int32)
    tokens = normal(33, 17), normal(33, 17), normal(33, 6), normal(33, 6)
    logits, worth = normal(9), normal(9)
    shared = attend_to_shared_tokens(*_arrays(*tokens), multi_hot=multi_hot_columns(jnp.asarray(lists), 5))
    return [
        (attend_to_prefixes(*_arrays(*prefixes)), references.attend_to_prefixes(*prefixes)),
        (shared, references.attend_to_shared_tokens(*tokens, lists)),
        (
            attend_to_tokens(*_arrays(logits, worth, np.ones(9, bool))),
            references.softmax_sum(logits, worth),
        ),
    ]


def _arrays(*arrays: NDArray[np.generic]) -> list[jax.Array]:
    return [jnp.asarray(array) for array in arrays]


def _search() -> Pairs:
    draw = np.random.default_rng(3)
    items = 40 * BLOCK + 7
    states, vectors = (
        draw.integers(-3, 4, (50, 8)),
        draw.integers(-3, 4, (items, 8)),
    )  # exact, and full of ties
    excluded = draw.integers(0, items + 1, (50, 20)).astype(np.int32)
    arrays = states.astype(np.float32), vectors.astype(np.float32)
    catalogue = Catalogue.build(arrays[1])
    return [
        pair
        for k in (2, 20)  # by blocks of items, and item by item
        for pair in zip(
            best_items(arrays[0], catalogue, excluded, k),
            references.full_sort(*arrays, excluded, k),
            strict=True,
        )
    ]


def _tests() -> dict[str, Callable[[], Pairs]]:
    return {
        "attention": lambda: _attention(40, packed_attention),
        "attention, long rows": lambda: _attention(AT_ONCE + 5, packed_attention),
        "blocked attention": lambda: _attention(40, partial(blocked_attention, block=16)),
        "cross entropy": lambda: _cross_entropy("float32"),
        "cross entropy, bfloat16": lambda: _cross_entropy("bfloat16"),
        "cross attention": _cross_attention,
        "search": _search,
    }
