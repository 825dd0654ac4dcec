"""A run that is stopped leaves no half of a model, and goes on where it was."""

import os
import signal
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_training_that_is_terminated_leaves_no_model_and_can_be_resumed(pipeline):
    arguments = ["train", "data", "--output", "stopped", "--config", "train.toml", "--epochs", "8"]
    process = subprocess.Popen(
        [sys.executable, "-m", "recsys_cli", *arguments],
        cwd=pipeline.folder,
        env={**os.environ, **pipeline.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            if "epoch 2 of 8" in line:
                process.send_signal(signal.SIGTERM)
                break
        said = lines.read()
    assert process.wait(timeout=60) == 143
    assert "Traceback" not in said
    assert said.endswith("error: interrupted.\n")
    assert not (pipeline.folder / "stopped").exists()

    resumed = pipeline.run(*arguments, "--resume")
    assert resumed.code == 0, resumed.stderr
    assert "epochs 3 to 8" in resumed.stderr or "epochs 4 to 8" in resumed.stderr
    assert not (pipeline.folder / "stopped.partial").exists()


def test_there_is_nothing_to_resume_where_nothing_was_started(pipeline):
    finished = pipeline.run("train", "data", "--output", "never", "--config", "train.toml", "--resume")
    assert finished.code == 2
    assert "has no run to resume" in finished.stderr
