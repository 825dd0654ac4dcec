"""A small world of inputs, a neighbour, HOME and TMPDIR, in which commands are killed."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recsys_cli.artifacts.manifest import writing_artifact
from recsys_cli.cli.compilation_cache import machine

DRIVER = Path(__file__).with_name("driver.py")


@dataclass(frozen=True)
class Command:
    """A command with its output, which another run has made before."""

    arguments: tuple[str, ...]  # but for --output
    output: str
    scratch: tuple[str, ...]  # beside or inside which it may write besides
    counts_uses: bool = False  # what it says depends on how often it was run

    def line(self, *more: str) -> list[str]:
        return [*self.arguments, "--output", self.output, *more]


COMMANDS = {
    "preprocess": Command(
        ("preprocess", "interactions.csv", "--items", "items.csv", "--users", "users.csv", "--split", "none"),
        "out",
        (),
    ),
    "train": Command(("train", "data", "--config", "train.toml", "--seed", "3"), "out", ("out.partial",)),
    "score": Command(
        ("score", "model", "--dataset", "data", "--top-k", "7", "--candidates", "20"),
        "out.parquet",
        (".out.parquet.lock", ".out.parquet.partial"),
    ),
    "evaluate": Command(
        ("evaluate", "model", "data", "--split", "test", "--candidates", "20", "--scorer", "retrieval"),
        "out.json",
        (
            ".out.json.lock",
            ".out.json.partial",
            "data/test-uses.json",
            "data/.test-uses.json.lock",
            "data/.test-uses.json.partial",
        ),
        counts_uses=True,
    ),
}
OLD = {"preprocess": "data", "train": "old", "score": "recommendations.parquet", "evaluate": "metrics.json"}
INPUTS = ("interactions.csv", "items.csv", "users.csv", "train.toml", "data", "model")


@dataclass(frozen=True)
class Answer:
    """What became of a command: exit code or, negative, signal; seconds; changes; stdout and stderr."""

    status: int
    seconds: float
    changes: int
    said: str


@dataclass(frozen=True)
class World:
    """`work` is where commands run; `home` and `temporary` are theirs; `kept` is out of their sight."""

    root: Path
    kept: Path
    driver: subprocess.Popen[str]

    @property
    def work(self) -> Path:
        return self.root / "work"

    def run(self, arguments: Iterable[str], *, after: float | None = None, at: int | None = None) -> Answer:
        log = self.kept / "log"
        request = {"arguments": list(arguments), "folder": str(self.work), "log": str(log)}
        assert self.driver.stdin is not None
        assert self.driver.stdout is not None
        self.driver.stdin.write(json.dumps({**request, "after": after, "at": at}) + "\n")
        self.driver.stdin.flush()
        return Answer(**json.loads(self.driver.stdout.readline()), said=log.read_text())

    def place_old(self, command: Command, old: Path | None) -> None:
        """Have the output be what `old` is, and nothing beside it."""
        for name in (command.output, *command.scratch):
            remove(self.work / name)
        if old is not None:
            copy(old, self.work / command.output)

    def surroundings(self, command: Command) -> dict[str, str]:
        """Path -> digest of all that is no business of the command; compiled programs are kept on purpose."""
        exempt = [self.work / name for name in (command.output, *command.scratch)]
        exempt.append(self.root / "home" / ".cache" / "recsys" / "compiled")
        paths = [path for path in sorted(self.root.rglob("*")) if not any(map(path.is_relative_to, exempt))]
        return {
            str(path): "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
            for path in paths
        }


def write_model(path: Path) -> None:
    """Something that is a model to who would write over it."""
    with writing_artifact(path, "model", overwrite=False) as writer:
        writer.file("weights.safetensors").write_bytes(b"old")
        writer.commit(configuration={}, inputs={}, counts={}, details={}, run={})


def copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def content(command: Command, output: Path) -> Any:
    """What makes an output the same as another: every byte of it. None where there is none.

    Of a directory, those of the manifest and of the files that it names. Raises where one is missing.
    """
    if not output.exists():
        return None
    if output.is_dir():
        manifest = output / "manifest.json"
        if not manifest.exists():
            return None
        raw = manifest.read_bytes()
        names = [entry["name"] for entry in json.loads(raw)["files"].values()]
        return raw, {name: (output / name).read_bytes() for name in names}
    if command.counts_uses:
        return {**json.loads(output.read_bytes()), "test_uses": None}
    return output.read_bytes()


@pytest.fixture(scope="session")
def world(pipeline, tmp_path_factory) -> Generator[World]:
    """The inputs and programs of `pipeline`, and a driver that has imported every command."""
    root, kept = tmp_path_factory.mktemp("world"), tmp_path_factory.mktemp("kept")
    for name in ("home", "temporary", "work", "work/neighbour"):
        (root / name).mkdir()
    (root / "work" / "neighbour" / "notes.txt").write_text("mine")
    for name in INPUTS:
        copy(pipeline.folder / name, root / "work" / name)
    remove(root / "work" / "data" / "test-uses.json")
    compiled = root / "home" / ".cache" / "recsys" / "compiled" / machine()
    shutil.copytree(os.environ["JAX_COMPILATION_CACHE_DIR"], compiled)
    environment = {**os.environ, "HOME": str(root / "home"), "TMPDIR": str(root / "temporary")}
    for name in ("JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    driver = subprocess.Popen(
        [sys.executable, str(DRIVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with driver:
        yield World(root, kept, driver)
        assert driver.stdin is not None
        driver.stdin.close()


@dataclass(frozen=True)
class Whole:
    """What one whole run makes, how long it takes and how many changes it makes on the way."""

    old: Path
    new: Any  # its content
    seconds: float
    changes: int


@pytest.fixture(scope="session")
def whole(world: World, pipeline) -> dict[str, Whole]:
    """Every command run once, without a kill; `train` as `pipeline` did, whose programs are compiled."""
    write_model(world.kept / "old")
    wholes: dict[str, Whole] = {}
    for name, command in COMMANDS.items():
        old = (world.kept if name == "train" else pipeline.folder) / OLD[name]
        world.place_old(command, old)
        answer = world.run(command.line("--overwrite"))
        assert answer.status == 0, answer.said
        new = content(command, world.work / command.output)
        assert new != content(command, old)
        wholes[name] = Whole(old, new, answer.seconds, answer.changes)
        world.place_old(command, None)
    return wholes


@pytest.fixture(scope="session")
def commands() -> dict[str, Command]:
    return COMMANDS


@pytest.fixture(scope="session")
def content_of():
    return content
