"""Retrieval and ranks over the catalogue against full sorts, in one tile and in many."""

import jax.numpy as jnp
import numpy as np
import pytest

from recsys_cli.scoring import retrieve as module
from recsys_cli.scoring.retrieve import padded_columns, rank_targets, retrieve
from recsys_cli.scoring.retriever import Retriever
from recsys_cli.sequences.ragged import Ragged

RNG = np.random.default_rng(0)
USERS, ITEMS, DIM = 7, 13, 3
STATES = RNG.integers(-2, 3, (USERS, DIM)).astype(np.float32)  # small integers make ties
VECTORS = RNG.integers(-2, 3, (ITEMS, DIM)).astype(np.float32)
EXCLUDED = np.where(RNG.random((USERS, 4)) < 0.5, RNG.integers(0, ITEMS, (USERS, 4)), ITEMS).astype(np.int32)


@pytest.fixture(params=["one tile", "tiles of two users"], autouse=True)
def tiles(request, monkeypatch):
    retrieve.clear_cache()
    rank_targets.clear_cache()
    if request.param != "one tile":
        monkeypatch.setattr(module, "SCORES_AT_A_TIME", 2 * ITEMS)
    yield
    retrieve.clear_cache()
    rank_targets.clear_cache()


def sorted_columns(user, allowed=None):
    scores = STATES[user] @ VECTORS.T
    gone = set(EXCLUDED[user]) | (set() if allowed is None else set(np.flatnonzero(~allowed)))
    return [c for c in np.argsort(-scores, kind="stable") if c not in gone]


def best_on_processors(excluded, allowed, keep):
    return Retriever(jnp.asarray(VECTORS)).best(STATES, excluded, allowed, keep)


def best_on_accelerators(excluded, allowed, keep):
    return map(np.asarray, retrieve(STATES, VECTORS, excluded, allowed, keep=keep))


@pytest.mark.parametrize("best", [best_on_processors, best_on_accelerators])
@pytest.mark.parametrize(
    "allowed", [None, RNG.random(ITEMS) < 0.8, np.arange(ITEMS) == 2, np.zeros(ITEMS, bool)]
)
def test_the_best_columns_are_those_of_a_full_sort_and_come_ascending(best, allowed):
    scores, columns = best(EXCLUDED, allowed, keep=4)
    assert scores.shape == columns.shape == (USERS, 4)
    for user in range(USERS):
        wanted = sorted_columns(user, allowed)[:4]
        kept = columns[user][scores[user] > -np.inf]
        assert kept.tolist() == sorted(wanted)
        np.testing.assert_allclose(scores[user][scores[user] > -np.inf], STATES[user] @ VECTORS[kept].T)


def test_a_retriever_asked_with_another_filter_answers_for_that_filter():
    retriever = Retriever(jnp.asarray(VECTORS))
    for allowed in (np.arange(ITEMS) < 6, np.arange(ITEMS) >= 6, None):
        scores, columns = retriever.best(STATES, EXCLUDED, allowed, keep=3)
        for user in range(USERS):
            kept = columns[user][scores[user] > -np.inf]
            assert kept.tolist() == sorted(sorted_columns(user, allowed)[:3])


def test_more_columns_than_there_are_is_all_of_them():
    scores, columns = best_on_processors(EXCLUDED, None, keep=ITEMS + 5)
    assert scores.shape == (USERS, ITEMS)
    assert (columns == np.arange(ITEMS)).all()


def test_ranks_are_places_in_a_full_sort_and_zero_for_what_is_excluded():
    users = np.repeat(np.arange(USERS), ITEMS)
    targets = np.tile(np.arange(ITEMS), USERS)
    got = np.asarray(rank_targets(STATES, VECTORS, EXCLUDED, users, targets))
    for user, target, rank in zip(users, targets, got, strict=True):
        order = sorted_columns(user)
        assert rank == (order.index(target) + 1 if target in order else 0)


def test_lists_become_columns_padded_to_a_power_of_two():
    lists = Ragged(np.array([3, 1, 2], np.int32), np.array([0, 1, 1, 3]))
    padded = padded_columns(lists, np.array([-1, 0, -1, 1]), 9)
    assert padded.shape == (3, 8)
    assert padded[:, :2].tolist() == [[1, 9], [9, 9], [0, 9]]
