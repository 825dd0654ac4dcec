"""recsys: a round is cross-attention over the candidates of 8,192 users, as `score` does it."""

import time
from pathlib import Path

import jax
import numpy as np
import turnstile

from recsys_cli.cli.device import keep_freed_memory
from recsys_cli.config.settings import ScoreSettings
from recsys_cli.models.store import open_model
from recsys_cli.scoring.model_ranker import load_ranker
from recsys_cli.sequences.store import open_dataset

USERS = 8192
keep_freed_memory()  # as every command does
given = turnstile.arguments()
candidates = given["candidates"]
source, trained = open_dataset(Path(given["dataset"])), open_model(Path(given["model"]))
ranker = load_ranker(trained, source, scorer="full", candidates=candidates)
at_once = ScoreSettings().users_per_batch
history = source.sequences.history("test")


def batch(first: int) -> float:
    """Both stages of one batch; the seconds of the second."""
    users = np.arange(first, first + at_once)
    vectors, excluded = ranker.encode_padded(users, "test", history.take(users))
    _, columns = ranker.retrieve_candidates(vectors, excluded)
    jax.block_until_ready(columns)
    started = time.perf_counter()
    np.asarray(ranker.cross_attention(vectors, columns))
    return time.perf_counter() - started


batch(0)
shape = trained.settings.model
operations = 2 * 2 * candidates * shape.max_length * shape.head_dim
turnstile.ready("recsys", "jax", operations_per_user=operations)
while True:
    turnstile.wait()
    started = time.perf_counter()
    seconds = sum(batch(first) for first in range(0, USERS, at_once))
    turnstile.report(users=USERS, seconds=seconds, whole=time.perf_counter() - started)
