"""What the machine can do: the faster 2048³ float32 product of NumPy and JAX, and a large copy."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import turnstile

SIZE = 2048
COPIED = 1 << 30  # bytes; each is read once and written once
REPEATS = 8
threads = turnstile.arguments()["threads"]
a, b = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), np.float32)
left, right = jnp.asarray(a), jnp.asarray(b)
multiply = jax.jit(jnp.matmul)
pool = ThreadPoolExecutor(threads)


def best(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of `repeats`: a floor is what the machine can do, not what it usually does."""
    seconds: list[float] = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def bytes_a_second() -> float:
    """Every thread copies its share of memory that is made for this and given back."""
    source, target = np.ones((2, threads, COPIED // threads), np.uint8)
    return 2 * COPIED / best(lambda: list(pool.map(np.copyto, target, source)), 3)


products = {"numpy": lambda: a @ b, "jax": lambda: multiply(left, right).block_until_ready()}
for product in products.values():
    product()
turnstile.ready("jax", "numpy")
while True:
    if turnstile.wait().get("copy"):
        turnstile.report(gbytes=bytes_a_second() / 1e9)
    else:
        fastest = min(best(product, REPEATS) for product in products.values())
        turnstile.report(gflops=2 * SIZE**3 / fastest / 1e9)
