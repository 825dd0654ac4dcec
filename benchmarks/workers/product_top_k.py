"""The floor of a top k: the bare product users × items, in tiles that stay in cache, nothing kept of it.

Which library and which tiles are fastest for a catalogue is tried before the first round.
"""

import itertools
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import turnstile
from vectors import USERS, make_items, make_users

TILES = tuple(itertools.product((256, 1024), (1024, 4096, 16_384)))  # users, items
given = turnstile.arguments()
users = make_users()
catalogues = {count: make_items(count) for count in given["items"]}
rows = jnp.asarray(users)
columns = {count: jnp.asarray(items) for count, items in catalogues.items()}
Product = Callable[[int, int, int], None]  # of a catalogue, in tiles of so many users and items


@jax.jit
def tile_of(some: jax.Array, items: jax.Array) -> jax.Array:
    """Scores that nobody reads."""
    return some @ items.T


def with_jax(count: int, high: int, wide: int) -> None:
    """Tiles are dispatched ahead; they end in order."""
    tile = None
    for user in range(0, USERS, high):
        for item in range(0, count, wide):
            tile = tile_of(rows[user : user + high], columns[count][item : item + wide])
    jax.block_until_ready(tile)


def with_numpy(count: int, high: int, wide: int) -> None:
    """Every tile into the same buffer."""
    out = np.empty((high, wide), np.float32)
    for user in range(0, USERS, high):
        for item in range(0, count, wide):
            some = catalogues[count][item : item + wide]
            np.matmul(users[user : user + high], some.T, out=out[:, : len(some)])


def seconds(product: Product, count: int, high: int, wide: int) -> float:
    """Of all users."""
    started = time.perf_counter()
    product(count, high, wide)
    return time.perf_counter() - started


def fastest(count: int) -> tuple[Product, int, int]:
    """Each way is run twice, since the first time compiles."""
    ways = [(product, high, wide) for product in (with_jax, with_numpy) for high, wide in TILES]
    return min(ways, key=lambda way: min(seconds(way[0], count, *way[1:]) for _ in range(2)))


chosen = {count: fastest(count) for count in given["items"]}
turnstile.ready("jax", "numpy")
while True:
    count = turnstile.wait()["items"]
    product, high, wide = chosen[count]
    turnstile.report(speed=USERS / seconds(product, count, high, wide))
