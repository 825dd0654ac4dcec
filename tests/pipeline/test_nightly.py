"""examples/nightly.sh, as cron runs it: no home, no terminal, hardly any environment."""

import fcntl
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "nightly.sh"
NEVER = "0"  # no day of the week

pytestmark = [
    pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock"),
    pytest.mark.slow,
]


def night(home: Path, *, jax: dict[str, str], **environment: str) -> subprocess.CompletedProcess[str]:
    """One night, as cron would have it."""
    return subprocess.run(
        [SCRIPT],
        env={
            "PATH": "/usr/bin:/bin",
            "SHELL": "/bin/sh",
            "RECSYS_HOME": str(home),
            "RECSYS_BIN": str(Path(sys.executable).parent),
            "TRAIN_DAY": NEVER,
            **jax,
            **environment,
        },
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, pipeline) -> Path:
    """A folder that a first night was run in: it had no model yet."""
    home = tmp_path_factory.mktemp("nightly")
    (home / "input").mkdir()
    for name in ("interactions.csv", "items.csv", "users.csv"):
        shutil.copy(pipeline.folder / name, home / "input" / name)
    shutil.copy(pipeline.folder / "train.toml", home)
    (home / "score.toml").write_text("top_k = 5\ncandidates = 20\n")
    first = night(home, jax=pipeline.environment)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", ""), logs(home)
    return home


def logs(home: Path) -> str:
    return "".join(path.read_text() for path in (home / "logs").glob("*.log"))


def published_users(home: Path) -> int:
    return len(set(pq.read_table(home / "published.parquet")["user_id"].to_pylist()))


def test_the_first_night_trains_checks_refits_and_publishes(home):
    assert published_users(home) == 61
    assert (home / "models" / "current" / "manifest.json").exists()
    assert json.loads((home / "published.json").read_text())["users"] == 61
    assert "training" in logs(home)


def test_the_next_night_scores_with_the_same_model_and_publishes_new_users(home, pipeline):
    model = (home / "models" / "current" / "manifest.json").read_bytes()
    with (home / "input" / "interactions.csv").open("a") as stream:
        stream.write("new,f01,4.0,1730000000\nnew,f02,4.0,1730000001\n")
    second = night(home, jax=pipeline.environment)
    assert (second.returncode, second.stderr) == (0, ""), logs(home)
    assert published_users(home) == 62
    assert (home / "models" / "current" / "manifest.json").read_bytes() == model


def test_a_bad_night_leaves_last_nights_table_published(home, pipeline):
    before = (home / "published.parquet").read_bytes()
    good = (home / "input" / "interactions.csv").read_bytes()
    (home / "input" / "interactions.csv").write_text("user_id,item_id,rating,timestamp\n")
    bad = night(home, jax=pipeline.environment)
    (home / "input" / "interactions.csv").write_bytes(good)
    assert bad.returncode == 3
    assert bad.stderr == f"nightly.sh: exit 3; see {home}/logs/{datetime.now(UTC):%F}.log\n"
    assert (home / "published.parquet").read_bytes() == before


def test_a_table_with_far_fewer_users_is_not_published(home, pipeline):
    before = (home / "published.parquet").read_bytes()
    good = (home / "input" / "interactions.csv").read_text()
    (home / "input" / "interactions.csv").write_text("".join(good.splitlines(keepends=True)[:200]))
    (home / "input" / "users.csv").rename(home / "users.csv")
    refused = night(home, jax=pipeline.environment, LEAST_SHARE="1")
    (home / "users.csv").rename(home / "input" / "users.csv")
    (home / "input" / "interactions.csv").write_text(good)
    assert refused.returncode == 8, logs(home)
    assert "not published" in logs(home)
    assert (home / "published.parquet").read_bytes() == before


def test_two_nights_never_overlap(home, pipeline):
    with (home / "nightly.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = night(home, jax=pipeline.environment)
    assert second.returncode == 6
    assert "still goes on" in second.stderr


def test_the_script_says_what_it_needs():
    finished = subprocess.run([SCRIPT], env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=False)
    assert finished.returncode != 0
    assert b"RECSYS_HOME" in finished.stderr
