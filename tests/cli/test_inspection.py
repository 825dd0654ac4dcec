"""`check`, `diff` and `doctor` as a shell sees them: exit codes, tables and JSON."""

import json
import sys
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.stages.results import DoctorResult, KernelTest


@pytest.fixture
def dataset(make_dataset):
    return make_dataset({"u1": ["a", "b", "c"], "u2": ["b", "c", "a"]})


def test_a_whole_artifact_is_exit_zero_and_a_summary(run, dataset):
    outcome = run("check", str(dataset))
    assert (outcome.code, outcome.stderr) == (0, "")
    assert json.loads(outcome.stdout)["counts"] == {
        "users": 2, "items": 3, "events": 6, "attributes": 0, "rows": 6,
    }  # fmt: skip
    assert f"{dataset} is whole." in run("check", str(dataset), "--table").stdout


def test_a_damaged_one_is_exit_four_and_one_sentence(run, dataset):
    path = next(dataset.glob("users-*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    outcome = run("check", str(dataset))
    assert (outcome.code, outcome.stdout) == (4, "")
    error, hint = outcome.stderr.splitlines()
    assert error == f"error: {path} is damaged: its SHA-256 is not the manifest's."
    assert hint.startswith("hint: ")


def table(path, users):
    rows = {"user_id": users, "item_id": ["x"] * len(users), "rank": pa.array([1] * len(users), pa.int32())}
    pq.write_table(pa.table(rows), path)
    return str(path)


@pytest.fixture
def tables(tmp_path):
    return table(tmp_path / "old.parquet", ["a", "b"]), table(tmp_path / "new.parquet", ["b", "c", "d"])


def test_a_difference_is_shown_and_no_gate_is_exit_zero(run, tables):
    outcome = run("diff", *tables)
    assert (outcome.code, outcome.stderr) == (0, "")
    found = json.loads(outcome.stdout)
    assert (found["overlap"], found["lost_users"], found["added_users"]) == ({"overlap@1": 1.0}, 1, 2)
    shown = run("diff", *tables, "--table").stdout
    assert "users who lost their list" in shown
    assert "1 (50.00%)" in shown


@pytest.mark.parametrize(("share", "code"), [("0.5", 0), ("0.49", 8)])
def test_a_limit_that_does_not_hold_is_exit_eight_after_the_result(run, tables, share, code):
    outcome = run("diff", *tables, "--min-overlap", "1", "--max-lost-share", share)
    assert outcome.code == code
    assert json.loads(outcome.stdout)["lost_share"] == 0.5
    assert ("more than 0.49" in outcome.stderr) == (code == 8)


@pytest.mark.parametrize("option", [("--min-overlap", "2"), ("--max-lost-share", "-1"), ("--top-k", "0")])
def test_limits_that_are_none_are_exit_two(run, tables, option):
    assert run("diff", *tables, *option).code == 2


def doctor_result(*, passed: bool) -> DoctorResult:
    test = KernelTest(kernel="search", passed=passed, difference=None, seconds=0.1, trouble="out of order")
    return DoctorResult(
        recsys="1", python="CPython", system="Linux", packages={"jax": "0.10", "rich": None},
        devices=["cpu 0: cpu"], processors=2, usable_processors=1, memory=1 << 34, memory_available=None,
        memory_limit=None, disks=[], compilation_cache=None, kernels=[test],
    )  # fmt: skip


@pytest.mark.parametrize(("passed", "code", "word"), [(True, 0, "ok"), (False, 1, "failed")])
def test_a_kernel_that_fails_is_exit_one_and_its_line_says_so(run, monkeypatch, passed, code, word):
    module = ModuleType("recsys_cli.stages.doctor")
    module.doctor = lambda: doctor_result(passed=passed)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("recsys_cli.cli.device.prepare_device", lambda device, threads: None)
    outcome = run("doctor", "--table")
    assert outcome.code == code
    [line] = [line for line in outcome.stdout.splitlines() if line.strip().startswith("search")]
    assert word in line
    assert ("search" in outcome.stderr) == (not passed)
    assert json.loads(run("doctor").stdout)["packages"] == {"jax": "0.10", "rich": None}


def test_a_device_that_is_asked_of_the_doctor_and_not_there_is_exit_two(run):
    outcome = run("doctor", "--device", "tpu")
    assert outcome.code == 2
    assert "jax finds no TPU here" in outcome.stderr
