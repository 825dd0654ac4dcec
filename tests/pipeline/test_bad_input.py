"""Bad input: one clear sentence, a hint, the right exit code, no traceback, and no output made."""

import csv
import gzip
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

HEADER = "user_id,item_id,rating,timestamp\n"
GOOD = "".join(f"u{n % 7},i{n % 5},4,{1_700_000_000 + n}\n" for n in range(70))

# name of the file, its bytes, words that the sentence must have
BAD_FILES = {
    "an empty file": ("x.csv", b"", ["x.csv", "empty"]),
    "a header only": ("x.csv", HEADER.encode(), ["x.csv"]),
    "a missing column": ("x.csv", b"user_id,rating,timestamp\nu,4,1700000000\n", ["x.csv", "item"]),
    "a wrong separator": ("x.csv", (HEADER + GOOD).replace(",", ";;").encode(), ["x.csv"]),
    "text in rating": ("x.csv", (HEADER + GOOD.replace(",4,", ",good,")).encode(), ["rating"]),
    "text in timestamp": ("x.csv", (HEADER + GOOD.replace(",17", ",on 17")).encode(), ["timestamp"]),
    "NaN in rating": ("x.csv", (HEADER + GOOD.replace(",4,", ",NaN,")).encode(), ["rating"]),
    "infinity in rating": ("x.csv", (HEADER + GOOD.replace(",4,", ",inf,")).encode(), ["rating"]),
    "infinity in timestamp": ("x.csv", (HEADER + GOOD.replace(",17", ",inf #")).encode(), ["timestamp"]),
    "UTF-16": ("x.csv", (HEADER + GOOD).encode("utf-16"), ["x.csv", "UTF-16"]),
    "Latin-1": ("x.csv", (HEADER + GOOD).replace("i0", "é").encode("latin-1"), ["x.csv line 2", "UTF-8"]),
    "a truncated zstd": (
        "x.csv.zst",
        pa.compress((HEADER + GOOD).encode(), codec="zstd", asbytes=True)[:-9],
        ["x.csv.zst", "not a whole zstd file"],
    ),
    "ids that are lists": (
        "x.jsonl",
        b'{"user": ["u"], "item": "i"}\n' * 9,
        ["a list or an object", "line 1"],
    ),
    "a truncated gzip": ("x.csv.gz", gzip.compress((HEADER + GOOD).encode())[:60], ["x.csv.gz"]),
    "no gzip at all": ("x.csv.gz", (HEADER + GOOD).encode(), ["x.csv.gz"]),
    "a Parquet file that is not one": ("x.parquet", (HEADER + GOOD).encode(), ["x.parquet"]),
    "JSON lines that are not": ("x.jsonl", (HEADER + GOOD).encode(), ["x.jsonl"]),
}


def assert_refused(finished, code: int, *words: str) -> None:
    """One sentence with these words, one hint, this exit code, no traceback, nothing on stdout."""
    errors = [line for line in finished.stderr.splitlines() if line.startswith("error: ")]
    hints = [line for line in finished.stderr.splitlines() if line.startswith("hint: ")]
    assert finished.code == code, finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(errors) == len(hints) == 1, finished.stderr
    assert finished.stderr.splitlines()[-2:] == [*errors, *hints]
    assert finished.stdout == ""
    for word in words:
        assert word.lower() in errors[0].lower()


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_of_interactions_that_cannot_be_used(tables, preprocess, case):
    name, content, words = BAD_FILES[case]
    (tables / name).write_bytes(content)
    assert_refused(preprocess(name), 3, *words)
    assert not (tables / "data").exists()


def test_a_missing_file(tables, preprocess):
    assert_refused(preprocess("none.csv"), 3, "none.csv")
    assert_refused(preprocess("none-*.csv"), 3, "none-*.csv")
    assert_refused(preprocess("interactions.csv", "--items", "none.csv"), 3, "none.csv")


def test_a_named_column_that_is_not_there(tables, preprocess):
    assert_refused(preprocess("interactions.csv", "--user-column", "viewer"), 2, "interactions.csv", "viewer")


def test_duplicate_item_ids_in_the_items(tables, preprocess):
    with (tables / "items.csv").open("a") as stream:
        stream.write("f01,Another film 1,War,1999\n")
    assert_refused(
        preprocess("interactions.csv", "--items", "items.csv"), 3, "items.csv line 39", "there before"
    )


def test_items_that_are_never_mentioned_and_items_that_are_not_described(tables, preprocess):
    lines = (tables / "items.csv").read_text().splitlines()
    (tables / "items.csv").write_text("\n".join([*lines[:20], "zzz,Never seen,War,1999"]) + "\n")
    finished = preprocess("interactions.csv", "--items", "items.csv")
    assert finished.code == 0, finished.stderr
    assert finished.json["notes"]


@pytest.mark.parametrize(
    ("rows", "users", "items"),
    [
        ("".join(f"u,i{n},4,{n}\n" for n in range(1_700_000_000, 1_700_000_009)), 1, 9),
        ("".join(f"u{n},i,4,{n}\n" for n in range(1_700_000_000, 1_700_000_009)), 9, 1),
        ("".join(f"u{n},i{n % 4},4,{n}\n" for n in range(1_700_000_000, 1_700_000_009)), 9, 4),
    ],
    ids=["one user", "one item", "users with one event"],
)
def test_small_worlds_are_data_too(tables, preprocess, rows, users, items):
    (tables / "x.csv").write_text(HEADER + rows)
    finished = preprocess("x.csv")
    assert finished.code == 0, finished.stderr
    assert (finished.json["users"], finished.json["items"]) == (users, items)


ODD_IDS = ["007", 'a,"b"', "line\nbreak", "😀", "x" * 10_000, "''", " padded ", "NULL", "1e5"]


def test_odd_ids_come_back_as_they_came(tables, preprocess):
    with (tables / "x.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = [(user, item, 4, 1_700_000_000 + n) for user in ODD_IDS for n, item in enumerate(ODD_IDS)]
        csv.writer(stream).writerows([("user_id", "item_id", "rating", "timestamp"), *rows])
    finished = preprocess("x.csv")
    assert finished.code == 0, finished.stderr
    items = pq.read_table(next((tables / "data").glob("items-*.parquet")))
    users = pq.read_table(next((tables / "data").glob("users-*.parquet")))
    assert set(items["item_id"].to_pylist()) == set(ODD_IDS)
    assert set(users["user_id"].to_pylist()) == set(ODD_IDS)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tables, preprocess):
    (tables / "x.csv").write_bytes(b"\xef\xbb\xbf" + (HEADER + GOOD).encode())
    assert preprocess("x.csv").json["used"] == 70


def test_an_output_that_exists(tables, preprocess):
    (tables / "data").mkdir()
    (tables / "data" / "thesis.tex").touch()
    assert_refused(preprocess("interactions.csv"), 2, "data exists already")


def test_an_empty_directory_is_no_output(tables, preprocess):
    (tables / "data").mkdir()  # a run that was killed leaves one
    assert preprocess("interactions.csv").code == 0


def test_an_output_that_is_something_else_is_never_replaced(tables, preprocess):
    (tables / "data").mkdir()
    (tables / "data" / "thesis.tex").touch()
    assert_refused(preprocess("interactions.csv", "--overwrite"), 4, "data")
    assert (tables / "data" / "thesis.tex").exists()


def test_an_output_below_a_file(pipeline):
    finished = pipeline.run("preprocess", "interactions.csv", "--output", "items.csv/data")
    assert_refused(finished, 7, "items.csv/data could not be written")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_in_a_folder_that_may_not_be_written(tables, preprocess):
    tables.chmod(0o555)
    assert_refused(preprocess("interactions.csv"), 7, "permission is denied")
    tables.chmod(0o755)


def test_a_model_given_as_a_dataset_and_the_reverse(pipeline):
    swapped = pipeline.run("score", "data", "--dataset", "model", "--output", "no.parquet")
    assert_refused(swapped, 4, "is a")
    assert_refused(pipeline.run("train", "model", "--output", "m2"), 4, "model is a model, not a dataset")
    assert_refused(pipeline.run("evaluate", "data", "data"), 4, "data is a dataset, not a model")
    assert_refused(pipeline.run("train", "none", "--output", "m2"), 4, "none is not a dataset")


def test_a_table_of_recommendations_that_is_none(pipeline):
    finished = pipeline.run("evaluate", "--recommendations", "items.csv", "--dataset", "data")
    assert finished.code in {3, 4}
    assert_refused(finished, finished.code, "items.csv")


def test_a_damaged_artifact(tables, run, preprocess):
    assert preprocess("interactions.csv").code == 0
    damaged = next((tables / "data").glob("sequences-*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-100])
    finished = run("train", "data", "--output", "model")
    assert_refused(finished, 4, damaged.name, "damaged")
    assert not (tables / "model").exists()
