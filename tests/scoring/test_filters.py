"""Users and items are picked by id, whatever the type that the list has them in."""

import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recsys_cli.errors import DataError, UsageError
from recsys_cli.scoring.filters import allowed_items, denied_items, requested_users, rows_of
from recsys_cli.sequences.store import open_dataset

BY_NUMBER = {10: ["a", "b"], 9: ["c"], 7: ["b", "d", "a"]}
BY_NAME = {"x": [3, 1], "007": [2], "ü": [5, 4]}


@pytest.fixture
def by_number(make_dataset):
    return open_dataset(make_dataset(BY_NUMBER, name="by-number"))


@pytest.fixture
def by_name(make_dataset):
    return open_dataset(make_dataset(BY_NAME, name="by-name"))


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_without_a_list_everybody_is_scored(by_number):
    users = requested_users(by_number, None)
    assert users.ids.to_pylist() == [7, 9, 10]
    assert users.positions.tolist() == [0, 1, 2]
    assert users.unknown == 0


def test_listed_users_come_once_sorted_and_unknown_ones_are_counted(by_number, caplog):
    with caplog.at_level(logging.WARNING, "recsys"):
        users = requested_users(by_number, frame(user_id=[10, 8, 7, 10, 8]))
    assert users.ids.to_pylist() == [7, 8, 10]
    assert users.positions.tolist() == [0, -1, 2]
    assert users.unknown == 1
    assert "1 of 3" in caplog.text


def test_texts_that_are_integers_meet_integers(by_number):
    users = requested_users(by_number, frame(user_id=["10", "7", "100"]))
    assert users.ids.type == pa.int64()
    assert users.ids.to_pylist() == [7, 10, 100]
    assert users.positions.tolist() == [0, 2, -1]


def test_a_user_that_no_integer_can_name_makes_the_ids_text(by_number, caplog):
    with caplog.at_level(logging.WARNING, "recsys"):
        users = requested_users(by_number, frame(user_id=["10", "7", "007", "guest"]))
    assert users.ids.to_pylist() == ["007", "10", "7", "guest"]
    assert users.positions.tolist() == [-1, 2, 0, -1]
    assert "user_id is text" in caplog.text


def test_integers_meet_texts_that_are_written_like_them(by_name):
    users = requested_users(by_name, frame(user_id=[7]))
    assert users.ids.to_pylist() == ["7"]
    assert users.unknown == 1
    items = allowed_items(by_name, frame(item_id=["4", "1"]), None)
    assert items.tolist() == [True, False, False, True, False]


def test_an_empty_list_of_users_is_refused(by_number):
    with pytest.raises(DataError, match="no user ids"):
        requested_users(by_number, frame(user_id=[]))


def test_items_may_be_allowed_and_denied(by_number, caplog):
    assert allowed_items(by_number, None, None) is None
    with caplog.at_level(logging.WARNING, "recsys"):
        allowed = allowed_items(by_number, frame(item=["a", "c", "zz", "d"]), frame(item=["c"]))
    assert allowed.tolist() == [True, False, False, True]
    assert "allow-items: 1 of 4 items" in caplog.text
    assert allowed_items(by_number, None, frame(item=["b"])).tolist() == [True, False, True, True]


@pytest.mark.parametrize(("allow", "deny"), [(["zz"], None), (["a"], ["a"]), (None, ["a", "b", "c", "d"])])
def test_nothing_to_recommend_is_refused(by_number, allow, deny):
    tables = [None if ids is None else frame(item=ids) for ids in (allow, deny)]
    with pytest.raises(UsageError, match="None of the 4 items"):
        allowed_items(by_number, *tables)


def test_pairs_are_denied_to_unknown_users_too(by_number):
    users = requested_users(by_number, frame(user_id=[10, 8, 7]))
    pairs = frame(user_id=[8, 7, 8, 9, 10], item_id=["d", "zz", "a", "a", "b"])
    denied = denied_items(by_number, users, pairs)
    assert [denied.row(place).tolist() for place in range(3)] == [[], [4, 1], [2]]


def test_without_pairs_nothing_is_denied(by_number):
    denied = denied_items(by_number, requested_users(by_number, None), None)
    assert denied.lengths().tolist() == [0, 0, 0]


def test_rows_keep_the_order_of_their_values():
    rows = rows_of(np.array([2, 0, 2, 0]), np.array([5, 6, 7, 8], np.int32), 4)
    assert [rows.row(index).tolist() for index in range(4)] == [[6, 8], [], [5, 7], []]
