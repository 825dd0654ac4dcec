"""kill -9 of every command, at random moments and just before each change it makes to the disk.

Afterwards the output is the old one, whole, or the new one, whole, and nothing else has changed; the next run
succeeds by itself, says that the one before did not end, and leaves nothing of it.
"""

import itertools
import json
import os
import random
import signal

import pytest

FIRST_SEED = int(os.environ.get("FAULT_SEED", "0"))
SHORT = {"preprocess": 12, "score": 4, "evaluate": 3, "train": 1}  # kills: 20
LONG = {"preprocess": 70, "score": 50, "evaluate": 40, "train": 20}  # beside every change of each


def seeds(counts):
    return [(name, FIRST_SEED + number) for name, count in counts.items() for number in range(count)]


@pytest.fixture
def check(world, whole, commands, content_of):
    """Kill a command once, and hold its output, its surroundings and the next run to the promise."""

    def check(name, *, existing, after=None, at=None):
        command, expected = commands[name], whole[name]
        world.place_old(command, expected.old if existing else None)
        output = world.work / command.output
        before, surroundings = content_of(command, output), world.surroundings(command)

        killed = world.run(command.line("--overwrite"), after=after, at=at)
        assert killed.status in {0, -signal.SIGKILL}, killed.said
        found = content_of(command, output)
        assert found in ([expected.new] if killed.status == 0 else [before, expected.new])
        assert world.surroundings(command) == surroundings
        assert_whole_ledger(world)
        if killed.status == 0:
            return killed

        holder = left_note(output)
        resume = ["--resume"] if (world.work / "out.partial").exists() and name == "train" else []
        following = world.run(command.line("--overwrite", *resume))
        assert following.status == 0, following.said
        assert ("did not end" in following.said) == (holder is not None)
        assert (holder or "") in following.said
        assert content_of(command, output) == expected.new
        assert world.surroundings(command) == surroundings
        assert left_over(world, command, content_of(command, expected.old)) == []
        return killed

    return check


def assert_whole_ledger(world):
    ledger = world.work / "data" / "test-uses.json"
    if ledger.exists():
        assert list(json.loads(ledger.read_bytes()).values()) == [1]


def left_note(output):
    """How the next run will call the one that was killed; None where it had not begun to write."""
    partial = output.with_name("out.partial")
    folder = partial if partial.exists() else output
    locks = [folder / ".lock", output.with_name(f".{output.name}.lock")]
    notes = [json.loads(lock.read_bytes()) for lock in locks if lock.exists() and lock.stat().st_size]
    return f"process {notes[0]['pid']} on {os.uname().nodename}, started " if notes else None


def left_over(world, command, old):
    """What is there and belongs to neither version of the output."""
    output = world.work / command.output
    scratch = [name for name in command.scratch if not name.endswith("uses.json")]
    left = [name for name in scratch if (world.work / name).exists()]
    if not output.is_dir():
        return left
    manifest = json.loads((output / "manifest.json").read_bytes())
    named = {entry["name"] for entry in manifest["files"].values()}
    known = {"manifest.json", "run.json", "test-uses.json", *old[1]} | named
    return left + [child.name for child in output.iterdir() if child.name not in known]


@pytest.fixture
def kill(check, whole):
    def kill(name, seed):
        """Even seeds at a moment, odd ones before a change; every other pair of them on a first run."""
        rng = random.Random(f"{name} {seed}")
        existing = seed % 4 < 2
        if seed % 2:
            assert check(name, existing=existing, at=1 + rng.randrange(whole[name].changes)).status
            return
        after = rng.random() * whole[name].seconds
        while check(name, existing=existing, after=after).status == 0:  # it was quicker
            after /= 2

    return kill


@pytest.mark.parametrize(("name", "seed"), seeds(SHORT))
def test_a_killed_command_leaves_the_old_output_or_the_new_one(kill, name, seed):
    kill(name, seed)


@pytest.mark.faults
@pytest.mark.parametrize(("name", "seed"), seeds(LONG))
def test_a_command_killed_at_any_moment_leaves_the_old_output_or_the_new_one(kill, name, seed):
    kill(name, seed + 1000)


@pytest.mark.faults
@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("name", sorted(LONG))
def test_a_command_killed_before_any_of_its_changes_leaves_the_old_output_or_the_new_one(
    check, name, existing
):
    at = 1
    while check(name, existing=existing, at=at).status:
        at += 1


@pytest.mark.faults
def test_rejects_that_stop_a_run_are_there_whole_or_not_at_all(world, commands):
    command, work = commands["preprocess"], world.work
    table = "user_id,item_id,timestamp\n" + ",2,1700000000\n" * 40 + "1,2,1700000000\n" * 60
    (work / "spoilt.csv").write_text(table)
    line = ["preprocess", "spoilt.csv", "--output", command.output]
    world.place_old(command, None)
    assert world.run(line).status == 3
    rejects = work / "out.rejects.csv"
    whole = rejects.read_bytes()
    for at in itertools.count(1):
        rejects.unlink()
        killed = world.run(line, at=at)
        assert not rejects.exists() or rejects.read_bytes() == whole
        assert world.run(line).status == 3
        assert rejects.read_bytes() == whole
        assert [path.name for path in work.iterdir() if "out" in path.name] == [rejects.name]
        if killed.status == 3:
            break
    assert at > 5
    rejects.unlink()
    (work / "spoilt.csv").unlink()
