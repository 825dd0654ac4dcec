"""The night: what is skipped, run, judged and passed on, and what the log says of it."""

import json
import os
import shutil

import pytest

from recsys_cli.artifacts.lock import held_lock
from recsys_cli.errors import LockedError
from recsys_cli.pipelines.process import Ended

ALL = ["preprocess", "train", "score", "evaluate"]


def failed(code: int, *lines: str, timed_out: bool = False) -> Ended:
    return Ended(code, timed_out=timed_out, stdout=b"", last_lines=lines)


def expecting(toml: str, night) -> None:
    path = night.folder / "night.toml"
    path.write_text(
        f"[expectations]\n{toml}\n"
        + path.read_text().partition("[stages")[1]
        + path.read_text().partition("[stages")[2]
    )


def test_a_first_night_runs_every_stage_and_the_next_none(night):
    assert night.outcomes() == dict.fromkeys(ALL, "ran")
    assert night.processes.commands == ALL
    assert night.outcomes() == dict.fromkeys(ALL, "skipped")
    assert night.processes.commands == ALL


def test_a_changed_input_runs_what_depends_on_it_and_one_that_comes_out_the_same_runs_no_more(night):
    night.run()
    (night.folder / "events.json").write_text(
        json.dumps({"ann": ["a", "b", "c"], "bob": ["b", "d"], "cid": ["c", "a", "e", "d"]}, indent=1)
    )
    assert night.outcomes() == {
        "preprocess": "ran",
        "train": "skipped",
        "score": "skipped",
        "evaluate": "skipped",
    }
    night.events(ann=["a", "b"])
    assert night.outcomes() == dict.fromkeys(ALL, "ran")


def test_a_changed_setting_runs_its_stage_and_says_which(night):
    night.run()
    night.write((night.folder / "night.toml").read_text().replace("epochs = 3", "epochs = 4"))
    rows = night.run().stages
    assert [row.outcome for row in rows] == ["skipped", "ran", "ran", "ran"]
    assert rows[1].reason == "the configuration changed: epochs"
    assert rows[2].reason == "model changed"


@pytest.mark.parametrize("harm", ["gone", "cut", "replaced"])
def test_an_output_that_somebody_harmed_is_made_again(night, harm):
    night.run()
    model = night.folder / "model"
    weights = next(model.glob("weights-*"))
    if harm == "gone":
        shutil.rmtree(model)
    elif harm == "cut":
        weights.write_text("")
    else:
        night.processes.train({"argument": "events.json", "output": "model"})
    before = night.bytes("recommendations.jsonl")
    assert night.outcomes() == {
        "preprocess": "skipped",
        "train": "ran",
        "score": "skipped",
        "evaluate": "skipped",
    }
    assert night.bytes("recommendations.jsonl") == before


def test_the_first_stage_that_fails_stops_the_chain_with_its_code_and_sentence(night):
    night.processes.fails["train"] = failed(
        5, "epoch 1\n", "error: The loss was not finite.\n", "hint: Less.\n"
    )
    result = night.run()
    assert (result.exit_code, len(result.stages)) == (5, 2)
    assert result.stopped.sentence == "Stage train: The loss was not finite."
    assert result.stopped.hint == "Less."
    assert (result.stages[1].outcome, result.stages[1].reason) == ("failed", "The loss was not finite")
    assert not (night.folder / "recommendations.jsonl").exists()
    del night.processes.fails["train"]
    assert list(night.outcomes().values()) == ["skipped", "ran", "ran", "ran"]


def test_a_process_that_was_killed_is_told_by_its_code(night):
    night.processes.fails["score"] = failed(137)
    result = night.run()
    assert (result.exit_code, result.stages[-1].outcome) == (137, "failed")
    assert result.stopped.sentence == "Stage score: it ended with exit code 137."


def test_a_stage_that_takes_too_long_is_exit_9(night):
    night.write((night.folder / "night.toml").read_text().replace("epochs = 3", "epochs = 3\ntimeout = 60"))
    night.processes.fails["train"] = failed(9, timed_out=True)
    result = night.run()
    assert (result.exit_code, result.stages[-1].outcome) == (9, "timed out")
    assert result.stages[-1].reason == "it was ended after 60 seconds"


def test_an_interrupted_training_is_resumed_only_where_it_was_to_make_the_same(night):
    night.processes.fails["train"] = failed(143)
    night.run()
    (night.folder / "model.partial").mkdir()
    del night.processes.fails["train"]
    assert night.outcomes("train") == {"train": "resumed"}
    assert "--resume" in night.processes.calls[-1]

    night.processes.fails["train"] = failed(143)
    night.events(ann=["a", "b"])
    night.run("preprocess", "train")
    night.events(ann=["a", "b", "c"])
    del night.processes.fails["train"]
    night.run("preprocess", "train")
    assert "--resume" not in night.processes.calls[-1]


def test_a_run_that_cannot_be_resumed_begins_anew_the_next_time(night):
    night.processes.fails["train"] = failed(143)
    night.run()
    (night.folder / "model.partial").mkdir()
    night.processes.fails["train"] = failed(2, "error: The run was started with other settings.\n")
    assert night.run().exit_code == 2
    del night.processes.fails["train"]
    assert night.outcomes("train") == {"train": "ran"}
    assert "--resume" not in night.processes.calls[-1]


def test_an_input_that_changes_while_it_is_read_is_read_again_the_next_time(night):
    def touch() -> None:
        os.utime(night.folder / "events.json")

    night.processes.during = touch
    assert night.outcomes("preprocess") == {"preprocess": "ran"}
    night.processes.during = lambda: None
    assert night.outcomes("preprocess") == {"preprocess": "ran"}
    assert night.outcomes("preprocess") == {"preprocess": "skipped"}


def test_a_stage_alone_and_all_from_one_on(night):
    night.run()
    night.events(ann=["a", "b"])
    assert night.outcomes("preprocess", "score") == {"preprocess": "ran", "score": "ran"}
    assert [row.stage for row in night.run(first="score").stages] == ["score", "evaluate"]


def test_a_dated_table_is_made_once_a_day(night):
    toml = (night.folder / "night.toml").read_text()
    night.write(toml.replace("recommendations.jsonl", "{date}.jsonl"))
    night.run("preprocess", "train", "score")
    row = night.rows()[-1]
    assert (row.stage, row.output) == ("score", "{date}.jsonl")
    record = json.loads((night.folder / "night.run" / "score.json").read_text())
    assert record["output"]["path"] == "2026-11-24.jsonl"


def test_two_runs_of_one_pipeline_never_overlap(night):
    folder = night.folder / "night.run"
    folder.mkdir()
    with held_lock(folder / ".lock", output=night.folder), pytest.raises(LockedError):
        night.run()
    assert night.processes.calls == []
    assert night.outcomes("preprocess") == {"preprocess": "ran"}


def test_the_log_has_a_row_a_stage_with_what_it_was_made_from_and_what_came_out(night):
    night.run()
    night.run("train")
    rows = night.rows()
    assert [row.stage for row in rows] == [*ALL, "train"]
    preprocess, train, _, evaluate, skipped = rows
    assert preprocess.counts == {"rows": 9, "rejected": {"no item": 0}}
    assert train.counts == {"epochs": 3, "validation_ndcg_at_10": 0.25}
    assert evaluate.counts == {"users": 2, "metrics": {"NDCG@10": 0.5}}
    assert train.inputs == {"data": preprocess.fingerprint}
    assert skipped.fingerprint == train.fingerprint
    assert skipped.outcome == "skipped"
    assert all(row.started <= row.ended and row.exit_code == 0 and row.seconds >= 0 for row in rows)


def test_what_the_stages_said_is_in_the_days_log(night):
    night.run("preprocess")
    said = next((night.folder / "night.run" / "log").glob("*.log")).read_text()
    assert "preprocess: run: it has not run before\n" in said
    assert "preprocess says a line\n" in said


def test_logs_beyond_the_last_days_with_a_run_are_removed_and_nothing_else_is(night):
    log = night.folder / "night.run" / "log"
    log.mkdir(parents=True)
    for name in ("2001-01-01.jsonl", "2001-01-01.log", "2001-01-02.jsonl", "2001-01-02.log", "notes.log"):
        (log / name).touch()
    night.write("keep_logs = 2\n" + (night.folder / "night.toml").read_text())
    night.run("preprocess")
    names = sorted(path.name for path in log.iterdir())
    assert names[:2] == ["2001-01-02.jsonl", "2001-01-02.log"]
    assert names[-1] == "notes.log"
    assert len(names) == 5


def test_an_interruption_is_a_row_and_goes_on_to_the_caller(night):
    def interrupt() -> None:
        raise KeyboardInterrupt

    night.processes.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        night.run()
    assert [(row.stage, row.outcome, row.exit_code) for row in night.rows()] == [
        ("preprocess", "interrupted", 130)
    ]


def test_a_damaged_record_is_exit_4_and_names_its_file(night):
    night.run()
    (night.folder / "night.run" / "train.json").write_text("{")
    result = night.run()
    assert result.exit_code == 4
    assert "night.run/train.json is damaged" in result.stopped.sentence
