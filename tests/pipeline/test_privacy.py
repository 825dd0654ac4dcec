"""Who may read what is written, and what logs hold: never a user's id, never a row."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys_cli.artifacts.manifest import open_artifact
from recsys_cli.cli.main import main

MARK = "zqxj"  # in every user's id and nowhere else

SIZES = ("--candidates", "20")
SCORE = ("score", "model", "--dataset", "data", "--top-k", "5", *SIZES)


@pytest.fixture
def marked(pipeline, tmp_path) -> Path:
    """The pipeline's tables with a mark in each user's id, and a model of the unmarked ones."""
    for name in ("interactions.csv", "users.csv"):
        head, *rows = (pipeline.folder / name).read_text().splitlines()
        (tmp_path / name).write_text("\n".join([head, *(MARK + row for row in rows)]) + "\n")
    for name in ("items.csv", "train.toml"):
        shutil.copy(pipeline.folder / name, tmp_path)
    shutil.copytree(pipeline.folder / "model", tmp_path / "model")
    return tmp_path


@pytest.fixture
def said(capfd) -> Callable[..., str]:
    """What a command, run in this process and folder, said on stderr."""

    def said(*arguments: str, code: int = 0) -> str:
        ended = main([*arguments])
        text = capfd.readouterr().err
        assert ended == code, text
        return text

    return said


def test_no_command_says_a_users_id_whether_it_ends_well_or_not(marked, said, monkeypatch):
    monkeypatch.chdir(marked)
    tables = ("interactions.csv", "--items", "items.csv", "--users", "users.csv")
    rows = (marked / "interactions.csv").read_text().splitlines()
    (marked / "others.csv").write_text("user_id,age\n" + "".join(f"{MARK}-{n},3\n" for n in range(9)))
    (marked / "broken.csv").write_text("\n".join([*rows[:40], f"{MARK}1,f1,x,never", *rows[40:]]) + "\n")
    (marked / "times.csv").write_text("user_id,item_id,timestamp\n" + f"{MARK}1,f1,{MARK}\n" * 9)
    (marked / "short.csv").write_text("user_id,item_id,rank\n" + f"{MARK}1,f1,1\n{MARK}2,f2\n")
    (marked / "words.csv").write_text("user_id,item_id,rank\n" + f"f1,1,{MARK}2\n")
    (marked / "gap.csv").write_text("user_id,item_id,rank\n" + f"{MARK}000,f01,1\n{MARK}000,f02,3\n")
    (marked / "twice.csv").write_text("user_id,item_id,rank\n" + f"{MARK}000,f01,1\n{MARK}000,f01,2\n")
    (marked / "headless.csv").write_text(f"{MARK}000,f01,5,1700000000\n" * 5)
    (marked / "some.csv").write_text(f"user_id\n{MARK}000\n{MARK}nobody\n")
    measure = ("evaluate", "--dataset", "data", "--recommendations")
    heard = [
        said("preprocess", *tables, "--output", "data"),
        said("preprocess", "interactions.csv", "--users", "others.csv", "--output", "d"),
        said("preprocess", "broken.csv", "--max-rejects", "0", "--output", "e", code=3),
        said("preprocess", "times.csv", "--output", "e", code=3),
        said("preprocess", "headless.csv", "--output", "e", code=3),
        said("train", "data", "--output", "m", "--config", "train.toml", "--epochs", "1"),
        said(*SCORE, "--output", "r.parquet", "--users", "some.csv", "--show", "2", "--table"),
        said("evaluate", "model", "data", *SIZES),
        *(said(*measure, f"{name}.csv", code=3) for name in ("short", "words", "gap", "twice")),
        said("check", "data"),
        said("check", "r.parquet"),
        said("diff", "r.parquet", "r.parquet"),
    ]
    assert [text for text in heard if MARK in text] == []
    assert MARK in (marked / "e.rejects.csv").read_text()  # where a person looks for it


def modes(*paths: Path) -> dict[str, str]:
    """Path -> permissions, of all files and folders at and below."""
    every = [below for path in paths for below in (path, *path.rglob("*"))]
    return {str(path): stat.filemode(path.stat().st_mode) for path in every}


COMMANDS = [
    ("preprocess", "interactions.csv", "--output", "new-data"),
    ("train", "data", "--output", "new-model", "--config", "train.toml", "--epochs", "1"),
    (*SCORE, "--show", "0", "--output", "new.parquet"),
    ("evaluate", "model", "data", *SIZES, "--output", "new.json"),
]


def write(said: Callable[..., str], *options: str, umask: int) -> dict[str, str]:
    """Every command that writes, once; the permissions of what they wrote."""
    before = os.umask(umask)
    try:
        for command in COMMANDS:
            said(*command, *options)
            assert os.umask(umask) == umask
    finally:
        os.umask(before)
    return modes(*(Path(command[command.index("--output") + 1]) for command in COMMANDS))


@pytest.fixture
def folder(pipeline, tmp_path) -> Path:
    for name in ("interactions.csv", "train.toml"):
        shutil.copy(pipeline.folder / name, tmp_path)
    for name in ("data", "model"):
        shutil.copytree(pipeline.folder / name, tmp_path / name)
    return tmp_path


def test_files_are_made_by_the_umask_and_private_ones_for_nobody_else(folder, said, monkeypatch):
    monkeypatch.chdir(folder)
    shared = write(said, umask=0o027)
    assert set(shared.values()) == {"drwxr-x---", "-rw-r-----"}, shared
    private = write(said, "--private", "--overwrite", umask=0o000)
    assert private["new-data"] == private["new-model"] == "drwx------"
    written = {*current_files("new-data"), *current_files("new-model"), "new.parquet", "new.json"}
    assert {path: private[path] for path in written} == dict.fromkeys(written, "-rw-------")


def current_files(artifact: str) -> list[str]:
    """The manifest, and what it names; those of the version before stay as they were made."""
    named = [entry.name for entry in open_artifact(Path(artifact)).manifest.files.values()]
    return [f"{artifact}/{name}" for name in ("manifest.json", "run.json", *named)]


@pytest.mark.faults
def test_checkpoints_of_a_private_run_are_private(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "recsys_cli", "train", "data", "--output", "run", "--config", "train.toml",
         "--epochs", "50", "--private"],
        cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, umask=0o000,
    )  # fmt: skip
    assert process.stderr is not None
    with process.stderr as lines:
        next(line for line in lines if "epoch 2 of" in line)
        process.terminate()
        lines.read()
    assert process.wait(timeout=60) == 143
    found = modes(folder / "run.partial")
    assert set(found.values()) <= {"drwx------", "-rw-------"}, found
    assert any("manifest.ocdbt" in path for path in found)
