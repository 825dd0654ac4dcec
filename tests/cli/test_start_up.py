"""Help is quick, because nothing heavy is imported for it; neither a home nor a terminal is needed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recsys_cli import __version__

HEAVY = (
    "jax", "jaxlib", "flax", "optax", "orbax", "pandas", "numpy", "pyarrow", "duckdb", "pydantic", "rich",
    "safetensors",
)  # fmt: skip


def test_importing_the_command_line_imports_nothing_heavy():
    code = f"import sys, recsys_cli.cli.main; print([m for m in {HEAVY} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_help_answers_at_once():
    command = [sys.executable, "-m", "recsys_cli", "--help"]
    times: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    # 0.2 s is the promise on an idle machine; the best of five allows for a busy one.
    assert min(times) < 0.6


@pytest.mark.parametrize(
    "command",
    [
        [], ["preprocess"], ["train"], ["score"], ["evaluate"], ["run"], ["status"], ["check"], ["diff"],
        ["doctor"],
    ],
)  # fmt: skip
def test_every_command_has_help(run, command):
    outcome = run(*command, "--help")
    assert outcome.code == 0
    assert outcome.stdout.startswith(" ".join(["Usage: recsys", *command]))
    assert outcome.stderr == ""


def test_the_version_is_printed(run):
    assert run("--version").stdout == f"recsys {__version__}\n"


def test_the_script_and_the_module_are_the_same_program():
    script = Path(sys.executable).with_name("recsys")
    by_script = subprocess.check_output([script, "train", "--help"])
    assert by_script == subprocess.check_output([sys.executable, "-m", "recsys_cli", "train", "--help"])


@pytest.mark.parametrize("home", [None, "/proc/no-such-home"])
def test_neither_a_home_nor_a_terminal_is_needed(home, tmp_path):
    environment = {"PATH": os.defpath} | ({} if home is None else {"HOME": home})
    finished = subprocess.run(
        [sys.executable, "-m", "recsys_cli", "train", "none", "--output", "model", "--config", "x.toml"],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith("error: x.toml cannot be read")


@pytest.mark.parametrize("stage", ["train", "score", "evaluate"])
def test_stages_behind_the_dataset_do_without_duckdb(stage):
    code = f"import sys, recsys_cli.stages.{stage}; sys.exit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
