"""Lists and ties of counts against a full stable sort of all columns."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recsys_cli.evaluation.full_ranking import Ranking, first_remaining, rank_by_counts, rank_by_order
from recsys_cli.evaluation.judged import Judged, contained
from recsys_cli.sequences.ragged import Ragged

LENGTHS = st.sampled_from([1, 3, 20, 100])


def ragged(rows):
    values = np.array([value for row in rows for value in row], np.int32)
    return Ragged(values, np.append(0, np.cumsum([len(row) for row in rows])))


@st.composite
def problems(draw):
    """Counts with many ties and zeros, excluded columns and targets of a few users."""
    users, columns = draw(st.integers(1, 4)), draw(st.sampled_from([1, 5, 32, 70]))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    counts = random.integers(0, draw(st.integers(1, 5)), (users, columns))
    counts *= random.random((users, columns)) < draw(st.sampled_from([0, 0.2, 1]))
    excluded, targets = [
        ragged(
            [random.permutation(columns)[: random.integers(least, 1 + min(6, columns))] for _ in range(users)]
        )
        for least in (0, 1)
    ]
    excluded = ragged([sorted(excluded.row(user)) for user in range(users)])
    judged = Judged(np.arange(users), targets, excluded, contained(targets, excluded), 0)
    return counts, judged


def with_excluded(counts, judged, filled: bool) -> sparse.csr_array:
    counts = counts.copy()
    counts[judged.excluded.owners(), judged.excluded.values] = -7
    if not filled:
        return sparse.csr_array(counts)
    columns = np.tile(np.arange(counts.shape[1]), len(counts))
    offsets = np.arange(len(counts) + 1) * counts.shape[1]
    return sparse.csr_array((counts.ravel(), columns, offsets), shape=counts.shape)


def check(counts, judged: Judged, k: int, found: Ranking) -> None:
    """Against a sort of everything that is not excluded."""
    standing = iter(zip(*found.standing, strict=True))
    for user, row in enumerate(counts):
        out = set(judged.excluded.row(user).tolist())
        order = [column for column in np.argsort(-row, kind="stable").tolist() if column not in out]
        width = min(k, len(row))
        assert found.lists[user].tolist() == (order + [-1] * len(row))[:width]
        for target in judged.targets.row(user).tolist():
            ranked, better, tied = next(standing)
            assert ranked == (target in order)
            if ranked:
                assert better == sum(row[column] > row[target] for column in order)
            assert tied == (sum(row[column] == row[target] for column in order) - 1 if ranked else 0)


@given(problems(), LENGTHS, st.booleans())
def test_each_users_own_counts_give_the_full_sorts_lists_and_ties(problem, k, filled):
    counts, judged = problem
    check(counts, judged, k, rank_by_counts(with_excluded(counts, judged, filled), judged, k))


@given(problems(), LENGTHS)
def test_counts_of_all_give_the_full_sorts_lists_and_ties(problem, k):
    counts, judged = problem
    everyones = np.tile(counts[0], (len(counts), 1))
    check(everyones, judged, k, rank_by_order(counts[0], judged, k))


@given(st.lists(st.sets(st.integers(0, 12)), min_size=1, max_size=4), st.integers(1, 9))
def test_the_first_remaining_places_are_those_that_are_not_taken(taken, k):
    found = first_remaining(ragged([sorted(row) for row in taken]), k)
    assert found.tolist() == [[place for place in range(30) if place not in row][:k] for row in taken]
