"""A flipped bit or a cut in any file of a dataset, model or checkpoint: exit 4, and the file is named."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_cli.artifacts import manifest
from recsys_cli.artifacts.manifest import Artifact, open_artifact
from recsys_cli.cli.main import main
from recsys_cli.config.load import load_settings
from recsys_cli.config.presets import PRESETS
from recsys_cli.config.settings import TrainSettings
from recsys_cli.stages.train import train

COMMANDS = {
    "score": ("score", "model", "--dataset", "data", "--top-k", "5", "--candidates", "20", "--show", "0",
              "--output", "out.parquet", "--overwrite"),
    "evaluate": ("evaluate", "model", "data", "--candidates", "20"),
    "train": ("train", "data", "--output", "new", "--config", "train.toml", "--epochs", "1", "--overwrite"),
    "preprocess": ("preprocess", "interactions.csv", "--items", "items.csv", "--encoders", "data",
                   "--output", "again", "--overwrite"),
}  # fmt: skip


def spoilt(raw: bytes, draw: np.random.Generator) -> Iterator[bytes]:
    """A flipped bit at a random place, and at the last; a cut at a random place, and of everything."""
    for place in (int(draw.integers(len(raw))), len(raw) - 1):
        yield raw[:place] + bytes([raw[place] ^ (1 << int(draw.integers(8)))]) + raw[place + 1 :]
    yield raw[: int(draw.integers(len(raw)))]
    yield b""


@pytest.fixture
def folder(pipeline, tmp_path, monkeypatch) -> Path:
    """A copy of what the pipeline read and made, as the working directory."""
    for name in ("data", "model"):
        shutil.copytree(pipeline.folder / name, tmp_path / name)
    for name in ("interactions.csv", "items.csv", "train.toml"):
        shutil.copy(pipeline.folder / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(capfd) -> Callable[..., tuple[int, str]]:
    """A command in this process: its exit code, and what it said."""

    def call(*arguments: str) -> tuple[int, str]:
        code = main([*arguments])
        return code, capfd.readouterr().err

    return call


def files_of(artifact: Path) -> list[Path]:
    named = open_artifact(artifact).manifest.files.values()
    return [artifact / "manifest.json", *(artifact / entry.name for entry in named)]


def assert_refused(outcome: tuple[int, str], path: Path, where: Path) -> None:
    code, said = outcome
    assert code == 4, (path, said)
    assert str(path.relative_to(where)) in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["data", "model"])
def test_check_finds_damage_in_every_file(folder, call, name):
    draw = np.random.default_rng(5)
    for path in files_of(folder / name):
        whole = path.read_bytes()
        for raw in spoilt(whole, draw):
            path.write_bytes(raw)
            assert_refused(call("check", name), path, folder)
        path.unlink()
        assert call("check", name)[0] == 4
        path.write_bytes(whole)
    assert call("check", name)[0] == 0


SAMPLE = [
    ("score", "data", "sequences"), ("score", "model", "weights"), ("evaluate", "data", "items"),
    ("train", "data", "manifest"), ("preprocess", "data", "manifest"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "artifact", "stem"), SAMPLE)
def test_a_command_names_the_damaged_file_that_it_reads(folder, call, command, artifact, stem):
    draw = np.random.default_rng(7)
    [path] = [path for path in files_of(folder / artifact) if path.name.startswith(stem)]
    for raw in spoilt(path.read_bytes(), draw):
        path.write_bytes(raw)
        assert_refused(call(*COMMANDS[command]), path, folder)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_whatever_damaged_file_it_reads(folder, call, command, seed, monkeypatch):
    read = files_read(lambda: call(*COMMANDS[command]), monkeypatch)
    draw = np.random.default_rng(seed)
    for path in [path for artifact in ("data", "model") for path in files_of(folder / artifact)]:
        whole = path.read_bytes()
        for raw in spoilt(whole, draw):
            path.write_bytes(raw)
            outcome = call(*COMMANDS[command])
            if path.relative_to(folder) in read:
                assert_refused(outcome, path, folder)
            else:  # it is `check`'s to find
                assert outcome[0] == 0, (path, outcome)
        path.write_bytes(whole)


def files_read(call: Callable[[], tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The files of artifacts that a command which ends well reads, as it names them."""
    read: set[Path] = set()
    file, parse = Artifact.file, manifest._parse_manifest

    def file_and_tell(artifact: Artifact, name: str) -> Path:
        read.add(file(artifact, name))
        return file(artifact, name)

    def parse_and_tell(path: Path, raw: bytes) -> manifest.Manifest:
        read.add(path / manifest.MANIFEST)
        return parse(path, raw)

    with monkeypatch.context() as patched:
        patched.setattr(Artifact, "file", file_and_tell)
        patched.setattr(manifest, "_parse_manifest", parse_and_tell)
        assert call()[0] == 0
    assert read
    return read


class StopError(Exception):
    """The run is over before its time."""


class StoppedAfter:
    """Ends a run once so many epochs have their checkpoints."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def started(self, *figures: Any) -> None: ...

    def stepped(self, *figures: Any) -> None: ...

    def epoch_ended(self, record: Any, seconds: float) -> None:
        if record.epoch == self.epochs:
            raise StopError


TRAIN = ("train", "data", "--output", "run", "--config", "train.toml")


@pytest.fixture
def unfinished(folder, monkeypatch) -> Path:
    """`run.partial`, with two checkpoints."""
    settings = load_settings(TrainSettings, config=folder / "train.toml", options={}, presets=PRESETS)
    with pytest.raises(StopError):
        train(Path("data"), Path("run"), settings=settings, observer=StoppedAfter(2))
    return folder / "run.partial"


def checkpoints(run: Path) -> list[Path]:
    return sorted((child for child in run.iterdir() if child.name.isdigit()), key=lambda path: int(path.name))


def files_of_last(run: Path) -> list[Path]:
    return sorted(path for path in checkpoints(run)[-1].rglob("*") if path.is_file())


def weights(model: Path) -> bytes:
    return open_artifact(model, "model").file("weights.safetensors").read_bytes()


def resume_with(damaged: list[Path], run: Path, call: Callable[..., tuple[int, str]]) -> None:
    """Resume with each of the files damaged in turn; the model is that of the whole run every time."""
    kept = run.with_name("kept")
    shutil.copytree(run, kept)
    draw = np.random.default_rng(3)
    for path in damaged:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(kept, run)
        path.write_bytes(next(spoilt(path.read_bytes(), draw)))
        assert_refused(call("check", run.name), path, run.parent)
        code, said = call(*TRAIN, "--resume", "--overwrite")
        assert code == 0, said
        assert str(path.relative_to(run.parent)) in said
        assert "resumed after epoch 1" in said
        assert weights(run.with_name("run")) == weights(run.with_name("model"))


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before_and_says_so(unfinished, call):
    assert call("check", "run.partial")[0] == 0
    largest = max(files_of_last(unfinished), key=lambda path: path.stat().st_size)
    resume_with([largest], unfinished, call)


def test_damage_in_all_checkpoints_or_in_the_record_of_the_run_is_exit_four(unfinished, call):
    record = unfinished / "run.json"
    whole = record.read_bytes()
    for raw in spoilt(whole, np.random.default_rng(1)):
        record.write_bytes(raw)
        for command in (("check", "run.partial"), (*TRAIN, "--resume")):
            assert_refused(call(*command), record, unfinished.parent)
    record.write_bytes(whole)
    for folder in checkpoints(unfinished):
        damaged = folder / "document" / "metadata"
        damaged.write_bytes(b"{}")
    assert_refused(call(*TRAIN, "--resume"), damaged, unfinished.parent)


@pytest.mark.faults
def test_whatever_file_of_the_last_checkpoint_is_damaged_the_run_ends_as_it_would_have(unfinished, call):
    resume_with(files_of_last(unfinished), unfinished, call)


def test_a_link_in_place_of_a_file_is_refused_though_it_holds_the_same(folder, call):
    [path] = [path for path in files_of(folder / "model") if path.name.startswith("weights")]
    outside = folder / "outside"
    os.rename(path, outside)
    path.symlink_to(outside)
    for command in (("check", "model"), COMMANDS["score"]):
        outcome = call(*command)
        assert_refused(outcome, path, folder)
        assert "a symbolic link" in outcome[1]
