"""A few users' lists, with titles, from a table of any format and layout."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from recsys_cli.artifacts.manifest import writing_artifact
from recsys_cli.cli import console
from recsys_cli.cli.lists import Recommended, UserList, read_lists, read_titles
from recsys_cli.cli.views import score_view
from recsys_cli.schemas import items_schema, recommendations_schema
from recsys_cli.stages.results import ScoreResult

COLUMNS = {
    "user_id": ["007", "007", "[a,b]", "z"],
    "item_id": [3, 1, 2, 2],
    "rank": [1, 2, 1, 1],
    "score": [2.5, 1.5, 0.5, 0.25],
    "probability": [0.5, 0.25, None, None],
    "source": ["model", "model", "popular", "popular"],
}
LISTS = [
    UserList("007", [Recommended("Blade [Director's Cut]", 2.5, 0.5), Recommended("Alien", 1.5, 0.25)]),
    UserList("[a,b]", [Recommended("2", 0.5, None)]),
]


def write_dataset(path: Path, text_fields: dict[str, list[str | None]]) -> Path:
    """A dataset that has its items, and nothing else."""
    columns = {
        "number": [1, 2, 3], "item_id": [1, 2, 3], "events": [5, 6, 7],
        "first_seen": [None] * 3, "last_seen": [None] * 3,
        **{f"text.{name}": values for name, values in text_fields.items()},
    }  # fmt: skip
    schema = items_schema(pa.int64(), list(text_fields))
    with writing_artifact(path, "dataset", overwrite=False) as writer:
        pq.write_table(pa.table(columns, schema=schema), writer.file("items.parquet"))
        title = next(iter(text_fields), None)
        split = {"kind": "none", "validation_from": None, "test_from": None}
        details = {"split": split, "timestamps": "seconds", "title_field": title, "fields": []}
        counts = {"items": 3, "users": 0, "attributes": 0}
        writer.commit(configuration={}, inputs={}, counts=counts, details=details, run={})
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    titles = ["Alien", None, "Blade [Director's Cut]"]
    return write_dataset(tmp_path / "data", {"title": titles, "plot": ["x", "y", "z"]})


def write_recommendations(path: Path, layout: str) -> Path:
    rows = pa.table(COLUMNS, schema=recommendations_schema(pa.string(), pa.int64()))
    table = rows if layout == "rows" else in_lists(rows)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    return path


def in_lists(rows: pa.Table) -> pa.Table:
    columns = ["item_id", "rank", "score", "probability"]
    grouped = rows.group_by("user_id", use_threads=False).aggregate([(name, "list") for name in columns])
    return grouped.rename_columns(["user_id", *columns])


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("r.parquet", "rows"),
        ("r.parquet", "lists"),
        ("r.csv", "rows"),
        ("r.jsonl", "rows"),
        ("r.jsonl", "lists"),
    ],
)
def test_the_lists_of_the_first_users_are_read(tmp_path, dataset, name, layout):
    table = write_recommendations(tmp_path / name, layout)
    assert read_lists(table, dataset, users=2) == LISTS


def test_no_users_asked_for_reads_nothing(tmp_path):
    assert read_lists(tmp_path / "none.parquet", tmp_path / "none", users=0) == []


def test_without_text_for_display_there_are_no_titles(tmp_path):
    assert read_titles(write_dataset(tmp_path / "data", {"plot": ["x", None, "z"]})) == {"1": "x", "3": "z"}
    assert read_titles(write_dataset(tmp_path / "plain", {})) == {}


def test_titles_are_shown_as_they_are_and_long_ones_are_folded_into_80_columns(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = ScoreResult(
        output=Path("r.parquet"), users=1, rows=2, by_source={"model": 1}, unknown_users=0,
        unknown_items=0, removed=[], notes=[],
    )  # fmt: skip
    entries = [Recommended("[bold]Blade :smile:", 2.5, 0.5), Recommended("word " * 40, 1.5, None)]
    lists = [UserList("[red]007", entries)]
    console.print_result(result, as_json=False, view=lambda: score_view(result, lists))
    text = capfd.readouterr().out
    assert "[bold]Blade :smile:" in text
    assert "for [red]007" in text
    assert max(map(len, text.splitlines())) <= 80
