"""When artifacts were made, from what, whether they are stale, and what lies about."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.artifacts.manifest import open_artifact, sha256_of_file, writing_artifact
from recsys_cli.pipelines.status import status


def states(result) -> dict[str, tuple[str, str]]:
    return {each.path: (each.state, each.reason) for each in result.artifacts}


def test_a_pipelines_outputs_are_absent_then_current_then_stale(night):
    file = night.folder / "night.toml"
    assert {each.state for each in status(file, night.commands).artifacts} == {"absent"}
    night.run()
    fresh = status(file, night.commands)
    assert {each.state for each in fresh.artifacts} == {"current"}
    model = fresh.artifacts[1]
    assert (model.path, model.kind, model.stage) == ("model", "model", "train")
    assert model.made_from == {"data": open_artifact(night.folder / "data", "dataset").fingerprint}
    night.events(ann=["a", "b"])
    night.run("preprocess")
    stale = states(status(file, night.commands))
    assert stale["data"] == ("current", "")
    assert stale["model"] == ("stale", "data changed")
    assert stale["metrics.json"] == ("stale", "data changed")


def test_a_folder_shows_the_pipelines_that_ran_in_it_and_what_else_is_there(night):
    night.run()
    shutil.copytree(night.folder / "model", night.folder / "old" / "model")
    (night.folder / "other.toml").write_text("not a pipeline")
    result = status(night.folder, night.commands)
    assert list(states(result)) == ["data", "model", "recommendations.jsonl", "metrics.json", "old/model"]
    assert result.artifacts[-1].stage is None


def test_what_a_pipeline_did_not_make_is_not_called_its_own(night):
    night.run()
    shutil.rmtree(night.folder / "night.run")
    found = states(status(night.folder / "night.toml", night.commands))
    assert found["model"] == ("unknown", "it was not made by this pipeline")


@pytest.fixture
def folder(tmp_path):
    """A dataset from a table, a model from that, and recommendations from both, without a pipeline."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "events.csv").write_text("user,item\n")
    make(
        tmp_path / "work" / "data",
        "dataset",
        {"000-events.csv": sha256_of_file(tmp_path / "in" / "events.csv")},
    )
    make(
        tmp_path / "work" / "model",
        "model",
        {"dataset": open_artifact(tmp_path / "work" / "data", "dataset").fingerprint},
    )
    made_of = {"version": "1.0"} | {
        kind: open_artifact(tmp_path / "work" / place, kind).fingerprint
        for kind, place in (("dataset", "data"), ("model", "model"))
    }
    schema = pa.schema([("user_id", pa.string())], metadata={"recsys": json.dumps(made_of)})
    pq.write_table(schema.empty_table(), tmp_path / "recommendations.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "foreign.parquet")
    return tmp_path


def make(path, kind, inputs) -> None:
    with writing_artifact(path, kind, overwrite=True) as writer:
        writer.file("part").write_text("x")
        writer.commit(configuration={}, inputs=inputs, counts={}, details={}, run={})


def test_artifacts_without_a_pipeline_are_traced_by_their_fingerprints(folder, commands):
    result = status(folder, commands)
    assert states(result) == dict.fromkeys(
        ["recommendations.parquet", "work/data", "work/model"], ("current", "")
    )
    assert result.artifacts[0].version == "1.0"
    assert result.unfinished == []


def test_a_change_below_makes_what_was_made_from_it_stale(folder, commands):
    (folder / "in" / "events.csv").write_text("user,item,time\n")
    assert states(status(folder, commands))["work/data"] == ("stale", "events.csv changed")
    make(folder / "work" / "data", "dataset", {})
    found = states(status(folder, commands))
    assert found["work/model"] == ("stale", "its dataset is none of those here")
    assert found["recommendations.parquet"] == ("stale", "its dataset is none of those here")


def test_what_cannot_be_traced_is_not_called_stale(folder, commands):
    shutil.rmtree(folder / "in")
    shutil.rmtree(folder / "work" / "model")
    found = states(status(folder, commands))
    assert found["work/data"] == ("unknown", "events.csv is not here")
    assert found["recommendations.parquet"] == ("unknown", "no model is here")


def test_a_damaged_artifact_is_a_row_and_not_the_end(folder, commands):
    next((folder / "work" / "model").glob("part-*")).write_text("cut off")
    (folder / "work" / "data" / "manifest.json").write_text("{")
    found = states(status(folder, commands))
    assert found["work/model"] == ("damaged", "a file of it is missing, or was cut")
    assert found["work/data"][0] == "damaged"
    assert "manifest.json is damaged" in found["work/data"][1]


def test_half_finished_runs_are_listed(night):
    night.write("[expectations]\nmin_rows = 99\n" + (night.folder / "night.toml").read_text())
    night.run()
    (night.folder / "model.partial").mkdir()
    (night.folder / ".recommendations.parquet.partial").touch()
    unfinished = status(night.folder, night.commands).unfinished
    assert [each.path for each in unfinished] == [
        ".recommendations.parquet.partial",
        "data.candidate",
        "model.partial",
    ]
    assert "has not met its expectations" in unfinished[1].what


def test_an_empty_folder_has_nothing(tmp_path, commands):
    result = status(tmp_path, commands)
    assert (result.artifacts, result.unfinished) == ([], [])
