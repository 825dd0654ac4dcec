"""The score stage, with a ranker of plain arithmetic, against a list made one user at a time."""

import csv
import json
import logging
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli import __version__
from recsys_cli.config.settings import ScoreSettings
from recsys_cli.errors import ArtifactError, DataError, UsageError
from recsys_cli.schemas import recommendations_schema
from recsys_cli.sequences.store import open_dataset
from recsys_cli.sequences.vocabulary import tie_order
from recsys_cli.stages.score import score

DAY = 86_400
HISTORIES = {
    31: ["a", "b", "c", "d"],
    4: ["b", "b", "e"],
    17: [],
    8: ["f"],
    25: ["new", "new"],
    12: ["g", "a", "new", "c"],
    9: ["c", "d", "e", "h", "i", "a", "b", "f", "g", "new"],
}
TIMES = {user: [DAY * (3 * place + user) for place in range(len(items))] for user, items in HISTORIES.items()}
SMALL = {"top_k": 3, "candidates": 3}


@pytest.fixture
def dataset(make_dataset):
    return make_dataset(HISTORIES, timestamps=TIMES)


@pytest.fixture
def run(dataset, model, fake_ranker, tmp_path):
    """Score to a file of tmp_path; the model does not know the item `new`."""
    fake_ranker("new")

    def run(name="r.parquet", *, source=dataset, filters=None, **options):
        chosen = {key: options.pop(key) for key in list(options) if key in ScoreSettings.model_fields}
        settings = ScoreSettings(**(SMALL | chosen))
        return score(model, source, tmp_path / name, settings=settings, **(filters or {}), **options)

    return run


def rows_of(result) -> list[dict]:
    return pq.read_table(result.output).to_pylist()


def lists_of(result) -> dict[int, list[str]]:
    lists: dict[int, list[str]] = {}
    for row in rows_of(result):
        lists.setdefault(row["user_id"], []).append(row["item_id"])
    return lists


def expected_lists(path, *, before=None, include_seen=False, denied=(), allowed=None, top_k=3):
    """Every user's list, with loops."""
    source = open_dataset(path)
    items = source.item_ids.to_pylist()
    hash_order = [items[place] for place in tie_order(source.item_ids)]
    cut = {"validation": 2, "test": 1, None: 0}[before]
    lists = {}
    for position, user in enumerate(sorted(HISTORIES)):
        whole = HISTORIES[user]
        history = whole[: len(whole) - cut] if len(whole) >= 3 else whole
        if not set(history) - {"new"}:
            continue
        out = {item for owner, item in denied if owner == user} | (set() if include_seen else set(history))
        left = [item for item in hash_order if item not in out | {"new"} and item in (allowed or items)]
        left.sort(key=lambda item: -((5 * position + 3 * (items.index(item) + 1)) % 7))
        lists[user] = left[:top_k]
    return {user: items for user, items in lists.items() if items}


def of_the_model(result) -> dict[int, list[str]]:
    popular = {row["user_id"] for row in rows_of(result) if row["source"] == "popular"}
    return {user: items for user, items in lists_of(result).items() if user not in popular}


@pytest.mark.parametrize("before", [None, "validation", "test"])
@pytest.mark.parametrize("include_seen", [False, True])
def test_lists_are_those_made_one_user_at_a_time(run, dataset, before, include_seen):
    result = run(before=before, include_seen=include_seen, users_per_batch=2)
    assert of_the_model(result) == expected_lists(dataset, before=before, include_seen=include_seen)


def test_the_table_is_sorted_and_has_its_schema(run):
    result = run()
    table = pq.read_table(result.output)
    assert table.schema.remove_metadata() == recommendations_schema(pa.int64(), pa.string())
    rows = table.to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["user_id"], row["rank"]))
    model_rows = [row for row in rows if row["source"] == "model"]
    assert all(row["probability"] == row["score"] / 8 for row in model_rows)
    assert all(row["probability"] is None for row in rows if row["source"] == "popular")


def test_users_that_the_model_cannot_read_get_what_is_popular_of_late_and_not_seen(run):
    """The last event, user 31's d, is of day 40."""
    result = run(popular_days=8)
    popular = [row for row in rows_of(result) if row["source"] == "popular"]
    assert {row["user_id"] for row in popular} == {17, 25}
    # Since day 32: user 31's b, c, d (34, 37, 40) and user 9's g, new (33, 36).
    late = {"b", "c", "d", "g", "new"}
    assert {row["item_id"] for row in popular} <= late
    assert {row["score"] for row in popular} == {1.0}
    assert "new" not in lists_of(result)[25]
    assert result.by_source == {"model": 5, "popular": 2}
    assert (result.users, result.rows, result.unknown_items) == (7, len(rows_of(result)), 1)


def test_a_user_with_few_unseen_items_gets_a_shorter_list_or_none(run):
    assert lists_of(run("validation.parquet", before="validation"))[9] == ["g"]
    result = run()
    assert 9 not in lists_of(result)
    assert any("left to recommend to 1 user" in note for note in result.notes)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_bytes_do_not_depend_on_the_batches_or_on_the_run(run, size):
    first = run("first.parquet").output.read_bytes()
    assert run("second.parquet", users_per_batch=size).output.read_bytes() == first


def test_batches_are_told_and_never_too_large(run, fake_ranker):
    made = fake_ranker("new")
    told = []
    run(users_per_batch=2, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (7, 7)
    assert told == sorted(set(told))
    assert max(made[-1].batches) == 2
    assert sum(made[-1].batches) == 5


def test_what_made_the_table_is_in_its_metadata(run, dataset):
    metadata = json.loads(pq.read_schema(run(before="test").output).metadata[b"recsys"])
    assert metadata["dataset"] == open_dataset(dataset).fingerprint
    assert len(metadata["model"]) == 64
    assert {key: metadata[key] for key in ("before", "top_k", "include_seen", "scorer", "version")} == {
        "before": "test", "top_k": 3, "include_seen": False, "scorer": "full", "version": __version__,
    }  # fmt: skip


def test_only_the_listed_users_and_popular_items_for_those_unknown(run, dataset, tmp_path, caplog):
    (tmp_path / "users.txt").write_text("12\n4\n1000\n4\n5\n")
    with caplog.at_level(logging.WARNING, "recsys"):
        result = run(filters={"users": tmp_path / "users.txt"})
    lists = lists_of(result)
    assert list(lists) == [4, 5, 12, 1000]
    assert {user: lists[user] for user in (4, 12)} == {
        user: items for user, items in expected_lists(dataset).items() if user in {4, 12}
    }
    assert lists[5] == lists[1000]
    assert (result.users, result.unknown_users) == (4, 2)
    assert result.by_source == {"model": 2, "popular": 2}
    assert "2 of 4 are not in the dataset" in caplog.text


def test_allowed_denied_and_forbidden_pairs_hold_for_everybody(run, dataset):
    denied = [(31, "g"), (4, "a"), (17, "g"), (17, "c"), (5, "g")]
    result = run(
        filters={
            "users": pd.DataFrame({"user_id": [*HISTORIES, 5]}),
            "allow_items": pd.DataFrame({"item": ["a", "b", "c", "g", "h"]}),
            "deny_items": pd.DataFrame({"item": ["b"]}),
            "deny_pairs": pd.DataFrame(denied, columns=["user", "item"]),
        }
    )
    allowed = {"a", "c", "g", "h"}
    assert of_the_model(result) == expected_lists(dataset, denied=denied, allowed=allowed)
    lists = lists_of(result)
    assert all(set(items) <= allowed for items in lists.values())
    assert not set(lists[17]) & {"g", "c"}
    assert "g" not in lists[5]
    assert "g" in lists[25]


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl"])
def test_other_formats_say_the_same(run, name):
    expected = [
        {key: str(row[key]) for key in ("user_id", "item_id", "rank", "source")} for row in rows_of(run())
    ]
    text = run(name).output.read_text()
    found = (
        list(csv.DictReader(text.splitlines()))
        if name == "r.csv"
        else [json.loads(line) for line in text.splitlines()]
    )
    assert [{key: str(row[key]) for key in expected[0]} for row in found] == expected


def test_with_lists_every_user_has_a_row(run):
    rows = pq.read_table(run("lists.parquet", layout="lists").output).to_pylist()
    assert [row["user_id"] for row in rows] == sorted(HISTORIES)
    assert {row["user_id"]: row["item_id"] for row in rows if row["item_id"]} == lists_of(run())


def test_the_date_is_filled_in_and_older_tables_go(run, tmp_path):
    for day in (1, 2, 3):
        (tmp_path / f"r-2026-05-0{day}.csv").touch()
    result = run("r-{date}.csv", keep=2, today=date(2026, 5, 4))
    assert result.output == tmp_path / "r-2026-05-04.csv"
    assert [path.name for path in result.removed] == ["r-2026-05-02.csv", "r-2026-05-01.csv"]
    assert sorted(path.name for path in tmp_path.glob("r-*.csv")) == ["r-2026-05-03.csv", "r-2026-05-04.csv"]


def test_a_table_that_exists_is_replaced_only_when_asked(run, tmp_path):
    first = run().output.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        run(top_k=1)
    assert (tmp_path / "r.parquet").read_bytes() == first
    assert run(top_k=1, overwrite=True).output.read_bytes() != first


EVERYTHING = pd.DataFrame({"item": [*"abcdefghi", "new"]})


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("r.txt", {}, UsageError, "does not end in"),
        ("r.csv", {"layout": "lists"}, UsageError, "CSV has no lists"),
        ("r.csv", {"keep": 2}, UsageError, "needs {date}"),
        ("r.csv", {"filters": {"deny_items": EVERYTHING}}, UsageError, "None of"),
        ("r.csv", {"filters": {"users": pd.DataFrame({"user": []})}}, DataError, "no user ids"),
        ("r.csv", {"filters": {"deny_pairs": pd.DataFrame({"user": [4]})}}, DataError, "no column of item"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(run, tmp_path, name, options, error, says):
    with pytest.raises(error, match=says):
        run(name, **options)
    assert not (tmp_path / name).exists()


def test_a_part_needs_a_split(run, make_dataset):
    source = make_dataset(HISTORIES, name="unsplit", split="none")
    with pytest.raises(UsageError, match="no test part"):
        run(source=source, before="test")


def test_a_dataset_is_no_model(dataset, tmp_path):
    with pytest.raises(ArtifactError, match="is a dataset, not a model"):
        score(dataset, dataset, tmp_path / "r.parquet")
