"""A bad night: the chain stops with exit 8, and everything that was good is there, byte for byte."""

import pytest

from recsys_cli.pipelines.process import Ended

OUTPUTS = ("data", "model", "recommendations.jsonl", "metrics.json")


@pytest.fixture
def gated(night):
    """A night that went well, with the expectations that it met."""
    expectations = (
        "[expectations]\nmin_rows = 5\nmax_rejects = 0.25\nmax_new_items = 0.5\nmax_lost_users = 0.4\n"
        "better_than_popular = true\n"
    )
    night.write(expectations + (night.folder / "night.toml").read_text())
    assert night.run().exit_code == 0
    return night


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ({"ann": ["a", "b"], "bob": ["c"], "cid": ["d"]}, "4 rows are fewer than min_rows=5"),
        (
            {"ann": ["a", "b", "c"], "bob": ["b", "d"], "cid": ["e"], "rejected": 3},
            "33.3% of the rows are rejected, more than max_rejects=0.25",
        ),
        (
            {"ann": ["a", "p", "q"], "bob": ["r", "s"], "cid": ["e"]},
            "66.7% of the items are new, more than max_new_items=0.5",
        ),
        (
            {"ann": ["a", "b", "c", "d", "e"], "dan": ["a"], "eve": ["b"]},
            "66.7% of the users before are gone, more than max_lost_users=0.4",
        ),
    ],
)
def test_a_bad_dataset_takes_no_ones_place(gated, events, says):
    before = gated.bytes(*OUTPUTS)
    gated.events(**events)
    result = gated.run()
    assert (result.exit_code, [row.outcome for row in result.stages]) == (8, ["gate"])
    assert result.stages[0].reason == f"data stays as it was: {says}"
    assert gated.bytes(*OUTPUTS) == before
    assert (gated.folder / "data.candidate" / "manifest.json").exists()


def test_a_model_that_is_not_better_than_popular_takes_no_ones_place(gated):
    before = gated.bytes(*OUTPUTS)
    gated.write((gated.folder / "night.toml").read_text().replace("epochs = 3", "epochs = 4"))
    gated.processes.better_by = 0.0
    result = gated.run()
    assert (result.exit_code, [row.outcome for row in result.stages]) == (8, ["skipped", "gate"])
    assert "the model is not better than the most popular items" in result.stages[1].reason
    assert gated.bytes(*OUTPUTS) == before


def test_the_next_run_does_not_skip_past_a_gate_and_does_not_train_again_to_say_so(gated):
    gated.write((gated.folder / "night.toml").read_text().replace("epochs = 3", "epochs = 4"))
    gated.processes.better_by = -0.5
    gated.run()
    gated.processes.calls.clear()
    again = gated.run()
    assert (again.exit_code, [row.outcome for row in again.stages]) == (8, ["skipped", "gate"])
    assert gated.processes.commands == ["evaluate"]


def test_what_a_person_lets_pass_is_taken_as_it_was_made(gated):
    gated.write((gated.folder / "night.toml").read_text().replace("epochs = 3", "epochs = 4"))
    gated.processes.better_by = -0.5
    gated.run()
    refused = (gated.folder / "model.candidate" / "manifest.json").read_bytes()
    gated.processes.calls.clear()
    gated.write((gated.folder / "night.toml").read_text().replace("better_than_popular = true", ""))
    result = gated.run()
    assert [row.outcome for row in result.stages] == ["skipped", "resumed", "ran", "ran"]
    assert gated.processes.commands == ["score", "evaluate"]
    assert (gated.folder / "model" / "manifest.json").read_bytes() == refused
    assert not (gated.folder / "model.candidate").exists()


def test_good_input_after_a_bad_night_makes_a_new_candidate_and_clears_the_old(gated):
    gated.events(ann=["a"])
    assert gated.run().exit_code == 8
    gated.events(ann=["a", "b", "c"], bob=["b", "d"], cid=["c", "e", "d"])
    assert gated.run().exit_code == 0
    assert not (gated.folder / "data.candidate").exists()


def test_there_is_nothing_to_compare_with_in_the_first_night(gated):
    rows = gated.rows()
    found = {each.expectation: each.found for each in rows[0].judgements}
    assert found == {"min_rows": 9, "max_rejects": 0, "max_new_items": None, "max_lost_users": None}
    assert [each.found for each in rows[1].judgements] == [0.01]
    assert all(each.met for row in rows for each in row.judgements)


@pytest.mark.parametrize("place", ["judge_dataset", "adopt", "output_fingerprint", "remove_candidate"])
def test_a_run_that_dies_after_its_stage_has_ended_is_gone_on_with(gated, monkeypatch, place):
    gated.events(ann=["a", "b", "c"], bob=["b", "d"], cid=["c", "e", "d"])

    def die(*arguments, **options):
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(f"recsys_cli.pipelines.turn.{place}", die)
        gated.run("preprocess")
    gated.processes.calls.clear()
    outcome = "skipped" if place == "remove_candidate" else "resumed"  # by then all was written down
    assert gated.outcomes("preprocess") == {"preprocess": outcome}
    assert gated.processes.calls == []
    assert not (gated.folder / "data.candidate").exists()
    assert gated.outcomes() == {"preprocess": "skipped", "train": "ran", "score": "ran", "evaluate": "ran"}


def test_a_failure_to_evaluate_is_not_a_gate(gated):
    gated.write((gated.folder / "night.toml").read_text().replace("epochs = 3", "epochs = 4"))
    gated.processes.fails["evaluate"] = Ended(
        2, timed_out=False, stdout=b"", last_lines=("error: No part.\n",)
    )
    before = gated.bytes(*OUTPUTS)
    result = gated.run()
    assert (result.exit_code, result.stages[-1].outcome) == (2, "failed")
    assert gated.bytes(*OUTPUTS) == before
