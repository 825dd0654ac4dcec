"""The floor of a top k: the bare product users × items, in tiles that stay in cache, nothing kept of it."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import turnstile
from vectors import USERS, make_items, make_users

TILE_USERS, TILE_ITEMS = 1024, 4096
given = turnstile.arguments()
users = make_users()
catalogues = {count: make_items(count) for count in given["items"]}
rows = jnp.asarray(users)
columns = {count: jnp.asarray(items) for count, items in catalogues.items()}


@jax.jit
def tile_of(some: jax.Array, items: jax.Array) -> jax.Array:
    """Scores that nobody reads."""
    return some @ items.T


def with_jax(count: int) -> None:
    """Tiles are dispatched ahead; they end in order."""
    for user in range(0, USERS, TILE_USERS):
        for item in range(0, count, TILE_ITEMS):
            tile_of(rows[user : user + TILE_USERS], columns[count][item : item + TILE_ITEMS])
    tile_of(rows[:TILE_USERS], columns[count][:TILE_ITEMS]).block_until_ready()


def with_numpy(count: int) -> None:
    """Every tile into the same buffer."""
    out = np.empty((TILE_USERS, TILE_ITEMS), np.float32)
    for user in range(0, USERS, TILE_USERS):
        for item in range(0, count, TILE_ITEMS):
            some = catalogues[count][item : item + TILE_ITEMS]
            np.matmul(users[user : user + TILE_USERS], some.T, out=out[:, : len(some)])


def speed(count: int) -> float:
    """Users a second of the faster of the two."""
    seconds: list[float] = []
    for product in (with_jax, with_numpy):
        started = time.perf_counter()
        product(count)
        seconds.append(time.perf_counter() - started)
    return USERS / min(seconds)


for count in given["items"]:
    speed(count)
turnstile.ready("jax", "numpy")
while True:
    cell = turnstile.wait()
    turnstile.report(speed=speed(cell["items"]))
