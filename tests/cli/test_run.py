"""`recsys run` and `recsys status` at the terminal: streams, exit codes, tables."""

import json
from pathlib import Path

import pytest

from recsys_cli.artifacts.lock import held_lock
from recsys_cli.pipelines.process import Ended

TOML = '[stages.evaluate]\nrecommendations = "r.csv"\ndataset = "d"\noutput = "m.json"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "night.toml"
    path.write_text(TOML)
    for name in ("r.csv", "d"):
        (tmp_path / name).touch()
    return path


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch):
    """Has every stage end so, after it wrote its output and one line."""

    def install(code: int, *last_lines: str) -> None:
        def run_process(arguments, *, folder, timeout, on_line) -> Ended:
            (Path(folder) / "m.json").write_text("{}")
            if on_line is not None:
                on_line("a line of the stage\n")
            return Ended(code, timed_out=code == 9, stdout=b'{"users": 3}', last_lines=last_lines)

        monkeypatch.setattr("recsys_cli.pipelines.stage_runner.run_process", run_process)

    return install


def test_the_result_alone_is_on_stdout_and_the_stages_lines_on_stderr(run, file, ends):
    ends(0)
    outcome = run("run", str(file))
    assert outcome.code == 0
    (stage,) = json.loads(outcome.stdout)["stages"]
    assert (stage["stage"], stage["outcome"], stage["counts"]) == ("evaluate", "ran", {"users": 3})
    assert "evaluate: run: it has not run before" in outcome.stderr
    assert "a line of the stage\n" in outcome.stderr


def test_quiet_leaves_stderr_to_what_is_wrong(run, file, ends):
    ends(0)
    assert run("run", str(file), "--quiet").stderr == ""
    assert "a line of the stage" in next(file.parent.glob("night.run/log/*.log")).read_text()


@pytest.mark.parametrize("code", [1, 3, 5, 9, 137])
def test_the_code_of_the_stage_that_stops_the_chain_is_passed_on(run, file, ends, code):
    ends(code, "error: r.csv does not exist.\n", "hint: Check the path.\n")
    outcome = run("run", str(file), "--quiet", "--timeout", "60")
    assert outcome.code == code
    assert json.loads(outcome.stdout)["exit_code"] == code
    said = "it was ended after 60 seconds." if code == 9 else "r.csv does not exist."
    error, hint = outcome.stderr.splitlines()
    assert error == f"error: Stage evaluate: {said}"
    assert hint.startswith("hint: ")


def test_a_person_gets_a_table(run, file, ends):
    ends(0)
    planned = run("run", str(file), "--dry-run", "--table").stdout
    assert "evaluate  run     it has not run before" in planned
    assert not (file.parent / "night.run").exists()
    ran = run("run", str(file), "--table").stdout
    assert "evaluate  ran" in ran
    assert "Log: " in ran


def test_a_dry_run_is_json_for_machines(run, file):
    (stage,) = json.loads(run("run", str(file), "--dry-run").stdout)["stages"]
    assert (stage["action"], stage["command"][:2]) == ("run", ["recsys", "evaluate"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.toml"], "none.toml cannot be read: No such file or directory."),
        (["FILE", "--only", "x"], "has no stage 'x'."),
        (["FILE", "--only", "evaluate", "--from", "evaluate"], "--only and --from exclude each other."),
        (["FILE", "--timeout", "0"], "--timeout=0.0 is not allowed: it must be more than 0."),
        (["FILE", "--keep-logs", "0"], "--keep-logs=0 is not allowed: it must be at least 1."),
    ],
)
def test_what_makes_no_sense_is_exit_2(run, file, arguments, says):
    outcome = run("run", *[str(file) if each == "FILE" else each for each in arguments])
    assert (outcome.code, outcome.stdout) == (2, "")
    assert says in outcome.stderr


def test_a_second_run_is_exit_6(run, file):
    (file.parent / "night.run").mkdir()
    with held_lock(file.parent / "night.run" / ".lock", output=file):
        outcome = run("run", str(file))
    assert (outcome.code, outcome.stdout) == (6, "")
    assert "night.toml" in outcome.stderr


def test_status_is_a_table_for_a_person_and_json_for_machines(run, file, ends):
    ends(0)
    run("run", str(file))
    table = run("status", str(file), "--table").stdout
    assert [word for word in ("m.json", "report", "r.csv", "current") if word not in table] == []
    (report,) = json.loads(run("status", str(file.parent)).stdout)["artifacts"]
    assert (report["path"], report["state"]) == ("m.json", "current")


def test_status_of_what_is_not_there_is_exit_2(run):
    outcome = run("status", "/no/such/place")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("error: /no/such/place does not exist.")


def test_status_of_an_empty_folder_says_so(run, tmp_path):
    assert "has no artifacts." in run("status", str(tmp_path), "--table").stdout
