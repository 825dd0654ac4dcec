"""A stage's process: its lines, its end in time or not, and that it never outlives the run."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recsys_cli.pipelines import process
from recsys_cli.pipelines.process import run_process


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Has `run_process` run a line of Python in the place of recsys."""
    monkeypatch.setattr(process, "RECSYS", (sys.executable, "-c"))
    monkeypatch.setattr(process, "GRACE", 0.3)

    def run(code: str, timeout: float | None = None):
        lines: list[str] = []
        ended = run_process([code], folder=tmp_path, timeout=timeout, on_line=lines.append)
        return ended, lines

    return run


def test_the_code_the_result_and_every_line_come_back(python, tmp_path):
    ended, lines = python(
        "import os, sys; print(os.getcwd()); print(sys.stdin.read(), end='');"
        "sys.stderr.buffer.write(bytes([111, 10, 255, 10])); sys.exit(3)"
    )
    assert (ended.code, ended.timed_out) == (3, False)
    assert ended.stdout.decode() == f"{tmp_path}\n"
    assert lines == ["o\n", "\\xff\n"]
    assert ended.last_lines == tuple(lines)


def test_a_signals_death_is_told_as_a_shell_does(python):
    assert python("import os; os.kill(os.getpid(), 9)")[0].code == 137


def test_a_process_that_takes_too_long_is_asked_and_then_made_to_end(python):
    started = time.monotonic()
    asked, _ = python("import time; time.sleep(30)", timeout=0.2)
    made, lines = python(
        "import signal, sys, time; signal.signal(15, lambda *_: sys.stderr.write('no\\n'));"
        "[time.sleep(0.1) for _ in range(300)]",
        timeout=0.5,
    )
    assert (asked.code, asked.timed_out) == (9, True)
    assert (made.code, made.timed_out) == (9, True)
    assert lines == ["no\n"]
    assert time.monotonic() - started < 15


def test_one_that_ends_well_in_its_grace_has_ended_well(python):
    code = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); time.sleep(30)"
    ended, _ = python(code, timeout=0.5)
    assert (ended.code, ended.timed_out) == (0, False)


def test_a_stage_in_a_folder_with_a_module_of_pythons_name_does_not_import_it(tmp_path):
    (tmp_path / "typer.py").write_text("raise SystemExit('imported')")
    ended = run_process(["--version"], folder=tmp_path, timeout=60, on_line=lambda line: None)
    assert (ended.code, ended.stdout[:7]) == (0, b"recsys ")


def test_what_keeps_a_line_from_being_written_does_not_hold_the_stage_up(python):
    def refuse(line: str) -> None:
        raise OSError(errno.ENOSPC, "no space", "the log")

    code = "import sys; sys.stderr.write('a long line\\n' * 100_000)"  # more than a pipe holds
    with pytest.raises(OSError, match="no space"):
        run_process([code], folder=Path(), timeout=60, on_line=refuse)


RUN = """
import sys
from recsys_cli.cli.signals import caught_signals
from recsys_cli.pipelines.process import run_process
with caught_signals():
    arguments = ["preprocess", "--output=data", "--", "fifo.csv"]
    run_process(arguments, folder=sys.argv[1], timeout=None, on_line=None)
"""


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        signal.SIGTERM,
        pytest.param(
            signal.SIGKILL,
            marks=pytest.mark.skipif(
                not sys.platform.startswith("linux"), reason="no other kernel tells a child of this"
            ),
        ),
    ],
)
def test_a_stage_ends_with_its_run(tmp_path, number):
    os.mkfifo(tmp_path / "fifo.csv")  # nobody writes to it: the stage waits
    run = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)], stderr=subprocess.PIPE, text=True)
    stage = child_of(run.pid)
    while not (tmp_path / "data").exists():
        time.sleep(0.02)
    run.send_signal(number)
    _, said = run.communicate(timeout=30)
    deadline = time.monotonic() + 20
    while is_alive(stage) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(stage)
    assert "error: interrupted.\n" in said
    assert not (tmp_path / "data").exists()


def child_of(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    while not children.read_text().split():
        time.sleep(0.02)
    return int(children.read_text().split()[0])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
