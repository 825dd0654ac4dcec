"""The pipeline of docs/cron.md, run by its crontab line under cron's conditions; then bad nights."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "cron.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
LINE = re.findall(r"```crontab\n(.*?)\n```", PAGE, re.DOTALL)[0]
STAGES = ["preprocess", "train", "score", "mail", "evaluate"]
SETTINGS = """
epochs = 5
learning_rate = 0.01
rows_per_batch = 4
candidates = 20
[model]
embedding_dim = 16
max_length = 16
cross_attention = false
dropout = 0.1
"""

pytestmark = pytest.mark.slow


def night(shop: Path, jax: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    """The page's crontab line (its five fields of time cut off), as cron runs it."""
    command = LINE.split(maxsplit=5)[5].replace("/opt/recsys/bin/recsys", str(recsys()))
    command = command.replace("/srv/shop", str(shop)).replace(" > ", " ".join(["", *more, "> "]))
    variables = [f"{name}={value}" for name, value in {**jax, "PATH": "/usr/bin:/bin"}.items()]
    return subprocess.run(
        ["env", "-i", *variables, "/bin/sh", "-c", command],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )


def recsys() -> Path:
    return Path(sys.executable).with_name("recsys")


def rows(shop: Path) -> list[dict[str, Any]]:
    files = sorted((shop / "night.run" / "log").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def good(shop: Path) -> dict[str, bytes]:
    """Every byte of what the pipeline made."""
    outputs = [shop / name for name in ("data", "model", "recommendations.parquet", "metrics.json")]
    files = [file for path in outputs for file in (path.iterdir() if path.is_dir() else [path])]
    return {str(file): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def jax(pipeline) -> dict[str, str]:
    return pipeline.environment | {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, pipeline, jax) -> Path:
    """A shop whose first night went well."""
    shop = tmp_path_factory.mktemp("shop")
    (shop / "input").mkdir()
    for name in ("interactions.csv", "items.csv", "users.csv"):
        shutil.copy(pipeline.folder / name, shop / "input" / name)
    (shop / "night.toml").write_text(TOML.replace("100_000", "500"))
    (shop / "train.toml").write_text(SETTINGS)
    first = night(shop, jax)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", ""), rows(shop)[-1]
    return shop


def test_the_first_night_makes_everything_and_says_nothing(shop):
    assert [row["stage"] for row in rows(shop)][:5] == STAGES
    assert {row["outcome"] for row in rows(shop)[:5]} == {"ran"}
    assert pq.read_table(shop / "recommendations.parquet").num_rows == 61 * 20
    (judgement,) = rows(shop)[1]["judgements"]
    assert (judgement["expectation"], judgement["met"]) == ("better_than_popular", True)
    assert len(list(shop.glob("mail-*.csv"))) == 1


def test_a_night_without_news_does_nothing(shop, jax):
    before = good(shop)
    again = night(shop, jax)
    assert (again.returncode, again.stderr) == (0, "")
    assert [row["outcome"] for row in rows(shop)[-5:]] == ["skipped"] * 5
    assert good(shop) == before


def test_a_bad_night_is_exit_8_and_leaves_the_good_one_byte_for_byte(shop, jax):
    before, table = good(shop), shop / "input" / "interactions.csv"
    text = table.read_text()
    header, *lines = text.splitlines(keepends=True)
    table.write_text(header + "".join(line for line in lines if line < "040"))  # a third of the users is gone
    for _ in range(2):  # nor does the next night pass it by
        bad = night(shop, jax)
        assert bad.returncode == 8
        assert "error: Stage preprocess: data stays as it was: " in bad.stderr
        assert "of the users before are gone, more than max_lost_users=0.1" in bad.stderr
        assert good(shop) == before
    table.write_text(text)
    assert night(shop, jax).returncode == 0
    assert good(shop) == before
    assert not (shop / "data.candidate").exists()


def test_a_run_that_is_killed_in_training_is_resumed_and_ends_as_if_it_had_not_been(shop, jax):
    (shop / "train.toml").write_text(SETTINGS.replace("epochs = 5", "epochs = 12"))
    run = subprocess.Popen(
        [recsys(), "run", shop / "night.toml", "--only", "train"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env={**os.environ, **jax},
    )
    assert run.stderr is not None
    with run.stderr as lines:
        for line in lines:
            if "epoch 2 of 12" in line:
                run.send_signal(signal.SIGKILL)
                break
        run.wait()
    ended = night(shop, jax, "--only", "train")
    assert ended.returncode == 0
    assert f"night.toml did not end (process {run.pid} on " in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert rows(shop)[-1]["outcome"] == "resumed"
    assert not list(shop.glob("*.partial"))
    said = (shop / "night.run" / "log" / f"{datetime.now(UTC):%F}.log").read_text()
    assert re.search(r"epochs \d+ to 12", said)
    assert "epochs 1 to 12" not in said.rpartition("resume: it was interrupted")[2]


def test_the_status_of_the_shop_says_that_scores_are_older_than_the_model(shop):
    shown = subprocess.run([recsys(), "status", shop], capture_output=True, text=True, check=True, cwd="/")
    states = {each["path"]: each["state"] for each in json.loads(shown.stdout)["artifacts"]}
    assert (states["data"], states["model"], states["recommendations.parquet"]) == (
        "current",
        "current",
        "stale",
    )
