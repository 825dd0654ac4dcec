"""One place turns errors into exit codes: each code, what stderr says with it, and no traceback."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recsys_cli.errors import (
    ArtifactError,
    DataError,
    DivergedError,
    LockedError,
    SystemRefusedError,
    UsageError,
)

TRAIN = ("train", "data", "--output", "model")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError, 2),
        (DataError, 3),
        (ArtifactError, 4),
        (DivergedError, 5),
        (LockedError, 6),
        (SystemRefusedError, 7),
    ],
)
def test_an_error_of_ours_is_one_sentence_a_hint_and_its_own_code(run, stages, error, code):
    stages["train"].error = error("ratings.csv has no column user_id.", hint="Name it with --user-column.")
    outcome = run(*TRAIN)
    assert outcome.code == code
    assert outcome.stdout == ""
    assert outcome.stderr == (
        "error: ratings.csv has no column user_id.\nhint: Name it with --user-column.\n"
    )


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "model/x"), "model/x: the disk is full."),
        (PermissionError(errno.EACCES, "Permission denied", "model"), "model: permission is denied."),
        (OSError(errno.EDQUOT, "Quota exceeded"), "the disk quota is used up."),
        (MemoryError(), "there is not enough memory."),
    ],
)
def test_what_the_system_refuses_is_exit_7(run, stages, error, says):
    stages["train"].error = error
    outcome = run(*TRAIN)
    assert outcome.code == 7
    assert outcome.stderr.splitlines()[0] == f"error: {says}"


@pytest.mark.parametrize("error", [ZeroDivisionError("division by zero"), FileNotFoundError(2, "gone", "x")])
def test_anything_else_is_a_bug_and_shows_its_traceback(run, stages, error):
    stages["train"].error = error
    outcome = run(*TRAIN)
    assert outcome.code == 1
    assert "Traceback (most recent call last)" in outcome.stderr
    assert type(error).__name__ in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tain"], "error: No such command 'tain'. Did you mean 'train'?"),
        (["train"], "error: Missing argument 'DATASET'."),
        (["train", "data"], "error: Missing option '--output' / '-o'."),
        (["train", "data", "--output", "m", "--epochs", "many"], "'--epochs'"),
        (["train", "data", "--output", "m", "--preset", "quick"], "'quick' is not one of"),
        (["train", "data", "--output", "m", "--epochs", "0"], "error: --epochs=0 is not allowed"),
        (["score", "m", "--dataset", "d", "--output", "o", "--top-k", "9", "--candidates", "8"], "top-k=9"),
        (["preprocess", "x.csv", "--output", "d", "--item-field", "genres"], "'genres' is not NAME=KIND"),
        (["preprocess", "x.csv", "--output", "d", "--item-field", "g=mult"], 'item_fields.g="mult"'),
        (["preprocess", "x.csv", "--output", "d", "--split", "time"], "validation-from"),
        (["evaluate", "model"], "needs a model and a dataset"),
        (["evaluate", "m", "d", "--recommendations", "r"], "needs a model and a dataset"),
        (["evaluate", "--recommendations", "r.parquet"], "needs a model and a dataset"),
    ],
)
def test_a_command_that_makes_no_sense_is_exit_2(run, stages, arguments, says):
    outcome = run(*arguments)
    assert outcome.code == 2
    assert says in outcome.stderr.splitlines()[0]
    assert outcome.stderr.splitlines()[1].startswith("hint: ")
    assert len(outcome.stderr.splitlines()) == 2
    assert outcome.stdout == ""


def test_no_command_prints_the_help_on_stderr_and_is_exit_2(run):
    outcome = run()
    assert outcome.code == 2
    assert "preprocess" in outcome.stderr
    assert outcome.stdout == ""


def test_ctrl_c_is_exit_130_even_where_a_library_makes_something_else_of_it(run, stages):
    def interrupted(*arguments, **options):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt as interrupt:
            raise RuntimeError("Query interrupted") from interrupt

    sys.modules["recsys_cli.stages.train"].train = interrupted
    outcome = run(*TRAIN)
    assert outcome.code == 130
    assert outcome.stderr == "error: interrupted.\n"


def test_ctrl_c_says_that_it_interrupted(run, stages):
    def interrupted(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    sys.modules["recsys_cli.stages.train"].train = interrupted
    outcome = run(*TRAIN)
    assert (outcome.code, outcome.stderr) == (130, "error: interrupted.\n")


WAITING = """
import pathlib, sys, time, types
from recsys_cli.cli import device, main
device.prepare_device = lambda device, threads: None
stage = types.ModuleType("recsys_cli.stages.train")
def train(dataset, output, **options):
    scratch = pathlib.Path(sys.argv[2])
    try:
        scratch.touch()
        time.sleep(30)
    finally:
        scratch.unlink()
stage.train = train
sys.modules[stage.__name__] = stage
sys.exit(main.main(["train", sys.argv[1], "--output", sys.argv[2]]))
"""


def test_sigterm_unwinds_the_stack_and_is_exit_143(tmp_path: Path):
    scratch = tmp_path / "scratch"
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, "data", str(scratch)], stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not scratch.exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 143
    assert stderr == "error: interrupted.\n"
    assert not scratch.exists()


PRINTING = """
import sys, types
from recsys_cli.cli import device, main
from recsys_cli.stages.results import TrainResult
device.prepare_device = lambda device, threads: None
stage = types.ModuleType("recsys_cli.stages.train")
stage.train = lambda dataset, output, **options: TrainResult(
    output=output, fingerprint="", epochs=1, best_epoch=1, validation_ndcg_at_10=None,
    parameters=1, loss="full-softmax", head_weight=None, notes=["x" * 1_000_000])
sys.modules[stage.__name__] = stage
sys.exit(main.main(["train", "data", "--output", "model"]))
"""


def test_a_reader_that_goes_away_is_exit_141_without_a_word():
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTING], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    stderr = process.stderr.read()
    assert process.wait(timeout=30) == 141
    assert stderr == b""
    process.stderr.close()


def test_a_whole_command_in_its_own_process_says_what_is_wrong(tmp_path: Path):
    finished = subprocess.run(
        [sys.executable, "-m", "recsys_cli", "train", "data", "--output", "m", "--config", "none.toml"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.splitlines()[0] == "error: none.toml cannot be read: No such file or directory."
