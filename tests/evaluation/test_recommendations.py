"""Tables of recommendations: every format and layout says the same; what is wrong is said."""

import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from recsys_cli.errors import DataError
from recsys_cli.evaluation.recommendations import read_recommendations
from recsys_cli.sequences.store import open_dataset

ROWS = {
    "user_id": ["b", "a", "a", "c", "b", "nobody"],
    "item_id": ["007", "x,\"y\"", "2026-01-01", "007", "nothing", "007"],
    "rank": [2, 1, 2, 1, 1, 1],
    "score": [0.25, 1.5, 0.5, 3.0, 0.75, 1.0],
}  # fmt: skip
LISTS = {
    "user_id": ["nobody", "b", "a", "c"],
    "item_id": [["007"], ["nothing", "007"], ['x,"y"', "2026-01-01"], ["007"]],
    "score": [[1.0], [0.75, 0.25], [1.5, 0.5], [3.0]],
}


@pytest.fixture
def dataset(make_dataset):
    return open_dataset(make_dataset({"a": ["007", "2026-01-01"], "b": ['x,"y"'], "c": ["007"]}))


def write(path, columns):
    table = pa.table(columns)
    if path.name.endswith(".parquet"):
        pq.write_table(table, path)
    elif path.name.endswith(".csv"):
        pyarrow.csv.write_csv(table, path)
    elif path.name.endswith(".csv.gz"):
        with gzip.open(path, "wb") as stream:
            pyarrow.csv.write_csv(table, stream)
    else:
        lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()
        path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


FILES = [
    ("rows.parquet", ROWS), ("rows.csv", ROWS), ("rows.csv.gz", ROWS), ("rows.jsonl", ROWS),
    ("rows.jsonl.gz", ROWS), ("lists.parquet", LISTS), ("lists.jsonl", LISTS),
]  # fmt: skip


@pytest.mark.parametrize(("name", "columns"), FILES)
def test_every_format_and_layout_gives_the_same_lists(dataset, tmp_path, name, columns):
    table = read_recommendations(write(tmp_path / name, columns), dataset)
    # Items by number: "007" 1, "2026-01-01" 2, 'x,"y"' 3; "nothing" holds its place.
    assert table.lists(np.array([0, 1, 2]), 2).tolist() == [[3, 2], [0, 1], [1, 0]]
    expected = [[1.5, 0.5], [0.75, 0.25], [3, -np.inf]]
    assert table.listed_scores(np.array([0, 1, 2]), 2).tolist() == expected
    assert table.top_k == 2
    assert (table.users == 0).sum() == (table.items == 0).sum() == 1


def test_a_data_frame_without_scores_is_a_table(dataset):
    table = read_recommendations(pd.DataFrame(ROWS).drop(columns="score"), dataset)
    assert table.lists(np.array([2, 0]), 1).tolist() == [[1], [3]]
    assert table.listed_scores(np.array([0]), 1) is None
    assert table.made_by is None


def test_longer_lists_than_the_table_has_end_with_padding(dataset):
    table = read_recommendations(pd.DataFrame(ROWS), dataset)
    assert table.lists(np.array([1]), 4).tolist() == [[0, 1, 0, 0]]


def test_users_without_a_row_are_counted(dataset):
    table = read_recommendations(pd.DataFrame({"user_id": ["b"], "item_id": ["007"], "rank": [1]}), dataset)
    assert table.missing(np.array([0, 1, 2])) == 2
    assert table.lists(np.array([0]), 1).tolist() == [[0]]


def test_integers_meet_integers_however_they_are_stored(make_dataset, tmp_path):
    dataset = open_dataset(make_dataset({7: [10, 9], 70: [9]}))
    columns = {"user_id": [70, 7], "item_id": [9, 10], "rank": [1, 1]}
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        table = read_recommendations(write(tmp_path / name, columns), dataset)
        assert table.lists(np.array([0, 1]), 1).tolist() == [[2], [1]], name


def test_a_parquet_file_says_what_made_it(dataset, tmp_path):
    made_by = {"top_k": 7, "before": "test"}
    table = pa.table(ROWS).replace_schema_metadata({"recsys": json.dumps(made_by)})
    pq.write_table(table, tmp_path / "t.parquet")
    read = read_recommendations(tmp_path / "t.parquet", dataset)
    assert read.made_by == made_by
    assert read.top_k == 7


def changed(**columns):
    return pd.DataFrame(ROWS | columns)


WRONG = {
    "a rank twice": (changed(rank=[1, 1, 2, 1, 1, 1]), "row 5 has rank 1 where its user's rank 2 should be"),
    "a gap": (changed(rank=[3, 1, 2, 1, 1, 1]), "row 1 has rank 3 where its user's rank 2 should be"),
    "from zero": (changed(rank=[1, 0, 1, 0, 0, 0]), "has rank 0 where its user's rank 1 should be"),
    "an item twice": (
        changed(item_id=["x", "007", "007", "007", "y", "z"]),
        "the item of row 3 is in its user's list twice",
    ),
    "no ranks": (changed().drop(columns="rank"), "no column rank; it has user_id, item_id, score"),
    "no users": (changed().drop(columns="user_id"), "no column user_id"),
    "a blank id": (changed(user_id=["b", "a", None, "c", "b", "d"]), "user_id of .* is blank in row 3"),
    "ranks that are none": (changed(rank=list("abcdef")), "not whole numbers"),
    "scores that are none": (changed(score=list("abcdef")), "not numbers"),
    "no rows": (changed().head(0), "has no rows"),
    "two lists a user": (pd.DataFrame({"user_id": ["a", "a"], "item_id": [["007"], ["x"]]}), "rank 1"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_table_is_refused_with_what_was_found(dataset, what):
    frame, sentence = WRONG[what]
    with pytest.raises(DataError, match=sentence):
        read_recommendations(frame, dataset)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.parquet", None, "does not exist"),
        ("items.csv", b"item_id,title\n1,a\n", "no column user_id; it has item_id, title"),
        ("empty.csv", b"", "cannot be read as csv"),
        ("words.csv", b"user_id,item_id,rank\na,b,first\n", "cannot be read as csv"),
        ("broken.parquet", b"PAR1 is not enough", "cannot be read as parquet"),
        ("broken.jsonl", b"{]\n", "cannot be read as jsonl"),
        ("cut.csv.gz", gzip.compress(b"user_id,item_id,rank\na,b,1\n")[:-9], "cannot be read as csv"),
        ("table.xlsx", b"", "suffixes"),
    ],
)
def test_a_file_that_is_no_table_is_refused(dataset, tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence) as raised:
        read_recommendations(tmp_path / name, dataset)
    assert name in raised.value.message
    assert "\n" not in raised.value.message
