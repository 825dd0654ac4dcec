"""Measures: fractions worked by hand, properties, ten lines of NumPy, and ranx."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys_cli.evaluation.ranking import (
    MEASURES,
    coverage,
    discounts,
    ideal_gains,
    measures_per_user,
    ranks_in_lists,
)
from recsys_cli.sequences.ragged import Ragged


def ragged(rows: Sequence[Sequence[int]]) -> Ragged:
    values = np.array([value for row in rows for value in row], np.int32)
    return Ragged(values, np.append(0, np.cumsum([len(row) for row in rows])))


def measures(rows: Sequence[Sequence[int]], ks: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    ranks = ragged(rows)
    return measures_per_user(ranks.values, ranks.offsets, ks)


LOG3 = np.log2(3)

# Three users: targets at ranks 1, 3 and nowhere; at rank 2; nowhere.
BY_HAND = {
    "HR@1": [1, 0, 0],
    "recall@1": [1 / 3, 0, 0],
    "precision@1": [1, 0, 0],
    "F1@1": [1 / 2, 0, 0],
    "NDCG@1": [1, 0, 0],
    "MRR@1": [1, 0, 0],
    "MAP@1": [1, 0, 0],
    "HR@4": [1, 1, 0],
    "recall@4": [2 / 3, 1, 0],
    "precision@4": [2 / 4, 1 / 4, 0],
    "F1@4": [4 / 7, 2 / 5, 0],
    "NDCG@4": [(1 + 1 / 2) / (1 + 1 / LOG3 + 1 / 2), 1 / LOG3, 0],
    "MRR@4": [1, 1 / 2, 0],
    "MAP@4": [(1 / 1 + 2 / 3) / 3, 1 / 2, 0],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_measures_are_the_fractions_worked_by_hand(name):
    found = measures([[3, 0, 1], [2], [0, 0]], [1, 4])
    assert found.keys() == BY_HAND.keys()
    np.testing.assert_allclose(found[name], BY_HAND[name], rtol=1e-15)


def test_the_ideal_list_holds_no_more_than_k_targets():
    found = measures([[1, 2, 3, 4, 5]], [3])
    assert found["NDCG@3"] == found["MAP@3"] == found["precision@3"] == 1
    assert found["recall@3"] == 3 / 5


users_ranks = st.lists(
    st.lists(st.integers(1, 12), min_size=1, max_size=7, unique=True).flatmap(
        lambda ranks: st.tuples(st.just(ranks), st.integers(0, 3)).map(lambda both: both[0] + [0] * both[1])
    ),
    min_size=1,
    max_size=5,
)


@given(users_ranks)
def test_every_measure_is_between_0_and_1(rows):
    for values in measures(rows, [1, 5, 10]).values():
        assert values.shape == (len(rows),)
        assert ((values >= 0) & (values <= 1)).all()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.randoms())
def test_a_perfect_list_scores_1(sizes, random):
    rows = [random.sample(range(1, size + 1), size) for size in sizes]
    found = measures(rows, [20])
    for name in ("HR@20", "recall@20", "NDCG@20", "MRR@20", "MAP@20"):
        assert (found[name] == 1).all(), name


@given(users_ranks, st.integers(1, 12))
def test_an_irrelevant_item_put_anywhere_never_raises_a_measure(rows, place):
    before = measures(rows, [1, 5, 10])
    after = measures([[rank + (rank >= place) for rank in row] for row in rows], [1, 5, 10])
    for name, values in before.items():
        assert (after[name] <= values).all(), name


@given(users_ranks, st.randoms())
def test_the_order_of_a_users_targets_does_not_matter(rows, random):
    shuffled = [random.sample(row, len(row)) for row in rows]
    for name, values in measures(rows, [5]).items():
        np.testing.assert_array_equal(measures(shuffled, [5])[name], values)


@given(users_ranks, st.sampled_from([1, 3, 7, 20]))
def test_ten_lines_of_numpy_get_the_same(rows, k):
    found = measures(rows, [k])
    for user, row in enumerate(rows):
        relevant = np.isin(np.arange(1, k + 1), row)
        n, hits = len(row), relevant.sum()
        gains = 1 / np.log2(np.arange(2, k + 2))
        precisions = np.cumsum(relevant) / np.arange(1, k + 1)
        p, r = hits / k, hits / n
        expected = [
            hits > 0, r, p, 2 * p * r / (p + r) if hits else 0, (relevant * gains).sum() / gains[:n].sum(),
            (relevant / np.arange(1, k + 1)).max(), (precisions * relevant).sum() / min(k, n),
        ]  # fmt: skip
        np.testing.assert_allclose([found[f"{name}@{k}"][user] for name in MEASURES], expected, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unsafe cast from uint64 to int64")
def test_ranx_measures_the_same_on_random_tables():
    ranx = pytest.importorskip("ranx")
    random = np.random.default_rng(5)
    lists = np.stack([random.permutation(np.arange(1, 31))[:20] for _ in range(40)]).astype(np.int32)
    targets = ragged([random.permutation(np.arange(1, 31))[: 1 + user % 7].tolist() for user in range(40)])
    qrels = {str(u): {str(item): 1 for item in targets.row(u)} for u in range(40)}
    run = {str(u): {str(item): 20.0 - place for place, item in enumerate(lists[u])} for u in range(40)}
    found = measures_per_user(ranks_in_lists(lists, targets), targets.offsets, [5, 10, 20])
    theirs = ("hit_rate", "recall", "precision", "f1", "ndcg", "mrr")
    pairs = zip(MEASURES[:-1], theirs, strict=True)
    names = {f"{ours}@{k}": f"{name}@{k}" for ours, name in pairs for k in (5, 10, 20)}
    expected = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), list(names.values()))
    for ours, name in names.items():
        assert found[ours].mean() == pytest.approx(expected[name], rel=1e-9), ours
    # ranx divides average precision by all relevant items, also where they are more than k.
    whole = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), "map@20")
    assert found["MAP@20"].mean() == pytest.approx(whole, rel=1e-9)


def test_a_target_has_the_rank_of_its_place_in_its_own_users_list():
    lists = np.array([[7, 3, 0, 0], [5, 7, 9, 2], [0, 0, 0, 0]], np.int32)
    ranks = ranks_in_lists(lists, ragged([[3, 5], [2, 7, 3], [7]]))
    assert ranks.tolist() == [2, 0, 4, 2, 0, 0]


@given(st.integers(1, 5), st.integers(1, 6), st.randoms(use_true_random=False))
def test_ranks_in_lists_equal_a_search_of_each_list(users, k, random):
    lists = np.array([random.sample(range(1, 12), k) for _ in range(users)], np.int32)
    lists[np.array([[random.random() < 0.3 for _ in range(k)] for _ in range(users)])] = 0
    rows = [random.sample(range(1, 12), random.randint(0, 4)) for _ in range(users)]
    expected = [
        list(lists[user]).index(item) + 1 if item in lists[user] else 0
        for user, row in enumerate(rows)
        for item in row
    ]
    assert ranks_in_lists(lists, ragged(rows)).tolist() == expected


def test_an_empty_list_has_no_target():
    assert ranks_in_lists(np.zeros((2, 0), np.int32), ragged([[1], [2, 3]])).tolist() == [0, 0, 0]


def test_coverage_counts_an_item_once_and_padding_never():
    lists = np.array([[1, 2, 0], [2, 4, 1]], np.int32)
    assert coverage(lists, 1, 8) == 2 / 8
    assert coverage(lists, 2, 8) == 3 / 8
    assert coverage(lists, 3, 8) == 3 / 8


def test_gains_are_discounted_by_the_binary_logarithm():
    np.testing.assert_allclose(discounts(np.array([1.0, 3.0, 7.0])), [1, 1 / 2, 1 / 3])
    np.testing.assert_allclose(ideal_gains(3), [0, 1, 1 + 1 / LOG3, 1 + 1 / LOG3 + 1 / 2])
