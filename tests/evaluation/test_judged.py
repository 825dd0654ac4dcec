"""Who is measured, on what."""

import numpy as np

from recsys_cli.evaluation.judged import contained, distinct, judged_users
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import open_dataset


def ragged(rows):
    values = np.array([value for row in rows for value in row], np.int32)
    return Ragged(values, np.append(0, np.cumsum([len(row) for row in rows])))


def rows(lists):
    return [lists.row(index).tolist() for index in range(len(lists))]


def test_leave_one_out_measures_users_with_three_events(make_dataset):
    path = make_dataset({"a": ["x", "y", "z"], "b": ["x", "y"], "c": ["z", "y", "y", "x"]})
    sequences = open_dataset(path).sequences
    judged = judged_users(sequences, "test", include_seen=False)
    assert judged.users.tolist() == [0, 2]
    assert rows(judged.targets) == [[3], [1]]
    assert rows(judged.excluded) == [[1, 2], [2, 3]]  # once, rising
    assert rows(judged_users(sequences, "validation", include_seen=False).targets) == [[2], [2]]


def test_a_target_met_before_cannot_be_reached_unless_seen_items_are_ranked(make_dataset):
    path = make_dataset({"a": ["x", "y", "x"], "b": ["x", "y", "z"]})
    sequences = open_dataset(path).sequences
    assert judged_users(sequences, "test", include_seen=False).unreachable.tolist() == [True, False]
    repeats = judged_users(sequences, "test", include_seen=True)
    assert repeats.unreachable.tolist() == [False, False]
    assert rows(repeats.excluded) == [[], []]


def test_users_of_a_period_are_measured_on_each_positive_item_of_it_once(make_dataset):
    path = make_dataset(
        {"a": ["x", "z", "y", "z", "x"], "b": ["y", "z"], "c": ["x", "y"], "d": ["x", "y"]},
        split="time",
        starts={"a": (1, 1), "b": (0, 0), "c": (1, 1)},
        not_positive=[("c", 1), ("a", 2)],
    )
    judged = judged_users(open_dataset(path).sequences, "test", include_seen=False)
    assert judged.users.tolist() == [0]  # c met nothing positive, d nothing at all
    assert rows(judged.targets) == [[3, 1]]
    assert judged.unreachable.tolist() == [False, True]
    assert judged.without_history == 1  # b


def test_only_the_first_of_equal_numbers_stays():
    assert rows(distinct(ragged([[3, 1, 3], [], [1, 1]]))) == [[3, 1], [], [1]]


def test_a_span_of_users_keeps_what_is_theirs(make_dataset):
    path = make_dataset({"a": ["x", "y", "x"], "b": ["x", "y", "z"], "c": ["z", "y", "z"]})
    judged = judged_users(open_dataset(path).sequences, "test", include_seen=False)
    span = judged.span(1, 3)
    assert span.users.tolist() == [1, 2]
    assert rows(span.targets) == [[3], [3]]
    assert rows(span.excluded) == [[1, 2], [2, 3]]
    assert span.unreachable.tolist() == [False, True]


def test_membership_is_asked_row_by_row():
    found = contained(ragged([[1, 2], [], [2, 9]]), ragged([[2], [1], [3, 9, 9]]))
    assert found.tolist() == [False, True, False, True]
