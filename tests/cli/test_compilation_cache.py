"""Compiled programs are found again by the next process, and whatever is wrong with them harms nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recsys_cli.cli import compilation_cache
from recsys_cli.cli.compilation_cache import cache_home, machine

PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
logging.getLogger("jax").setLevel(logging.ERROR)
from recsys_cli.cli.compilation_cache import use_compilation_cache
use_compilation_cache()
import jax, jax.monitoring
found = []
listen = lambda event, **_: event.endswith("/cache_hits") and found.append(event)
jax.monitoring.register_event_listener(listen)
result = jax.jit(lambda x: x * 2 + 1)(3.0)
print(float(result), "found" if found else "compiled")
"""


def environment(home, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XDG_"))}
    return (
        kept
        | {"HOME": str(home), "JAX_PLATFORMS": "cpu"}
        | {name: str(value) for name, value in more.items()}
    )


def run(home, *, program=PROGRAM, **more):
    """Standard output and standard error of a process that compiles one small program."""
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.strip(), finished.stderr


def entries(folder):
    return sorted(path for path in folder.rglob("*-cache"))


def test_the_next_process_finds_what_this_one_compiled(tmp_path):
    assert run(tmp_path) == ("7.0 compiled", "")
    kept = entries(tmp_path / ".cache" / "recsys" / "compiled")
    assert kept
    assert kept[0].parent.stat().st_mode & 0o077 == 0
    assert run(tmp_path) == ("7.0 found", "")
    assert entries(tmp_path) == kept


def test_the_xdg_directory_comes_before_the_home(tmp_path):
    run(tmp_path / "home", XDG_CACHE_HOME=tmp_path / "xdg")
    assert entries(tmp_path / "xdg" / "recsys")
    assert not (tmp_path / "home").exists()


def test_the_directory_that_a_person_names_wins(tmp_path):
    run(tmp_path / "home", JAX_COMPILATION_CACHE_DIR=tmp_path / "mine")
    assert {path.parent for path in entries(tmp_path)} == {tmp_path / "mine"}


def test_a_named_directory_that_cannot_be_written_costs_one_line(tmp_path):
    output, said = run(tmp_path, JAX_COMPILATION_CACHE_DIR="/proc/no-such-folder")
    assert output == "7.0 compiled"
    assert said.startswith("recsys: compiled programs are made anew: ")
    assert said.count("\n") == 1


def test_it_can_be_switched_off(tmp_path):
    assert run(tmp_path, JAX_ENABLE_COMPILATION_CACHE="false") == ("7.0 compiled", "")
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_costs_one_line(tmp_path):
    output, said = run("/proc/no-such-home")
    assert output == "7.0 compiled"
    assert said.startswith("recsys: compiled programs are not kept: /proc/no-such-home/.cache/")
    assert said.count("\n") == 1


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_entry_costs_one_line_and_is_made_anew(tmp_path, damage):
    run(tmp_path)
    for path in entries(tmp_path):
        path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    output, said = run(tmp_path)
    assert output == "7.0 compiled"
    assert said.startswith("recsys: compiled programs are made anew: ")
    assert said.count("\n") == 1
    assert run(tmp_path) == ("7.0 found", "")


def test_a_full_disk_costs_one_line_and_leaves_no_half_entry(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"  # of a file, in bytes
    output, said = run(tmp_path, program=limit + PROGRAM)
    assert output == "7.0 compiled"
    assert "are made anew" in said
    assert said.count("\n") == 1
    assert entries(tmp_path) == []


def test_processes_that_start_together_share_it(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in started:
        output, _ = process.communicate()
        assert output.startswith("7.0")
        assert process.returncode == 0
    assert run(tmp_path) == ("7.0 found", "")


def test_what_was_longest_not_used_goes_first(tmp_path):
    for age, size in enumerate([10, 20, 30, 40]):
        path = tmp_path / "machine" / f"{size}-cache"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
        os.utime(path, (1_000 - age, 1_000 - age))
    compilation_cache._prune(tmp_path, 60)
    assert [path.stat().st_size for path in entries(tmp_path)] == [10, 20, 30]


def test_a_relative_xdg_directory_is_ignored(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path / ".cache"


def test_without_any_home_there_is_no_cache(monkeypatch):
    def no_home():
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert cache_home() is None


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not bind processes")
def test_another_number_of_processors_is_another_machine(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    one = machine()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert one != machine()
    assert one.isalnum()
