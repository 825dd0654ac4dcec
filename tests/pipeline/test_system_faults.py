"""The system says no, in the middle of every command: one sentence, exit 7, and the old output is whole."""

import gzip
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from recsys_cli.cli import memory
from recsys_cli.tables import interactions


class Finished(NamedTuple):
    code: int
    stdout: str
    stderr: str


COMMANDS = ["preprocess", "train", "score", "evaluate"]
KIB = 1024
DISK = 1024  # KiB


@pytest.fixture
def mount(tmp_path):
    """Mounts something on a new folder; skips where only root may."""
    mounted = []

    def mount(*arguments):
        place = tmp_path / f"mounted-{len(mounted)}"
        place.mkdir(exist_ok=True)
        if os.geteuid() or subprocess.run(["mount", *arguments, place], check=False).returncode:
            pytest.skip("only root can mount a file system")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def disk(mount):
    """A file system of one MiB."""
    return mount("-t", "tmpfs", "-o", f"size={DISK}k", "tmpfs")


@pytest.fixture
def read_only(tmp_path, mount):
    """A folder that root cannot write to either."""
    place = tmp_path / "read-only"
    place.mkdir()
    if os.geteuid():
        place.chmod(0o500)
        return lambda: place

    def close():
        mounted = mount("--bind", place)
        subprocess.run(["mount", "-o", "remount,ro,bind", mounted], check=True)
        return mounted

    return close


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its bytes, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def fill(disk: Path, *, leave: int) -> None:
    """Write a file that leaves so many bytes of the disk."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(bytes(max(0, free - leave)))


def assert_refused(finished, code: int, *words: str) -> None:
    errors = [line for line in finished.stderr.splitlines() if line.startswith("error: ")]
    assert finished.code == code, finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(errors) == 1, finished.stderr
    assert finished.stderr.splitlines()[-2] == errors[0]
    assert finished.stdout == ""
    for word in words:
        assert word in errors[0]


# Training takes seconds: the long suite has it.
QUICK = [
    pytest.param(command, marks=pytest.mark.faults if command == "train" else []) for command in COMMANDS
]


@pytest.mark.parametrize("command", QUICK)
def test_a_full_disk(again, disk, command):
    output = again.old(command, disk)
    fill(disk, leave=8 * KIB)
    before = contents(disk)
    assert_refused(again(command, output, "--overwrite"), 7, str(output), "the disk is full")
    assert contents(disk) == before


def test_a_disk_that_is_full_for_a_checkpoint(again, disk):
    output = again.old("train", disk)
    fill(disk, leave=300 * KIB)
    before = contents(disk)
    finished = again("train", output, "--overwrite")
    assert_refused(finished, 7, "the disk is full", "a checkpoint takes")
    assert contents(disk) == before


@pytest.mark.faults
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("leave", [0, 4, 12, 16, 20, 28, 36, 60, 100, 200, 500, 600, 700])
def test_a_disk_that_is_full_at_any_moment(again, mount, command, leave):
    disk = mount("-t", "tmpfs", "-o", f"size={4 * DISK}k", "tmpfs")
    output = again.old(command, disk)
    fill(disk, leave=leave * KIB)
    before = contents(disk)
    finished = again(command, output, "--overwrite")
    if finished.code == 0:
        assert not any(".partial" in name for name in contents(disk))
        return
    assert_refused(finished, 7, "the disk is full")
    after = contents(disk)
    assert {name: after[name] for name in before} == before
    assert all(name.startswith("model.partial") for name in after.keys() - before.keys())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_cannot_be_written(again, tmp_path, read_only, command):
    again.old(command, tmp_path / "read-only")
    output = again.old(command, tmp_path).name
    place = read_only()
    before = contents(place)
    assert_refused(again(command, place / output, "--overwrite"), 7, str(place / output))
    assert_refused(again(command, place / "new" / output), 7, str(place / "new" / output))
    assert contents(place) == before


MOMENTS = {  # of each command, a function that is called while the output is held
    "preprocess": "recsys_cli.stages.preprocess.apply_rules",
    "train": "recsys_cli.stages.train.write_model_files",
    "score": "recsys_cli.stages.score.recommendations_table",
    "evaluate": "recsys_cli.artifacts.atomic.sync",
}


@pytest.mark.parametrize("command", QUICK)
def test_a_folder_that_vanishes(again, tmp_path, monkeypatch, command):
    place = tmp_path / "place"
    place.mkdir()

    def vanish(*arguments, **options):
        shutil.rmtree(place)

    at_the_moment(monkeypatch, MOMENTS[command], vanish)
    output = again.old(command, place)
    assert_refused(again(command, output, "--overwrite"), 7, str(output))


def at_the_moment(monkeypatch, name: str, fault) -> None:
    """Have a fault happen just before a function does its work, the first time."""
    module, _, function = name.rpartition(".")
    place = importlib.import_module(module)
    work = getattr(place, function)
    faults = [fault]

    def faulty(*arguments, **options):
        if faults:
            faults.pop()(*arguments, **options)
        return work(*arguments, **options)

    monkeypatch.setattr(place, function, faulty)


SPOILT = {
    "is cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "grows": lambda path: path.write_bytes(path.read_bytes() + b"u,i,1,1700000000\n"),
    "goes away": lambda path: path.unlink(),
    "is replaced": lambda path: shutil.copyfile(path, path.with_name("next")).replace(path),
}


@pytest.mark.parametrize("name", ["interactions.csv", "interactions.parquet", "interactions.csv.gz"])
@pytest.mark.parametrize("change", SPOILT)
@pytest.mark.parametrize("moment", ["load.open_files", "interactions.load_parts"])  # before, between readings
def test_a_file_that_changes_while_it_is_read(again, tmp_path, monkeypatch, pipeline, name, change, moment):
    path = tmp_path / name
    if name.endswith(".parquet"):
        pd.read_csv(pipeline.folder / "interactions.csv", dtype=str).to_parquet(path)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress((pipeline.folder / "interactions.csv").read_bytes()))
    else:
        shutil.copyfile(pipeline.folder / "interactions.csv", path)
    at_the_moment(monkeypatch, f"recsys_cli.tables.{moment}", lambda *a, **o: SPOILT[change](path))
    finished = again.call("preprocess", path, "--output", tmp_path / "data")
    assert_refused(finished, 3, name)
    assert not (tmp_path / "data").exists()


def test_a_file_that_grows_after_it_was_read_is_not_read_in_halves(again, tmp_path, monkeypatch, pipeline):
    path = Path(shutil.copyfile(pipeline.folder / "interactions.csv", tmp_path / "i.csv"))
    read = interactions.load_parts

    def grow_after(*arguments, **options):
        loaded = read(*arguments, **options)
        SPOILT["grows"](path)
        return loaded

    monkeypatch.setattr(interactions, "load_parts", grow_after)
    finished = again.call("preprocess", path, "--output", tmp_path / "data")
    assert_refused(finished, 3, "i.csv", "changed")


def limited(limit: str, arguments: list[str], folder: Path) -> Finished:
    """The command in a process of its own, under a limit of the shell."""
    finished = subprocess.run(
        ["sh", "-c", f'{limit} && exec "$@"', "sh", sys.executable, "-m", "recsys_cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr)


@pytest.mark.parametrize(
    "command",
    ["preprocess", *(pytest.param(each, marks=pytest.mark.faults) for each in COMMANDS[1:])],
)
def test_files_that_may_not_be_so_large(pipeline, again, tmp_path, command):
    output = again.old(command, tmp_path)
    before = contents(tmp_path)
    arguments = [*again.arguments(command, output), "--overwrite"]
    finished = limited("ulimit -f 1", arguments, pipeline.folder)
    assert_refused(finished, 7, "larger")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_too_little_address_space_for_the_libraries(pipeline, again, tmp_path, command):
    output = again.old(command, tmp_path)
    before = contents(tmp_path)
    arguments = [*again.arguments(command, output), "--overwrite"]
    finished = limited("ulimit -v 700000", arguments, pipeline.folder)
    assert_refused(finished, 7, "ulimit -v", "683 MiB")
    assert contents(tmp_path) == before


@pytest.mark.faults
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("more", [0, 50, 100, 200, 400])
def test_memory_that_is_just_too_little(pipeline, again, tmp_path, command, more):
    output = again.old(command, tmp_path)
    before = contents(tmp_path)
    arguments = [*again.arguments(command, output), "--overwrite", "--threads", "1"]
    least = memory.TABLES if command == "preprocess" else memory.MODELS
    finished = limited(f"ulimit -v {(least >> 10) + more * KIB}", arguments, pipeline.folder)
    if finished.code != 0:
        assert_refused(finished, 7, "memory")
        assert contents(tmp_path) == before
