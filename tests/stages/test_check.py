"""`check` accepts what the commands write, and names the file and the row of what is not as it must be."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.artifacts.atomic import held_file
from recsys_cli.artifacts.manifest import open_artifact, writing_artifact
from recsys_cli.errors import ArtifactError
from recsys_cli.schemas import recommendations_schema
from recsys_cli.scoring.table_files import writing_table
from recsys_cli.stages.check import check

HISTORIES = {"u1": ["a", "b", "c"], "u2": ["b", "d"], "u3": ["c", "a", "d", "b"]}
TIMES = {"u1": [100, 200, 300], "u2": [150, 150], "u3": [90, 110, 130, 400]}
GENRES = {"a": {"genre": ["x", "y"]}, "c": {"genre": ["y"]}}
AGES = {"u2": {"age": ["30"]}}


@pytest.fixture
def dataset(make_dataset) -> Path:
    return make_dataset(
        HISTORIES, timestamps=TIMES, item_attributes=GENRES, user_attributes=AGES, titles={"a": "A"}
    )


def rewrite(path: Path, name: str, change: Callable[[pa.Table], pa.Table], **counts: int) -> None:
    """Make the artifact again with one table changed, every digest right."""
    artifact = open_artifact(path)
    tables = {each: artifact.file(each).read_bytes() for each in artifact.manifest.files}
    changed = change(pq.read_table(artifact.file(name)))
    with writing_artifact(path, artifact.manifest.kind, overwrite=True) as writer:
        for each, raw in tables.items():
            writer.file(each).write_bytes(raw)
        pq.write_table(changed, writer.file(name))
        writer.commit(
            configuration=artifact.manifest.configuration,
            inputs={},
            counts=artifact.manifest.counts | counts,
            details=artifact.manifest.details,
            run={},
        )


def replaced(column: str, values: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        index = table.column_names.index(column)
        return table.set_column(index, table.schema.field(column), pa.array(values, table[column].type))

    return change


def test_a_dataset_is_whole_and_its_summary_counts_it(dataset):
    result = check(dataset)
    assert (result.kind, result.files) == ("dataset", 6)
    assert result.counts == {"users": 3, "items": 4, "events": 9, "attributes": 3, "rows": 9}
    assert result.fingerprint == open_artifact(dataset).fingerprint


BROKEN = {
    "items.parquet": [
        ("number", [1, 2, 4, 3], "row 3: its number is not the row's"),
        ("item_id", ["a", "c", "b", "d"], "row 3: its item_id is not above the last"),
        ("item_id", ["a", "b", "b", "d"], "row 3: its item_id is not above the last"),
        ("events", [2, 3, 2, 3], "row 4: its events are not as many"),
        ("first_seen", [110, 150, 90, 130], "row 1: its first_seen is another event's"),
        ("last_seen", [110, 400, 300, None], "row 4: its last_seen is another event's"),
    ],
    "users.parquet": [("events", [3, 1, 5], "row 2: its events are not as many")],
    "attributes.parquet": [
        ("number", [1, 2, 2], "row 3: its number is not the row's"),
        ("entity", ["item", "user", "item"], "row 3: an item's attribute is after a user's"),
        ("entity", ["item", "item", "shop"], "row 3: its entity is neither item nor user"),
        ("count", [1, 1, 1], "row 2: its count is not that of the items"),
    ],
    "item_attributes.parquet": [
        ("attributes", [[2, 1], [], [2], []], "row 1: its attributes do not ascend"),
        ("attributes", [[1, 3], [], [2], []], "row 1: 3 in attributes is not in 1 to 2"),
        ("attributes", [[1, 2], [], [0], []], "row 3: 0 in attributes is not in 1 to 2"),
    ],
    "sequences.parquet": [
        ("items", [[1, 2, 3], [2, 5], [3, 1, 4, 2]], "row 2: 5 in items is not in 1 to 4"),
        ("items", [[1, 2, 3], [2, 0], [3, 1, 4, 2]], "row 2: 0 in items is not in 1 to 4"),
        ("timestamps", [[100, 200, 300], [150, 150], [90, 110, 400, 130]], "row 3: its timestamps fall"),
        ("timestamps", [[100, 200, 300], [150], [90, 110, 130, 400]], "row 2: items and timestamps differ"),
        ("positive", [[True] * 3, [True] * 2, [True] * 3], "row 3: items and positive differ"),
        ("validation_start", [3, 2, 2], "row 1: its parts are out of their order"),
        ("test_start", [2, 3, 3], "row 2: its parts are out of their order"),
        ("validation_start", [-1, 2, 2], "row 1: its parts are out of their order"),
    ],
}  # fmt: skip
CASES = [(name, *case) for name, cases in BROKEN.items() for case in cases]


@pytest.mark.parametrize(("name", "column", "values", "said"), CASES)
def test_what_must_hold_in_a_dataset_is_checked_and_its_row_named(dataset, name, column, values, said):
    rewrite(dataset, name, replaced(column, values))
    with pytest.raises(ArtifactError) as caught:
        check(dataset)
    assert f"{name.partition('.')[0]}-" in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize("name", [*BROKEN, "user_attributes.parquet"])
def test_tables_that_do_not_fit_together_are_refused(dataset, name):
    rewrite(dataset, name, lambda table: table.slice(0, len(table) - 1))
    with pytest.raises(ArtifactError):
        check(dataset)


@pytest.mark.parametrize("name", BROKEN)
def test_a_column_of_another_type_or_none_is_named(dataset, name):
    rewrite(dataset, name, lambda table: table.rename_columns(["n", *table.column_names[1:]]))
    with pytest.raises(ArtifactError, match="no column number"):
        check(dataset)
    rewrite(dataset, name, lambda table: table.rename_columns(["number", *table.column_names[1:]]).cast(
        pa.schema([pa.field("number", pa.int64()), *list(table.schema)[1:]])
    ))  # fmt: skip
    with pytest.raises(ArtifactError, match="column number has int64, not int32"):
        check(dataset)


def test_counts_of_the_manifest_are_those_of_the_files(dataset):
    rewrite(dataset, "items.parquet", lambda table: table, events=8)
    with pytest.raises(ArtifactError, match="its manifest counts 8 events, its files hold 9"):
        check(dataset)


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_what_is_not_read_by_any_command_is_checked_too(dataset, damage):
    artifact = open_artifact(dataset)
    path = artifact.file("user_attributes.parquet")
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(ArtifactError, match=path.name):
        check(dataset)


ROWS = {
    "user_id": ["u1", "u1", "u1", "u2", "u3", "u3"],
    "item_id": ["a", "b", "c", "a", "c", "b"],
    "rank": [1, 2, 3, 1, 1, 2],
    "score": [3.0, 2.0, 2.0, 5.0, 1.0, 0.5],
    "probability": [0.5, 0.25, None, 1.0, 0.0, None],
    "source": ["model", "model", "model", "popular", "model", "model"],
}
MADE_BY = {"model": "ab" * 32, "dataset": "cd" * 32, "top_k": 3}


def write_rows(path: Path, *, made_by: object = MADE_BY, groups: int = 4, **columns: object) -> Path:
    schema = recommendations_schema(pa.string(), pa.string())
    table = pa.Table.from_pydict(ROWS | columns, schema=schema)
    if made_by is not None:
        table = table.replace_schema_metadata({"recsys": json.dumps(made_by)})
    pq.write_table(table, path, row_group_size=groups)
    return path


@pytest.fixture
def table(tmp_path) -> Path:
    return tmp_path / "t.parquet"


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_a_table_of_recommendations_is_whole_however_its_rows_are_grouped(table, rows, monkeypatch):
    monkeypatch.setattr("recsys_cli.scoring.check.ROWS_AT_A_TIME", rows)
    result = check(write_rows(table, groups=rows))
    assert result.kind == "recommendations"
    assert result.counts == {"users": 3, "rows": 6, "model": 5, "popular": 1}
    assert result.made_from == {"model": "ab" * 32, "dataset": "cd" * 32}


WRONG_ROWS = {
    "rank": [([1, 2, 4, 1, 1, 2], "row 3: its rank"), ([0, 1, 2, 0, 0, 1], "row 1: its rank"),
             ([1, 2, 2, 1, 1, 2], "row 3: its rank")],
    "score": [([3.0, 2.0, 2.5, 5, 1, 0.5], "row 3: its score is above"),
              ([3.0, 2.0, float("nan"), 5, 1, 0.5], "row 3: its score is not finite")],
    "item_id": [(["a", "b", "a", "a", "c", "b"], "row 3: its item is in the user's list already")],
    "user_id": [(["u2", "u2", "u2", "u1", "u3", "u3"], "row 4: its user does not come after"),
                (["u1", "u1", "u1", "u2", "u1", "u1"], "row 5: its user does not come after")],
    "probability": [([0.5, 1.5, None, 1, 0, None], "row 2: its probability is not between")],
    "source": [(["model"] * 5 + ["guess"], "its column source has 'guess'")],
}  # fmt: skip
WRONG = [(column, *case) for column, cases in WRONG_ROWS.items() for case in cases]


@pytest.mark.parametrize("rows", [1, 100])
@pytest.mark.parametrize(("column", "values", "said"), WRONG)
def test_what_must_hold_in_a_table_is_checked_and_its_row_named(
    table, column, values, said, rows, monkeypatch
):
    monkeypatch.setattr("recsys_cli.scoring.check.ROWS_AT_A_TIME", rows)
    with pytest.raises(ArtifactError) as caught:
        check(write_rows(table, **{column: values}))
    assert str(table) in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize(
    "made_by", [None, {}, [], {"model": "ab" * 32}, {"model": "x", "dataset": "cd" * 32}]
)
def test_a_table_without_fingerprints_is_refused(table, made_by):
    with pytest.raises(ArtifactError):
        check(write_rows(table, made_by=made_by))


def test_a_table_of_other_columns_or_types_is_refused(table):
    whole = pq.read_table(write_rows(table))
    for other in (
        whole.drop_columns("source"),
        whole.append_column("more", pa.nulls(6)),
        whole.set_column(2, "rank", whole["rank"].cast(pa.int64())),
        whole.set_column(0, "user_id", whole["user_id"].cast(pa.binary())),
    ):
        pq.write_table(other, table)
        with pytest.raises(ArtifactError):
            check(table)


def test_a_flipped_bit_of_a_table_is_found_or_changes_nothing_in_its_rows(table):
    schema = recommendations_schema(pa.string(), pa.string())
    with (
        held_file(table, overwrite=False) as file,
        writing_table(file, schema, metadata=MADE_BY, rows_per_group=4) as write,
    ):
        write(pa.Table.from_pydict(ROWS, schema=schema))
    whole, rows = table.read_bytes(), pq.read_table(table)
    draw = np.random.default_rng(0)
    found = 0
    for place, bit in zip(draw.integers(0, len(whole), 80), draw.integers(0, 8, 80), strict=True):
        table.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
        if refused(table):
            found += 1
        else:
            assert pq.read_table(table).equals(rows)
    assert found > 40


def refused(path: Path) -> bool:
    try:
        check(path)
    except ArtifactError:
        return True
    return False


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_table_that_was_cut_is_refused(table, share):
    whole = write_rows(table).read_bytes()
    table.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ArtifactError, match=table.name):
        check(table)


def test_a_report_is_checked_against_itself(tmp_path):
    report = {
        "split": "test", "users": 3, "users_without_history": 0, "targets": 3, "unreachable_targets": 0,
        "catalogue": 4, "differences": [], "test_uses": 1, "notes": [],
        "rankers": [{"name": "model", "metrics": {"NDCG@5": {"mean": 0.5, "low": 0.4, "high": 0.6}},
                     "coverage": {}, "tied_targets": None, "expected": {}}],
    }  # fmt: skip
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(report))
    assert check(path).kind == "report"
    for wrong in ({"mean": 0.7}, {"low": 0.55}, {"high": 1.5, "mean": 1.2}, {"mean": "x"}):
        changed = json.loads(json.dumps(report))
        changed["rankers"][0]["metrics"]["NDCG@5"] |= wrong
        path.write_text(json.dumps(changed))
        with pytest.raises(ArtifactError, match=r"metrics\.json"):
            check(path)


@pytest.mark.parametrize("name", ["missing", "notes.txt", "folder"])
def test_what_is_no_artifact_is_refused(tmp_path, name):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArtifactError, match=name):
        check(tmp_path / name)
