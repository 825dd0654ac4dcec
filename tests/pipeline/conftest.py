"""A small film service, and the four commands run on it in processes of their own."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_cli.cli.main import main

USERS, ITEMS, SERIES = 61, 37, 5
DAY = 86_400

CONFIG = """
epochs = 3
rows_per_batch = 4
cross_attention_candidates = 16
candidates = 20
[model]
embedding_dim = 16
max_length = 16
head_dim = 8
dropout = 0.1
"""


@dataclass(frozen=True)
class Finished:
    """What a shell sees of a finished command."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def recsys(*arguments: object, cwd: Path, **options: Any) -> Finished:
    """Run one command as a process of its own, without a terminal."""
    finished = subprocess.run(
        [sys.executable, "-m", "recsys_cli", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=dict(os.environ),
        **options,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    return path


def make_tables(folder: Path) -> None:
    """Users watch series in order, with a stray film now and then; ids are text and have leading zeros."""
    rng = np.random.default_rng(7)
    interactions: list[tuple[int, str, str, float]] = []
    for user in range(USERS):
        watched = np.concatenate(
            [series + np.arange(SERIES) for series in rng.permutation(ITEMS // SERIES)[:3] * SERIES]
        )
        watched[rng.random(watched.size) < 0.1] = ITEMS - 1
        times = 1_700_000_000 + np.cumsum(rng.integers(1, 3 * DAY, watched.size))
        ratings = rng.integers(2, 11, watched.size) / 2
        interactions += [
            (int(time), f"{user:03}", f"f{item:02}", float(rating))
            for time, item, rating in zip(times, watched, ratings, strict=True)
        ]
    interactions.sort()
    write_csv(
        folder / "interactions.csv",
        ["user_id", "item_id", "rating", "timestamp"],
        [(user, item, rating, time) for time, user, item, rating in interactions],
    )
    genres = ["Drama", "Comedy|Crime", "", "Horror|Comedy", "War"]
    write_csv(
        folder / "items.csv",
        ["item_id", "title", "genres", "year"],
        [(f"f{n:02}", f"Film {n}", genres[n % 5], "" if n % 9 == 0 else 1970 + n) for n in range(ITEMS)],
    )
    write_csv(
        folder / "users.csv",
        ["user_id", "age", "occupation"],
        [(f"{n:03}", "" if n % 8 == 0 else 18 + n, ["nurse", "clerk", ""][n % 3]) for n in range(USERS)],
    )
    (folder / "train.toml").write_text(CONFIG)


@dataclass(frozen=True)
class Pipeline:
    """A folder with tables, a dataset, a model and recommendations, and what the commands said."""

    folder: Path
    preprocess: Finished
    train: Finished
    score: Finished
    evaluate: Finished

    def run(self, *arguments: object, **options: Any) -> Finished:
        return recsys(*arguments, cwd=self.folder, **options)

    @property
    def environment(self) -> dict[str, str]:
        """What keeps jax on the CPU, and its compiled steps from one process to the next."""
        return {name: value for name, value in os.environ.items() if name.startswith("JAX_")}


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The four commands, once for all tests; tests leave its files as they are."""
    folder = tmp_path_factory.mktemp("pipeline")
    make_tables(folder)
    return Pipeline(
        folder,
        preprocess=recsys(
            "preprocess", "interactions.csv", "--items", "items.csv", "--users", "users.csv",
            "--output", "data", cwd=folder,
        ),
        train=recsys("train", "data", "--output", "model", "--config", "train.toml", cwd=folder),
        score=recsys(
            "score", "model", "--dataset", "data", "--output", "recommendations.parquet", "--top-k", 10,
            "--candidates", 20, cwd=folder,
        ),
        evaluate=recsys(
            "evaluate", "model", "data", "--split", "test", "--candidates", 20, "--output", "metrics.json",
            cwd=folder,
        ),
    )  # fmt: skip


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A folder with the small tables, for a test to spoil."""
    make_tables(tmp_path)
    return tmp_path


@pytest.fixture
def run(tables: Path) -> Callable[..., Finished]:
    """Any command, in the folder `tables`."""

    def run(*arguments: object, **options: Any) -> Finished:
        return recsys(*arguments, cwd=tables, **options)

    return run


@pytest.fixture
def preprocess(tables: Path) -> Callable[..., Finished]:
    """`recsys preprocess` on files of the folder `tables`, into its `data`."""

    def preprocess(*arguments: object, **options: Any) -> Finished:
        return recsys("preprocess", *arguments, "--output", "data", cwd=tables, **options)

    return preprocess


# Each command on the files of `pipeline.folder`, without its output, and what the output is called there.
COMMANDS = {
    "preprocess": ("preprocess", "interactions.csv", "--items", "items.csv", "--users", "users.csv"),
    "train": ("train", "data", "--config", "train.toml"),
    "score": ("score", "model", "--dataset", "data", "--top-k", 10, "--candidates", 20, "--show", 0),
    "evaluate": ("evaluate", "model", "data", "--candidates", 20),
}
OUTPUTS = {
    "preprocess": "data",
    "train": "model",
    "score": "recommendations.parquet",
    "evaluate": "metrics.json",
}


@dataclass(frozen=True)
class Again:
    """The pipeline's commands once more, in its folder, with another output."""

    folder: Path
    call: Callable[..., Finished]

    def __call__(self, command: str, output: Path, *options: object) -> Finished:
        return self.call(*COMMANDS[command], "--output", output, *options)

    def arguments(self, command: str, output: Path) -> list[str]:
        return [str(word) for word in (*COMMANDS[command], "--output", output)]

    def output(self, command: str) -> str:
        """What the command's output is called in the folder."""
        return OUTPUTS[command]

    def old(self, command: str, place: Path) -> Path:
        """A copy of what the command made, in the folder `place`."""
        made, copy = self.folder / OUTPUTS[command], place / OUTPUTS[command]
        shutil.copytree(made, copy) if made.is_dir() else shutil.copyfile(made, copy)
        return copy


@pytest.fixture
def again(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Again:
    """In this process, for faults that need none of their own."""
    monkeypatch.chdir(pipeline.folder)
    monkeypatch.setattr("recsys_cli.cli.device.prepare_device", lambda device, threads: None)

    def call(*arguments: object) -> Finished:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Finished(code, said.out, said.err)

    return Again(pipeline.folder, call)
