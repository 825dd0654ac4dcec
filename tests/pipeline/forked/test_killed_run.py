"""kill -9 of `recsys run`, whose stages are other processes, at random moments of a night with new data."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

FIRST_SEED = int(os.environ.get("FAULT_SEED", "0"))
OUTPUTS = ("data", "model", "recommendations.parquet", "metrics.json")
NIGHT = """
[stages.preprocess]
interactions = "interactions.csv"
items = "items.csv"
users = "users.csv"
output = "data"
[stages.train]
dataset = "data"
output = "model"
config = "train.toml"
[stages.score]
model = "model"
dataset = "data"
output = "recommendations.parquet"
top_k = 5
candidates = 20
[stages.evaluate]
model = "model"
dataset = "data"
output = "metrics.json"
candidates = 20
"""

pytestmark = pytest.mark.faults


def start(folder):
    line = [sys.executable, "-m", "recsys_cli", "run", "night.toml"]
    return subprocess.Popen(
        line, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(folder):
    """Run the night to its end; while the stage of the dead run is ending, it is refused."""
    for _ in range(60):
        run = start(folder)
        said = run.communicate(timeout=300)[1]
        if run.returncode != 6:
            break
        time.sleep(0.5)
    assert run.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def versions(pipeline, tmp_path_factory):
    """A folder after the first night and one with new data; what they hold, and how long that took."""
    old, new = (tmp_path_factory.mktemp("nights") / name for name in ("old", "new"))
    old.mkdir()
    for name in ("interactions.csv", "items.csv", "users.csv", "train.toml"):
        shutil.copy(pipeline.folder / name, old)
    (old / "night.toml").write_text(NIGHT)
    finish(old)
    shutil.copytree(old, new)
    with (new / "interactions.csv").open("a") as table:
        table.write("000,f36,4.0,1800000000\n001,f36,4.0,1800000000\n")
    shutil.copytree(new, new.with_name("to-kill"))
    started = time.monotonic()
    finish(new)
    return old, new, new.with_name("to-kill"), time.monotonic() - started


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + 12))
def test_a_killed_night_leaves_each_output_whole_and_the_next_makes_it_whole(
    versions, commands, content_of, tmp_path, seed
):
    old, new, to_kill, seconds = versions
    folder = tmp_path / "shop"
    shutil.copytree(to_kill, folder)
    run = start(folder)
    after = random.Random(seed).uniform(0, seconds)
    try:
        run.wait(after)
    except subprocess.TimeoutExpired:
        os.kill(run.pid, signal.SIGKILL)
    run.communicate()

    def content(shop, name):
        return content_of(commands["score"], shop / name)

    for name in OUTPUTS:
        assert content(folder, name) in (content(old, name), content(new, name)), (name, after)
    said = finish(folder)
    for name in OUTPUTS:
        assert content(folder, name) == content(new, name), (name, after, said)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in new.iterdir())
