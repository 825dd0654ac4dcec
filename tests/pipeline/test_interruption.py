"""`train` is killed, terminated or interrupted at random points, and resumed, until it is done.

What comes out has, bit for bit, the weights, optimizer, history and decisions of a run that was left alone.
"""

import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

EPOCHS = 8
SIGNALS = {signal.SIGKILL: {-9}, signal.SIGTERM: {143, -15}, signal.SIGINT: {130, -2}}
SECONDS_TO_STOP = 10

# `recsys train` with checkpoints every tenth of a second; it writes the SHA-256 of all that a run ends
# with, the optimizer's state too, into the file that its first argument names.
TRAIN = """
import hashlib, pathlib, sys
import jax, numpy as np
from recsys_cli.cli.main import main
from recsys_cli.stages import train as stage
from recsys_cli.training import progress as checkpointing
checkpointing.SECONDS_BETWEEN_CHECKPOINTS = 0.1
train_run = stage.train_run
def watched(run, folder, **options):
    model, progress, steps = train_run(run, folder, **options)
    chosen = (progress.history, progress.best_epoch, progress.best_ndcg, progress.best_step, steps)
    digest = hashlib.sha256(repr(chosen).encode())
    for leaf in jax.tree.leaves((progress.state, progress.best)):
        digest.update(np.asarray(leaf).tobytes())
    pathlib.Path(sys.argv[1]).write_text(digest.hexdigest())
    return model, progress, steps
stage.train_run = watched
sys.exit(main(sys.argv[2:]))
"""


@dataclass
class Training:
    """One model in the making, by as many processes as it takes."""

    folder: Path
    name: str
    cuts: list[str] = field(default_factory=list)
    said: str = ""

    @property
    def partial(self) -> Path:
        return self.folder / f"{self.name}.partial"

    @property
    def result(self) -> tuple[bytes, str]:
        """The model's manifest, and the digest of how its run ended."""
        manifest = (self.folder / self.name / "manifest.json").read_bytes()
        return manifest, (self.folder / f"{self.name}.sha256").read_text()

    def start(self) -> subprocess.Popen[str]:
        command = ["train", "data", "--output", self.name, "--config", "train.toml", "--epochs", str(EPOCHS)]
        command += ["--resume"] if self.partial.is_dir() else []
        return subprocess.Popen(
            [sys.executable, "-c", TRAIN, f"{self.name}.sha256", *command],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> None:
        process = self.start()
        self.said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, self.told()

    def cut(self, number: signal.Signals, after: float) -> bool:
        """Send a signal after some seconds; False where the run had ended before."""
        process = self.start()
        self.cuts.append(f"{number.name} after {after:.3f} s")
        try:
            self.said = process.communicate(timeout=after)[1]
            assert process.returncode == 0, self.told()
            return False
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        sent = time.monotonic()
        self.said = process.communicate(timeout=60)[1]
        assert time.monotonic() - sent < SECONDS_TO_STOP, self.told()
        if process.returncode == 0:  # it ended meanwhile
            return False
        assert process.returncode in SIGNALS[number], self.told()
        assert process.returncode < 0 or self.said.endswith("error: interrupted.\n"), self.told()
        return not (self.folder / self.name / "manifest.json").exists()

    def told(self) -> str:
        return f"{self.cuts}:\n{self.said}"


@pytest.fixture(scope="module")
def whole(pipeline) -> tuple[Training, float]:
    """The run that was left alone, and how many seconds it took once everything was compiled."""
    training = Training(pipeline.folder, "whole")
    started = time.monotonic()
    training.finish()
    return training, time.monotonic() - started


def cut_until_done(training: Training, cuts: list[signal.Signals], seconds: float, seed: int) -> None:
    chance = random.Random(seed)
    for number in cuts:
        if not training.cut(number, chance.uniform(0.3, 1.0) * seconds):
            break
        assert not (training.folder / training.name).exists(), training.told()
    else:
        training.finish()
    assert not training.partial.exists(), training.told()


def test_a_run_that_is_cut_goes_on_to_the_same_bytes(pipeline, whole):
    reference, seconds = whole
    training = Training(pipeline.folder, "cut")
    cut_until_done(training, [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], seconds, seed=1)
    assert training.result == reference.result, training.told()


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(12))
def test_a_run_that_is_killed_at_random_points_goes_on_to_the_same_bytes(pipeline, whole, seed):
    reference, seconds = whole
    training = Training(pipeline.folder, f"killed-{seed}")
    cut_until_done(training, [signal.SIGKILL] * 4, seconds, seed)
    assert training.result == reference.result, training.told()


def test_there_is_nothing_to_resume_where_nothing_was_started(pipeline):
    finished = pipeline.run("train", "data", "--output", "never", "--config", "train.toml", "--resume")
    assert finished.code == 2
    assert "has no run to resume" in finished.stderr
    assert not (pipeline.folder / "never.partial").exists()
