"""Ids are read from every kind of list that a person may have, and come as they are written."""

import gzip
import logging
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.errors import DataError
from recsys_cli.scoring.id_tables import read_ids, read_pairs

TEXT = pa.array(["007", "a,b", "z"])
INTEGERS = pa.array([3, 5, 7])


def write(path: Path, content: str) -> Path:
    data = content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("u.txt", "007\na,b\n9\n"),
        ("u", "user_id\r\n007\r\na,b\r\n\r\n9"),
        ("u.txt.gz", "\ufeff007\na,b\n9\n"),
        ("u.csv", 'userId\n007\n"a,b"\n9\n'),
        ("u.csv", 'whom we like\n007\n"a,b"\n9\n'),
        ("u.csv", '007\n"a,b"\n9\n'),
        ("u.csv.gz", 'age,User ID\n4,007\n5,"a,b"\n,9\n'),
        ("u.tsv", "user\tname\n007\tx\na,b\ty\n9\tz\n"),
        ("u.jsonl", '{"user": "007", "x": 1}\n{"user": "a,b", "x": 2}\n{"user": "9", "x": 3}\n'),
        ("u.jsonl.gz", '{"u": "007"}\n{"u": "a,b"}\n{"u": "9"}\n'),
    ],
)
def test_text_ids_come_as_they_are_written(tmp_path, name, content):
    assert read_ids(write(tmp_path / name, content), "user", TEXT).to_pylist() == ["007", "a,b", "9"]


@pytest.mark.parametrize("ids", [pa.array([5, 3, 11], pa.int32()), pa.array(["5", "3", "é"])])
def test_a_parquet_file_keeps_its_type(tmp_path, ids):
    pq.write_table(pa.table({"note": [1, 2, 3], "item_id": ids}), tmp_path / "i.parquet")
    assert read_ids(tmp_path / "i.parquet", "item", INTEGERS).to_pylist() == ids.to_pylist()


def test_a_data_frame_is_read_like_a_file_even_where_integers_became_floats():
    frame = pd.DataFrame({"movieId": [5.0, None, 3.0]})
    assert read_ids(frame, "item", INTEGERS).to_pylist() == [5, 3]
    assert read_ids(pd.DataFrame({"x": pd.Categorical(["b", "a"])}), "item", TEXT).to_pylist() == ["b", "a"]


@pytest.mark.parametrize(("content", "expected"), [("9\n5\n", ["9", "5"]), ("best\n9\n5\n", ["9", "5"])])
def test_a_first_line_that_could_be_an_integer_id_is_one(tmp_path, content, expected):
    assert read_ids(write(tmp_path / "i.csv", content), "item", INTEGERS).to_pylist() == expected


def test_ids_that_look_like_dates_or_missing_values_stay_text(tmp_path):
    lines = write(tmp_path / "i.jsonl", '{"item_id": "2026-01-01"}\n{"item_id": "NA"}\n')
    assert read_ids(lines, "item", TEXT).to_pylist() == ["2026-01-01", "NA"]
    cells = write(tmp_path / "i.csv", "item_id\nNA\nnull\n2026-01-01\n")
    assert read_ids(cells, "item", TEXT).to_pylist() == ["NA", "null", "2026-01-01"]


def test_pairs_keep_their_rows_together_and_lose_those_with_a_blank(tmp_path, caplog):
    pairs = write(tmp_path / "p.csv", "movie,rank,user\nx,1,007\n,2,b\ny,3,007\nz,4,\n")
    with caplog.at_level(logging.WARNING, "recsys"):
        users, items = read_pairs(pairs)
    assert users.to_pylist() == ["007", "007"]
    assert items.to_pylist() == ["x", "y"]
    assert "2 rows without an id" in caplog.text


def test_an_empty_file_has_no_ids(tmp_path):
    for name in ("e.csv", "e.txt"):
        assert len(read_ids(write(tmp_path / name, ""), "item", TEXT)) == 0


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("u.csv", b"a,b\n1,2\n", ["no column of user ids", "a, b"]),
        ("u.csv", "user\nä\n".encode("utf-16"), ["not UTF-8"]),
        ("u.csv", b"user,item\n1,2,3\n", ["cannot be read"]),
        ("u.csv", b"user,user_id,userId\n1,2,3\n", ["more than one"]),
        ("u.txt.gz", b"user\n1\n", ["gzip"]),
        ("u.csv.gz", gzip.compress(b"user\n1\n" * 99)[:30], ["gzip"]),
        ("u.parquet", b"user\n1\n", ["cannot be read"]),
        ("u.jsonl", b"user\n1\n", ["cannot be read"]),
        ("u.jsonl", b'{"user": [1, 2]}\n', ["no ids"]),
    ],
)
def test_what_cannot_be_read_is_one_sentence_that_names_the_file(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_ids(tmp_path / name, "user", TEXT)
    assert all(word in caught.value.message for word in [name, *words])
    assert "\n" not in caught.value.message


def test_a_missing_file_and_a_missing_column_of_pairs(tmp_path):
    with pytest.raises(DataError, match=r"none.csv is not a file"):
        read_ids(tmp_path / "none.csv", "user", TEXT)
    with pytest.raises(DataError, match="no column of item ids"):
        read_pairs(write(tmp_path / "p.csv", "user,other\n1,2\n"))
