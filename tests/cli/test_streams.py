"""stdout is the result and nothing else; stderr is everything else."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from recsys_cli.cli import console

COMMANDS = {
    "preprocess": ("preprocess", "ratings.csv", "--output", "data"),
    "train": ("train", "data", "--output", "model"),
    "score": ("score", "model", "--dataset", "data", "--output", "r.parquet", "--show", "0"),
    "evaluate": ("evaluate", "model", "data"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_stdout_that_is_no_terminal_gets_one_json_object(run, stages, command):
    outcome = run(*COMMANDS[command])
    assert outcome.code == 0
    assert json.loads(outcome.stdout) == stages[command].result.model_dump(mode="json")
    assert outcome.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_table_can_be_asked_for_and_fits_80_columns(run, stages, command):
    outcome = run(*COMMANDS[command], "--table")
    assert outcome.code == 0
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    assert "…" not in outcome.stdout
    assert "\x1b" not in outcome.stdout


def test_the_evaluation_table_shows_every_ranker_with_its_interval(run, stages):
    table = run(*COMMANDS["evaluate"], "--table").stdout
    for ranker in stages["evaluate"].result.rankers:
        assert re.search(rf"{ranker.name} +0.1234 +0.1111 0.1357 +0.1234 +98.7%", table)
    assert "+0.0123" in table
    assert "opened 2 time(s)" in table


def test_the_preprocess_table_accounts_for_every_row(run, stages):
    table = run(*COMMANDS["preprocess"], "--table").stdout
    for line in ("read +1,234,567", "used +1,234,550", "dropped: min-user-events +12", "rejected: .* +5"):
        assert re.search(line, table)


def test_evaluate_writes_the_same_json_to_a_file(run, stages, tmp_path: Path):
    output = tmp_path / "metrics.json"
    outcome = run(*COMMANDS["evaluate"], "--output", str(output))
    assert json.loads(output.read_text()) == json.loads(outcome.stdout)


def test_evaluate_refuses_an_output_that_exists_before_it_does_any_work(run, stages, tmp_path: Path):
    output = tmp_path / "metrics.json"
    output.touch()
    assert run(*COMMANDS["evaluate"], "--output", str(output)).code == 2
    assert stages["evaluate"].arguments == []
    assert run(*COMMANDS["evaluate"], "--output", str(output), "--overwrite").code == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [((), ["reading", "warning: 2 rows were rejected"]), (("--quiet",), ["warning: 2 rows were rejected"])],
)
def test_log_lines_go_to_stderr_with_utc_times_and_quiet_keeps_warnings(run, stages, options, expected):
    stage = stages["preprocess"]

    def talkative(*arguments, **keywords):
        logging.getLogger("recsys").info("reading")
        logging.getLogger("recsys").warning("%d rows were rejected", 2)
        return stage.result

    sys.modules["recsys_cli.stages.preprocess"].preprocess = talkative
    lines = run(*COMMANDS["preprocess"], *options).stderr.splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", "", line) for line in lines] == expected
    assert lines[0] != expected[0]


def run_on_a_terminal(code: str, **environment: str) -> str:
    """What a Python program prints where stdout and stderr are a terminal of 80 columns."""
    main_end, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm", **environment},
    )
    os.close(terminal)
    output = bytearray()
    while chunk := _read(main_end):
        output += chunk
    assert process.wait(timeout=30) == 0
    os.close(main_end)
    return output.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says EIO when the other end is closed
        return b""


PROGRAM = """
import logging, sys
from pathlib import Path
from recsys_cli.cli import console, views
from recsys_cli.cli.training_progress import training_observer
from types import SimpleNamespace
from recsys_cli.stages.results import TrainResult
console.configure_logging(quiet=False)
with training_observer(quiet=False) as observer:
    observer.started(total_epochs=2, steps_per_epoch=3, start_epoch=1)
    for epoch in (1, 2):
        for step in range(3):
            observer.stepped(epoch=epoch, step=step, loss=6.5, targets=100)
        observer.epoch_ended(SimpleNamespace(epoch=epoch, loss=6.25, ndcg_at_10=0.0512), seconds=1.0)
    logging.getLogger("recsys").info("validation took a second")
result = TrainResult(output=Path("model"), fingerprint="", epochs=2, best_epoch=2,
    validation_ndcg_at_10=0.0512, parameters=10, loss="full-softmax", head_weight=None, notes=[])
console.print_result(result, as_json=None, view=lambda: views.train_view(result))
"""


def test_on_a_terminal_there_is_a_bar_on_the_way_and_a_table_at_the_end():
    output = run_on_a_terminal(PROGRAM)
    assert "epoch 2/2" in output
    assert "NDCG@10 0.0512" in output
    assert "validation took a second" in output
    assert "best epoch" in output
    assert "{" not in output


def test_no_color_is_obeyed():
    colours = re.compile(r"\x1b\[(3\d|38;|9\d)")
    assert not colours.search(run_on_a_terminal(PROGRAM, NO_COLOR="1"))


def test_elsewhere_training_tells_one_plain_line_an_epoch():
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ "
    assert re.fullmatch(
        stamp + r"epochs 1 to 2, 3 steps each\n"
        + stamp + r"epoch 1 of 2: loss 6\.2500, validation NDCG@10 0\.0512, 300 targets/s, 1\.0 s\n"
        + stamp + r"epoch 2 of 2: loss 6\.2500, validation NDCG@10 0\.0512, 300 targets/s, 1\.0 s\n"
        + stamp + r"validation took a second\n",
        finished.stderr,
    )  # fmt: skip
    assert json.loads(finished.stdout)["best_epoch"] == 2


@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_reason_to_fail(closing):
    command = f'"{sys.executable}" -m recsys_cli --version {closing}'
    assert subprocess.run(command, shell=True, check=False).returncode == 0


def test_text_that_the_locale_cannot_write_is_escaped(monkeypatch: pytest.MonkeyPatch):
    finished = subprocess.run(
        [
            sys.executable,
            "-c",
            "from recsys_cli.cli import console\nconsole.prepare_streams()\nprint('caf\\xe9 \\u2603')",
        ],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        check=True,
    )
    assert finished.stdout == b"caf\xe9 \\u2603\n"


def test_json_is_utf_8_whatever_the_locale_says():
    code = (
        "from recsys_cli.cli import console; from recsys_cli.stages.results import Difference;"
        "console.print_result(Difference(baseline='caf\\xe9', metric='m', mean=0, low=0, high=0),"
        " as_json=True, view=list)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        check=True,
    )
    assert json.loads(finished.stdout.decode("utf-8"))["baseline"] == "café"


def test_loggers_of_others_are_left_alone():
    before = logging.getLogger().handlers[:]
    console.configure_logging(quiet=False)
    assert logging.getLogger().handlers == before
