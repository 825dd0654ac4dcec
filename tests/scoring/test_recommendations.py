"""Lists become rows, or lists again, and files of three formats that say the same."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cli.artifacts.atomic import held_file
from recsys_cli.errors import UsageError
from recsys_cli.schemas import recommendations_schema
from recsys_cli.scoring.json_text import json_lines
from recsys_cli.scoring.ranker import Ranked
from recsys_cli.scoring.recommendations import MODEL, POPULAR, Lists, recommendations_table, table_schema
from recsys_cli.scoring.table_files import check_format, writing_table

ITEMS = pa.array(["i1", "i2", "i3", "i4"])
LISTS = Lists(
    user_ids=pa.array([7, 8, 9]),
    ranked=Ranked(
        np.array([[4, 1], [0, 0], [2, 0]], np.int32),
        np.array([[1.5, 0.1], [-np.inf, -np.inf], [3, -np.inf]], np.float32),
        np.array([[0.25, 0.125], [np.nan, np.nan], [np.nan, np.nan]], np.float32),
    ),
    sources=np.array([MODEL, MODEL, POPULAR], np.int8),
)
TENTH = float(np.float32(0.1))
ROWS = [
    {"user_id": 7, "item_id": "i4", "rank": 1, "score": 1.5, "probability": 0.25, "source": "model"},
    {"user_id": 7, "item_id": "i1", "rank": 2, "score": TENTH, "probability": 0.125, "source": "model"},
    {"user_id": 9, "item_id": "i2", "rank": 1, "score": 3.0, "probability": None, "source": "popular"},
]
IN_LISTS = [
    {
        "user_id": 7, "item_id": ["i4", "i1"], "rank": [1, 2], "score": [1.5, TENTH],
        "probability": [0.25, 0.125], "source": "model",
    },
    {"user_id": 8, "item_id": [], "rank": [], "score": [], "probability": [], "source": "model"},
    {
        "user_id": 9, "item_id": ["i2"], "rank": [1], "score": [3.0], "probability": [None],
        "source": "popular",
    },
]  # fmt: skip
SUFFIXES = [".parquet", ".csv", ".jsonl"]


def test_one_row_a_user_and_rank():
    table = recommendations_table(LISTS, ITEMS, "rows")
    table.validate(full=True)
    assert table.schema == recommendations_schema(pa.int64(), pa.string())
    assert table.to_pylist() == ROWS


def test_one_row_a_user_with_empty_lists_where_nothing_is_left():
    table = recommendations_table(LISTS, ITEMS, "lists")
    table.validate(full=True)
    assert table.to_pylist() == IN_LISTS


def write(path, tables, layout="rows", rows_per_group=3):
    schema = table_schema(pa.int64(), pa.string(), layout)
    with (
        held_file(path, overwrite=True) as file,
        writing_table(file, schema, metadata={"top_k": 2}, rows_per_group=rows_per_group) as add,
    ):
        for table in tables:
            add(table)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_bytes_do_not_depend_on_the_parts(tmp_path, suffix):
    table = pa.concat_tables([recommendations_table(LISTS, ITEMS, "rows")] * 3)
    parts = [table.slice(first, 2) for first in range(0, 9, 2)]
    whole = write(tmp_path / f"whole{suffix}", [table]).read_bytes()
    assert write(tmp_path / f"parts{suffix}", parts).read_bytes() == whole
    assert write(tmp_path / f"again{suffix}", [table.slice(0, 0), *parts]).read_bytes() == whole


def test_a_parquet_file_has_its_row_groups_and_says_what_made_it(tmp_path):
    table = recommendations_table(LISTS, ITEMS, "rows")
    file = pq.ParquetFile(write(tmp_path / "r.parquet", [table] * 3, rows_per_group=4))
    assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [4, 4, 1]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert json.loads(file.metadata.metadata[b"recsys"]) == {"top_k": 2}
    assert file.read().to_pylist() == ROWS * 3


def test_csv_has_a_header_and_a_blank_where_there_is_no_probability(tmp_path):
    with write(tmp_path / "r.csv", [recommendations_table(LISTS, ITEMS, "rows")]).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["item_id"] for row in rows] == ["i4", "i1", "i2"]
    assert [row["score"] for row in rows] == ["1.5", "0.1", "3"]
    assert [row["probability"] for row in rows] == ["0.25", "0.125", ""]


@pytest.mark.parametrize(("layout", "expected"), [("rows", ROWS), ("lists", IN_LISTS)])
def test_json_lines_say_the_same_and_parquet_too(tmp_path, layout, expected):
    table = recommendations_table(LISTS, ITEMS, layout)
    lines = write(tmp_path / "r.jsonl", [table], layout).read_text().splitlines()
    as_float32 = json.loads(f"[{','.join(lines)}]", parse_float=lambda text: float(np.float32(text)))
    assert as_float32 == expected
    assert pq.read_table(write(tmp_path / "r.parquet", [table], layout)).to_pylist() == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_without_rows_is_a_table(tmp_path, suffix):
    path = write(tmp_path / f"r{suffix}", [])
    assert path.exists()
    if suffix == ".parquet":
        assert pq.read_schema(path).names == list(ROWS[0])
    if suffix == ".csv":
        assert path.read_text().split() == [",".join(f'"{name}"' for name in ROWS[0])]


@settings(deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1))
def test_any_text_survives_json(texts):
    table = pa.table({"id": texts, "ids": [texts] * len(texts)})
    lines = json_lines(table.slice(len(texts) // 2)).decode().removesuffix("\n").split("\n")
    expected = [{"id": text, "ids": texts} for text in texts[len(texts) // 2 :]]
    assert [json.loads(line) for line in lines] == expected


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    def fail():
        yield recommendations_table(LISTS, ITEMS, "rows")
        raise KeyError("stopped")

    with pytest.raises(KeyError):
        write(tmp_path / "r.jsonl", fail())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["r", "r.txt", "r.parquet.gz", "r.json"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="does not end in"):
        check_format(tmp_path / name, "rows")


def test_csv_has_no_lists(tmp_path):
    check_format(tmp_path / "R.CSV", "rows")
    with pytest.raises(UsageError, match="CSV has no lists"):
        check_format(tmp_path / "r.csv", "lists")
