"""Tables in, a table of recommendations and an honest metric out: four commands, as a shell runs them."""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

COMMANDS = ("preprocess", "train", "score", "evaluate")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_ends_well_and_prints_one_json_object(pipeline, command):
    finished = getattr(pipeline, command)
    assert finished.code == 0, finished.stderr
    assert isinstance(finished.json, dict)
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_said_on_the_way_has_utc_times_and_no_escapes(pipeline, command):
    for line in getattr(pipeline, command).stderr.splitlines():
        assert line[:4].isdigit(), line
        assert "\x1b" not in line


def test_every_row_is_used_dropped_or_rejected(pipeline):
    said = pipeline.preprocess.json
    assert said["rows"] == len(events(pipeline.folder))
    assert said["used"] + sum(said["dropped"].values()) + sum(said["rejected"].values()) == said["rows"]


def events(folder: Path) -> list[dict[str, str]]:
    with (folder / "interactions.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def histories(folder: Path) -> dict[str, list[str]]:
    """User id -> item ids, oldest first."""
    by_user: dict[str, list[str]] = {}
    for event in sorted(events(folder), key=lambda event: int(event["timestamp"])):
        by_user.setdefault(event["user_id"], []).append(event["item_id"])
    return by_user


def test_every_user_gets_ten_unseen_items_with_ids_as_they_came(pipeline):
    table = pq.read_table(pipeline.folder / "recommendations.parquet").to_pylist()
    history = histories(pipeline.folder)
    assert [row["user_id"] for row in table] == sorted(user for user in history for _ in range(10))
    assert [row["rank"] for row in table] == list(range(1, 11)) * len(history)
    assert not [row for row in table if row["item_id"] in history[row["user_id"]]]
    assert {row["source"] for row in table} == {"model"}
    for earlier, later in itertools.pairwise(table):
        assert earlier["user_id"] != later["user_id"] or earlier["score"] >= later["score"]


def test_the_model_learns_the_order_of_the_series(pipeline):
    ndcg = {
        ranker["name"]: ranker["metrics"]["NDCG@10"]["mean"] for ranker in pipeline.evaluate.json["rankers"]
    }
    assert ndcg["model"] > ndcg["most popular"]


def test_the_file_of_metrics_is_what_was_printed(pipeline):
    assert json.loads((pipeline.folder / "metrics.json").read_text()) == pipeline.evaluate.json


@pytest.fixture(scope="module")
def before_test(pipeline) -> Path:
    """Recommendations to the users as they stood before the test part."""
    finished = pipeline.run(
        "score", "model", "--dataset", "data", "--output", "before-test.parquet", "--top-k", 20,
        "--candidates", 20, "--before", "test",
    )  # fmt: skip
    assert finished.code == 0, finished.stderr
    return pipeline.folder / "before-test.parquet"


def test_the_table_measures_exactly_as_the_model_does(pipeline, before_test):
    finished = pipeline.run(
        "evaluate", "--recommendations", before_test, "--dataset", "data", "--split", "test"
    )
    assert finished.code == 0, finished.stderr
    by_model, by_table = pipeline.evaluate.json, finished.json
    assert by_table["users"] == by_model["users"]
    for name, metric in by_model["rankers"][0]["metrics"].items():
        if name != "AUC":
            assert by_table["rankers"][0]["metrics"][name] == metric, name
    assert by_table["rankers"][1:] == by_model["rankers"][1:]


def test_ten_lines_of_numpy_get_the_same_metrics_from_the_table(pipeline, before_test):
    table = pq.read_table(before_test).to_pandas()
    targets = {user: items[-1] for user, items in histories(pipeline.folder).items() if len(items) >= 3}
    hit = table[table["item_id"] == table["user_id"].map(targets)].set_index("user_id")["rank"]
    ranks = np.array([hit.get(user, np.inf) for user in targets])
    metrics = pipeline.evaluate.json["rankers"][0]["metrics"]
    for k in (5, 10, 20):
        found = ranks <= k
        expected = {
            "HR": found.mean(),
            "recall": found.mean(),
            "precision": found.mean() / k,
            "F1": (found * 2 / (k + 1)).mean(),
            "NDCG": (found / np.log2(ranks + 1)).mean(),
            "MRR": (found / ranks).mean(),
            "MAP": (found / ranks).mean(),
        }
        for name, value in expected.items():
            assert metrics[f"{name}@{k}"]["mean"] == pytest.approx(value, rel=1e-12), (name, k)


def test_a_second_run_gives_the_same_bytes(pipeline):
    first = (pipeline.folder / "recommendations.parquet").read_bytes()
    finished = pipeline.run(
        "score", "model", "--dataset", "data", "--output", "again.parquet", "--top-k", 10, "--candidates", 20
    )
    assert finished.code == 0, finished.stderr
    assert (pipeline.folder / "again.parquet").read_bytes() == first


def test_standard_input_is_read_like_a_file(pipeline):
    with (pipeline.folder / "interactions.csv").open("rb") as stream:
        from_stdin = pipeline_preprocess(pipeline, "from-stdin", "-", stdin=stream)
    from_file = pipeline_preprocess(pipeline, "from-file", "interactions.csv")
    assert from_stdin["used"] == from_file["used"]
    sequences = [
        pq.read_table(next((pipeline.folder / name).glob("sequences-*.parquet")))
        for name in ("from-stdin", "from-file")
    ]
    assert sequences[0].equals(sequences[1])


def pipeline_preprocess(pipeline, output: str, source: str, **options):
    finished = pipeline.run("preprocess", source, "--output", output, **options)
    assert finished.code == 0, finished.stderr
    return finished.json


def test_a_refitted_model_scores_too(pipeline):
    refit = pipeline.run("train", "data", "--output", "refitted", "--refit", "model")
    assert refit.code == 0, refit.stderr
    assert refit.json["validation_ndcg_at_10"] is None
    scored = pipeline.run(
        "score", "refitted", "--dataset", "data", "--output", "refitted.csv", "--top-k", 5,
        "--candidates", 20, "--show", 2, "--table",
    )  # fmt: skip
    assert scored.code == 0, scored.stderr
    assert "for 000" in scored.stdout
    assert "Film " in scored.stdout


def test_a_title_is_shown_for_every_recommended_item(pipeline):
    finished = pipeline.run(
        "score", "model", "--dataset", "data", "--output", "shown.parquet", "--top-k", 3, "--candidates", 20,
        "--show", 1, "--table",
    )  # fmt: skip
    assert finished.code == 0, finished.stderr
    assert finished.stdout.count("Film ") == 3
