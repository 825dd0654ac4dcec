"""Which column is which, and what is said where that cannot be told."""

import pytest

from recsys_cli.errors import DataError, UsageError
from recsys_cli.tables.columns import ENTITY_ID, find_columns, find_entity_columns

ROLES = ("user", "item", "timestamp", "rating")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["userId", "movieId", "rating", "timestamp"], ["userId", "movieId", "timestamp", "rating"]),
        (["USER_ID", " item id ", "Stars"], ["USER_ID", " item id ", None, "Stars"]),
        (["asin", "overall", "reviewerID", "date"], ["reviewerID", "asin", "date", "overall"]),
        (["date", "timestamp", "user", "item"], ["user", "item", "timestamp", None]),
        (["user-id", "item", "user"], ["user-id", "item", None, None]),
    ],
)  # fmt: skip
def test_columns_are_found_by_their_usual_names(names, found):
    columns = find_columns("x.csv", names, ROLES, {})
    assert [columns.get(role) for role in ROLES] == found


def test_a_named_column_wins_over_a_usual_name():
    columns = find_columns("x.csv", ["user_id", "buyer", "item_id"], ROLES, {"user": "buyer"})
    assert columns == {"user": "buyer", "item": "item_id"}


@pytest.mark.parametrize(
    ("names", "said", "hint"),
    [
        (["a;b;c"], "separated by ';'", "commas"),
        (["a\tb"], "separated by tabs", "tsv"),
        (["u0", "i0", "4", "1700000000"], "looks like data", "first line"),
        (["who", "what"], "its columns are 'who', 'what'", "--user-column"),
        (["x" * 5000], "x…'", "--user-column"),
        ([f"c{n}" for n in range(50)], "'c19' …", "--user-column"),
    ],
)
def test_a_column_that_is_not_there_is_said_with_what_the_names_tell(names, said, hint):
    with pytest.raises(DataError) as caught:
        find_columns("x.csv", names, ROLES, {})
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert len(caught.value.message) < 300


def test_one_column_is_not_two_things():
    with pytest.raises(UsageError, match="'user_id' cannot be the user and the item"):
        find_columns("x.csv", ["user_id", "t"], ROLES, {"item": "user_id"})


@pytest.mark.parametrize(
    ("names", "named", "column"),
    [
        (["item_id", "id"], None, "item_id"),
        (["ID", "title"], None, "ID"),
        (["code", "item_id"], "code", "code"),
        (["item_id", "title"], "what", "item_id"),
    ],
)
def test_the_id_of_an_entity_is_its_usual_or_named_column_and_the_rest_are_fields(names, named, column):
    columns = find_entity_columns("items.csv", names, "item", named)
    assert columns == {ENTITY_ID: column} | {name: name for name in names if name != column}
