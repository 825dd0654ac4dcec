"""`train` is killed, terminated or interrupted at random points, and resumed, until it is done.

What comes out has, bit for bit, the weights, optimizer, history and decisions of a run that was left alone.
"""

import contextlib
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

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
    epochs: int
    cuts: list[str] = field(default_factory=list)

    @property
    def partial(self) -> Path:
        return self.folder / f"{self.name}.partial"

    @property
    def manifest(self) -> bytes:
        """Of the finished model: fingerprints of its weights and history, and what was decided."""
        return (self.folder / self.name / "manifest.json").read_bytes()

    @property
    def end(self) -> str:
        """The SHA-256 of how its run ended: the optimizer too."""
        return (self.folder / f"{self.name}.sha256").read_text()

    @property
    def said(self) -> str:
        """Of the last process, on stderr."""
        return (self.folder / f"{self.name}.log").read_text()

    def start(self) -> subprocess.Popen[bytes]:
        """A process that begins, or goes on."""
        command = ["train", "data", "--output", self.name, "--config", "train.toml"]
        command += ["--epochs", str(self.epochs), *(["--resume"] if self.partial.is_dir() else [])]
        with (self.folder / f"{self.name}.log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-c", TRAIN, f"{self.name}.sha256", *command],
                cwd=self.folder,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def finish(self) -> None:
        assert self.start().wait(timeout=300) == 0, self.told()
        assert not self.partial.exists(), self.told()

    def cut(self, number: signal.Signals, after: float, *, since: str = "") -> bool:
        """Send a signal some seconds after a word was said; False where the model was made before."""
        process = self.start()
        while since not in self.said and process.poll() is None:
            time.sleep(0.02)
        self.cuts.append(f"{number.name} {after:.3f} s after {since!r}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=after)
        process.send_signal(number)
        sent = time.monotonic()
        code = process.wait(timeout=60)
        assert time.monotonic() - sent < SECONDS_TO_STOP, self.told()
        if (self.folder / self.name / "manifest.json").exists():
            return False
        assert code in SIGNALS[number], self.told()
        assert code < 0 or self.said.endswith("error: interrupted.\n"), self.told()
        assert not (self.folder / self.name).exists() or number == signal.SIGKILL, self.told()
        return True

    def told(self) -> str:
        return f"{self.cuts}:\n{self.said}"


@pytest.mark.parametrize("seed", [1])
def test_a_run_that_is_cut_goes_on_to_the_same_bytes(pipeline, seed):
    chance = random.Random(seed)
    training = Training(pipeline.folder, "cut", epochs=3)
    for number in SIGNALS:
        training.cut(number, chance.uniform(0, 0.8), since="steps")
        if not training.partial.exists():
            break
    else:
        training.finish()
    assert training.manifest == (pipeline.folder / "model" / "manifest.json").read_bytes(), training.told()


@pytest.fixture(scope="module")
def whole(pipeline) -> tuple[Training, float]:
    """A longer run that was left alone, and how many seconds it takes once everything is compiled."""
    for name in ("compiling", "whole"):
        training, started = Training(pipeline.folder, name, epochs=8), time.monotonic()
        training.finish()
    return training, time.monotonic() - started


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(12))
def test_a_run_that_is_killed_at_random_points_goes_on_to_the_same_bytes(pipeline, whole, seed):
    reference, seconds = whole
    chance = random.Random(seed)
    training = Training(pipeline.folder, f"killed-{seed}", epochs=reference.epochs)
    while len(training.cuts) < 4 and training.cut(signal.SIGKILL, chance.uniform(0, seconds)):
        pass
    if not (pipeline.folder / training.name / "manifest.json").exists():
        training.finish()
    assert (training.manifest, training.end) == (reference.manifest, reference.end), training.told()


def test_there_is_nothing_to_resume_where_nothing_was_started(pipeline):
    finished = pipeline.run("train", "data", "--output", "never", "--config", "train.toml", "--resume")
    assert finished.code == 2
    assert "has no run to resume" in finished.stderr
    assert not (pipeline.folder / "never.partial").exists()
