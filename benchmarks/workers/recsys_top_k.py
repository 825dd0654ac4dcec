"""recsys: a round is the exact top k of every user, in batches as `score` has them."""

import time

import jax.numpy as jnp
import numpy as np
import turnstile
from vectors import USERS, make_items, make_users

from recsys_cli.cli.device import keep_freed_memory
from recsys_cli.config.settings import ScoreSettings
from recsys_cli.scoring.retriever import Retriever

keep_freed_memory()  # as every command does
given = turnstile.arguments()
at_once = ScoreSettings().users_per_batch
users = make_users()
retrievers = {count: Retriever(jnp.asarray(make_items(count))) for count in given["items"]}


def search(items: int, k: int) -> None:
    """All users, nothing excluded."""
    none = np.full((at_once, 8), items, np.int32)
    for first in range(0, USERS, at_once):
        retrievers[items].best(users[first : first + at_once], none, None, k)


for items in given["items"]:
    for k in given["ks"]:
        search(items, k)
turnstile.ready("recsys", "jax")
while True:
    cell = turnstile.wait()
    started = time.perf_counter()
    search(cell["items"], cell["k"])
    turnstile.report(speed=USERS / (time.perf_counter() - started))
