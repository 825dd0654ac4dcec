"""Ties: expectations against every order of equal scores."""

from itertools import groupby, permutations, product

import numpy as np
import pytest

from recsys_cli.evaluation.ranking import measures_per_user
from recsys_cli.evaluation.ties import Standing, expected_over_ties, standing_in_lists

SCORES = np.array([[2, 1, 1, 1, 0, 0], [3, 3, 3, 1, 1, 2], [1, 1, 1, 1, 1, 1]], np.float32)
TARGETS = [[1, 4], [0, 2, 3], [5]]  # columns
OFFSETS = np.array([0, 2, 5, 6])


def standing() -> Standing:
    """Of the targets among the scores."""
    pairs = [(row, row[column]) for row, columns in zip(SCORES, TARGETS, strict=True) for column in columns]
    better = np.array([(row > score).sum() for row, score in pairs])
    tied = np.array([(row == score).sum() - 1 for row, score in pairs])
    return Standing(np.ones(len(pairs), bool), better, tied)


def orders_of_ties(scores):
    """Every order of the columns in which scores never rise."""
    by_score = sorted(range(len(scores)), key=lambda column: -scores[column])
    groups = [list(group) for _, group in groupby(by_score, key=lambda column: scores[column])]
    for parts in product(*(permutations(group) for group in groups)):
        yield [column for part in parts for column in part]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_expectations_are_means_over_every_order_of_ties(k):
    found = expected_over_ties(standing(), OFFSETS, [k])
    for name in ("recall", "precision", "NDCG"):
        per_user = []
        for row, columns in zip(SCORES, TARGETS, strict=True):
            values = []
            for order in orders_of_ties(row):
                ranks = np.array([order.index(column) + 1 for column in columns])
                values.append(measures_per_user(ranks, np.array([0, len(ranks)]), [k])[f"{name}@{k}"][0])
            per_user.append(np.mean(values))
        assert found[f"{name}@{k}"] == pytest.approx(np.mean(per_user), rel=1e-12)


def test_without_ties_the_expectation_is_the_measure():
    ranks = np.array([3, 1, 0, 12])
    offsets = np.array([0, 1, 4])
    where = Standing(ranks > 0, np.maximum(ranks - 1, 0), np.zeros(4, np.int64))
    measured = measures_per_user(ranks, offsets, [5, 10])
    for name, value in expected_over_ties(where, offsets, [5, 10]).items():
        assert value == pytest.approx(measured[name].mean(), rel=1e-12), name


def test_an_excluded_target_is_expected_to_gain_nothing():
    where = Standing(np.array([False]), np.array([0]), np.array([0]))
    assert set(expected_over_ties(where, np.array([0, 1]), [3]).values()) == {0}


def test_lists_show_the_ties_inside_them():
    scores = np.array([[5, 4, 4, 1], [3, 3, -np.inf, -np.inf]], np.float32)
    found = standing_in_lists(scores, np.array([3, 0, 1]), np.array([0, 2, 3]))
    assert found.ranked.tolist() == [True, False, True]
    assert found.better[[0, 2]].tolist() == [1, 0]
    assert found.tied.tolist() == [1, 0, 1]
