"""Ranks, ties and lists against a full stable sort; expectations against every order of ties."""

from itertools import groupby, permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cli.evaluation import full_ranking
from recsys_cli.evaluation.full_ranking import (
    Standing,
    best_columns,
    exclude,
    expected_over_ties,
    standing,
    standing_in_lists,
)
from recsys_cli.evaluation.ranking import measures_per_user
from recsys_cli.sequences.ragged import Ragged


def ragged(rows):
    values = np.array([value for row in rows for value in row], np.int32)
    return Ragged(values, np.append(0, np.cumsum([len(row) for row in rows])))


@st.composite
def problems(draw):
    """Scores with many ties, excluded columns and targets of a few users."""
    users, columns = draw(st.integers(1, 4)), draw(st.sampled_from([1, 5, 32, 33, 70]))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    scores = random.integers(0, draw(st.integers(1, 5)), (users, columns)).astype(np.float32)
    excluded, targets = [
        ragged([random.permutation(columns)[: random.integers(0, 1 + min(6, columns))] for _ in range(users)])
        for _ in range(2)
    ]
    return scores, excluded, targets


@given(problems())
def test_ranks_are_places_in_a_full_stable_sort_without_the_excluded(problem):
    scores, excluded, targets = problem
    masked = scores.copy()
    exclude(masked, excluded)
    found = standing(masked, targets)
    expected = []
    for user, row in enumerate(scores):
        order = [column for column in np.argsort(-row, kind="stable") if column not in excluded.row(user)]
        expected += [order.index(column) + 1 if column in order else 0 for column in targets.row(user)]
    assert found.ranks.tolist() == expected


@given(problems())
def test_ties_are_other_columns_with_the_same_score(problem):
    scores, excluded, targets = problem
    exclude(scores, excluded)
    found = standing(scores, targets)
    for user, column, rank, better, tied in zip(
        np.repeat(np.arange(len(scores)), targets.lengths()), targets.values, *found, strict=True
    ):
        if rank:
            assert better == (scores[user] > scores[user, column]).sum()
            assert tied == (scores[user] == scores[user, column]).sum() - 1
        else:
            assert tied == 0


@given(problems(), st.sampled_from([1, 3, 20, 100]))
def test_the_best_columns_are_the_head_of_a_full_stable_sort(problem, k):
    scores, excluded, _ = problem
    exclude(scores, excluded)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    kept = np.take_along_axis(scores, order, 1) > -np.inf
    np.testing.assert_array_equal(best_columns(scores, k), np.where(kept, order, -1))


def test_targets_are_compared_in_steps(monkeypatch):
    random = np.random.default_rng(0)
    scores = random.integers(0, 3, (3, 11)).astype(np.float32)
    targets = ragged([[1, 5], [], [0, 3, 10]])
    whole = standing(scores, targets)
    monkeypatch.setattr(full_ranking, "COMPARED", 22)
    for one, other in zip(whole, standing(scores, targets), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_targets_have_no_standing():
    assert [len(part) for part in standing(np.zeros((2, 3)), ragged([[], []]))] == [0, 0, 0]


def orders_of_ties(scores):
    """Every order of the columns in which scores never rise."""
    by_score = sorted(range(len(scores)), key=lambda column: -scores[column])
    groups = [list(group) for _, group in groupby(by_score, key=lambda column: scores[column])]
    for parts in product(*(permutations(group) for group in groups)):
        yield [column for part in parts for column in part]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_expectations_are_means_over_every_order_of_ties(k):
    scores = np.array([[2, 1, 1, 1, 0, 0], [3, 3, 3, 1, 1, 2], [1, 1, 1, 1, 1, 1]], np.float32)
    targets = ragged([[1, 4], [0, 2, 3], [5]])
    found = expected_over_ties(standing(scores, targets), targets.offsets, [k])
    for name in ("recall", "precision", "NDCG"):
        per_user = []
        for user, row in enumerate(scores):
            values = []
            for order in orders_of_ties(row):
                ranks = np.array([order.index(column) + 1 for column in targets.row(user)])
                values.append(measures_per_user(ranks, np.array([0, len(ranks)]), [k])[f"{name}@{k}"][0])
            per_user.append(np.mean(values))
        assert found[f"{name}@{k}"] == pytest.approx(np.mean(per_user), rel=1e-12)


def test_without_ties_the_expectation_is_the_measure():
    ranks = np.array([3, 1, 0, 12])
    offsets = np.array([0, 1, 4])
    where = Standing(ranks, np.maximum(ranks - 1, 0), np.zeros(4, np.int64))
    measured = measures_per_user(ranks, offsets, [5, 10])
    for name, value in expected_over_ties(where, offsets, [5, 10]).items():
        assert value == pytest.approx(measured[name].mean(), rel=1e-12), name


def test_an_excluded_target_is_expected_to_gain_nothing():
    where = Standing(np.array([0]), np.array([0]), np.array([0]))
    assert set(expected_over_ties(where, np.array([0, 1]), [3]).values()) == {0}


def test_lists_show_the_ties_inside_them():
    scores = np.array([[5, 4, 4, 1], [3, 3, -np.inf, -np.inf]], np.float32)
    found = standing_in_lists(scores, np.array([3, 0, 1]), np.array([0, 2, 3]))
    assert found.ranks.tolist() == [3, 0, 1]
    assert found.better[[0, 2]].tolist() == [1, 0]
    assert found.tied.tolist() == [1, 0, 1]
