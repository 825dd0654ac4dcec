"""Two runs on one output: one writes, and the other is told who does, or waits."""

import os
import re
import subprocess
import sys
import threading

import pytest

from recsys_cli.artifacts.atomic import held_file
from recsys_cli.artifacts.lock import held_folder

COMMANDS = ["preprocess", "train", "score", "evaluate"]
WAITING = ["preprocess", pytest.param("train", marks=pytest.mark.faults), "score", "evaluate"]


def test_of_two_runs_that_start_together_one_writes_and_one_is_told_who_does(world):
    (world.work / "new").mkdir()
    line = [sys.executable, "-m", "recsys_cli", "preprocess", "-", "--output", "new/out"]
    runs = [
        subprocess.Popen(
            line,
            cwd=world.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "HOME": str(world.root / "home")},
        )
        for _ in range(2)
    ]
    first_to_end = threading.Event()
    watchers = [threading.Thread(target=lambda run=run: (run.wait(), first_to_end.set())) for run in runs]
    for watcher in watchers:
        watcher.start()
    assert first_to_end.wait(60)
    refused, writing = sorted(runs, key=lambda run: run.poll() is None)
    assert refused.returncode == 6
    assert f"process {writing.pid} on {os.uname().nodename}, started " in refused.communicate()[1].decode()
    table = (world.work / "interactions.csv").read_bytes()
    said = writing.communicate(table, timeout=60)[1].decode()
    assert writing.returncode == 0, said
    for watcher in watchers:
        watcher.join()
    assert sorted(child.name for child in (world.work / "new").iterdir()) == ["out"]
    assert not (world.work / "new" / "out" / ".lock").exists()


@pytest.fixture
def held(world, whole, commands):
    """The output of a command, as another run holds it: to be entered."""

    def held(name):
        command = commands[name]
        world.place_old(command, whole[name].old)
        output = world.work / command.output
        if name == "train":
            return held_folder(output.with_name("out.partial"), output=output, keep=False)
        if name == "preprocess":
            return held_folder(output, output=output, keep=True)
        return held_file(output, overwrite=True)

    return held


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_an_output_that_another_run_holds_before_it_does_anything(
    world, whole, commands, content_of, held, name
):
    command = commands[name]
    with held(name):
        refused = world.run(command.line("--overwrite"))
    assert refused.status == 6
    who = rf"process {os.getpid()} on {re.escape(os.uname().nodename)}, started [\d-]+T[\d:]+Z"
    assert re.search(rf"^error: Another run is writing {command.output} \({who}\)\.$", refused.said, re.M)
    assert refused.seconds < whole[name].seconds
    assert content_of(command, world.work / command.output) == content_of(command, whole[name].old)


@pytest.mark.parametrize("name", WAITING)
def test_every_command_waits_for_another_run_when_it_is_told_to(
    world, whole, commands, content_of, held, name
):
    command = commands[name]
    holding = held(name)
    holding.__enter__()
    timer = threading.Timer(whole[name].seconds, holding.__exit__, (None, None, None))
    timer.start()
    waited = world.run(command.line("--overwrite", "--wait", "60"))
    timer.join()
    assert waited.status == 0, waited.said
    assert f"another run is writing {command.output} (process {os.getpid()}" in waited.said
    assert content_of(command, world.work / command.output) == whole[name].new


def test_a_run_that_has_waited_in_vain_is_refused(world, commands, held):
    with held("score"):
        refused = world.run(commands["score"].line("--overwrite", "--wait", "0.3"))
    assert refused.status == 6
    assert "Another run is still writing out.parquet" in refused.said
