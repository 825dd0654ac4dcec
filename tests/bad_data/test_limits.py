"""Tables at the limits of what anybody has: they work within bounds, or one sentence says why not."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.config.settings import PreprocessSettings, TrainSettings
from recsys_cli.errors import DataError, SystemRefusedError, UsageError
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import open_dataset
from recsys_cli.stages.preprocess import preprocess
from recsys_cli.training import prepare

HEADER = "user_id,item_id,rating,timestamp\n"
MILLION = 1_000_000
DAY = 86_400
# Training on one user with a million events takes the most: 4,700 MB.
LONGEST_SECONDS, LARGEST_MEGABYTES = 240, 6_000
CONFIG = """
epochs = 1
rows_per_batch = 4
cross_attention_candidates = 16
candidates = 20
[model]
embedding_dim = 16
max_length = 16
head_dim = 8
"""


def rows(*, rating="4", time=lambda n: 1_700_000_000 + n, count=2000):
    return "".join(f"u{n % 50},i{n % 40},{rating},{time(n)}\n" for n in range(count))


def columns(names, values):
    return ",".join(names) + "\n" + "".join(",".join(row) + "\n" for row in values)


def wide_rows(count):
    return ([f"u{n % 5}", f"i{n}", *[str((n + m) % 3) for m in range(10_000)]] for n in range(count))


WIDE_NAMES = ["user_id", "item_id", *[f"c{m}" for m in range(10_000)]]
LONG_ID = "x" * MILLION
# name -> the interactions, and the items; each works.
SMALL = {
    "an id of 1 MB": (HEADER + rows() + f"u1,{LONG_ID},3,1700001000\n{LONG_ID},i1,3,1700001000\n", None),
    "10,000 columns": (columns(WIDE_NAMES, wide_rows(50)), None),
    "100,000 values in one cell": (
        HEADER + rows(),
        columns(
            ["item_id", "tags"],
            [["i0", "|".join(f"t{m}" for m in range(100_000))], *[[f"i{n}", "a|b"] for n in range(1, 40)]],
        ),
    ),
    "all events at one instant": (HEADER + rows(time=lambda n: 1_700_000_000), None),
    "times in 1900": (HEADER + rows(time=lambda n: -2_208_988_800 + n * DAY), None),
    "times in 2200": (HEADER + rows(time=lambda n: 7_258_118_400 + n * DAY), None),
    "dates in 1900 and 2200": (HEADER + rows(time=lambda n: ("1900-01-02", "2200-12-31")[n % 2]), None),
    "ratings as large as they may be": (HEADER + rows(rating="3.4e38"), None),
}


def write(folder, interactions, items=None):
    (folder / "events.csv").write_text(interactions)
    if items is not None:
        (folder / "items.csv").write_text(items)
    return folder / "events.csv", None if items is None else folder / "items.csv"


@pytest.mark.parametrize("case", SMALL)
def test_a_table_at_a_limit_is_a_dataset(tmp_path, case):
    interactions, items = write(tmp_path, *SMALL[case])
    result = preprocess([interactions], tmp_path / "data", items=items)
    assert result.used == result.rows == SMALL[case][0].count("\n") - 1
    dataset = open_dataset(tmp_path / "data")
    assert len(dataset.sequences.items) == result.rows
    if case == "an id of 1 MB":
        assert dataset.user_ids.to_pylist()[-1] == dataset.item_ids.to_pylist()[-1] == LONG_ID
    if case == "100,000 values in one cell":
        assert dataset.item_attributes.lengths().max() == 100_000
    if case == "times in 1900":
        assert dataset.sequences.timestamps.min() == -2_208_988_800
    if case == "times in 2200":
        assert dataset.sequences.timestamps.max() == 7_258_118_400 + 1999 * DAY


def test_ties_at_one_instant_keep_the_order_of_the_input(tmp_path):
    interactions, _ = write(tmp_path, HEADER + "".join(f"u,i{n % 7},1,1700000000\n" for n in range(50)))
    preprocess([interactions], tmp_path / "data")
    items = open_dataset(tmp_path / "data").sequences.items
    assert items.tolist() == [n % 7 + 1 for n in range(50)]


def test_a_rating_that_32_bits_do_not_hold_is_told_from_one_that_is_infinite(tmp_path):
    text = HEADER + rows() + "u1,i1,1e308,1700000000\nu1,i1,-1e308,1700000000\nu1,i1,inf,1700000000\n"
    interactions, _ = write(tmp_path, text)
    result = preprocess([interactions], tmp_path / "data")
    assert result.rejected == {"the rating is not finite": 1, "the rating is too large": 2}


def test_a_line_that_is_longer_than_any_id_is_rejected_alone(tmp_path):
    interactions, _ = write(tmp_path, HEADER + rows() + f"u1,{'x' * 17 * MILLION},3,1700001000\n")
    result = preprocess([interactions], tmp_path / "data")
    assert result.rejected == {"the line is too long": 1}


def test_keys_of_json_that_are_data_are_refused(tmp_path):
    lines = (
        json.dumps({"user": "u", "item": "i", **{f"k{n}_{m}": 1 for m in range(100)}}) for n in range(250)
    )
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match="more than 20,000 different keys"):
        preprocess([tmp_path / "x.jsonl"], tmp_path / "data")


def test_more_fields_than_the_memory_holds_are_a_sentence(tmp_path):
    items = columns(WIDE_NAMES[1:], ([each[1], *each[2:]] for each in wide_rows(2)))
    interactions, described = write(tmp_path, HEADER + rows(), items)
    with pytest.raises(SystemRefusedError, match="memory_limit=100MB is too little"):
        settings = PreprocessSettings(memory_limit="100MB")
        preprocess([interactions], tmp_path / "data", items=described, settings=settings)


@dataclass(frozen=True)
class Finished:
    code: int
    stderr: str
    seconds: float
    megabytes: float


def recsys(*arguments: Any, folder) -> Finished:
    """One command as a process of its own, with the processors' time and its largest memory."""
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "recsys_cli", *map(str, arguments)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    text = (folder / "stderr").read_text()
    seconds = usage.ru_utime + usage.ru_stime  # the machine may be busy with other things
    return Finished(process.returncode, text, seconds, usage.ru_maxrss / 1024)


def require_bounded(finished: Finished) -> None:
    assert "Traceback" not in finished.stderr, finished.stderr[-3000:]
    assert finished.code == 0, finished.stderr[-3000:]
    assert finished.seconds < LONGEST_SECONDS
    assert finished.megabytes < LARGEST_MEGABYTES


def go_through(folder, interactions, items=None) -> None:
    """preprocess, train, score: each works, in bounded time and memory."""
    described = [] if items is None else ["--items", items]
    require_bounded(recsys("preprocess", interactions, *described, "-o", "data", folder=folder))
    (folder / "train.toml").write_text(CONFIG)
    require_bounded(recsys("train", "data", "-o", "model", "--config", "train.toml", folder=folder))
    chosen = ["--top-k", 5, "--candidates", 20]
    require_bounded(
        recsys("score", "model", "--dataset", "data", "-o", "out.parquet", *chosen, folder=folder)
    )
    scores = pq.read_table(folder / "out.parquet", columns=["score"])["score"].to_numpy()
    assert len(scores)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(("longest", "slots"), [(10_001, 10**9), (6, 11)])
def test_lists_of_attributes_that_would_fill_the_memory_are_refused(
    make_dataset, monkeypatch, longest, slots
):
    dataset = open_dataset(make_dataset({"u": ["x", "y", "x"]}))
    vars(dataset)["item_attributes"] = Ragged(np.ones(longest, np.int32), np.array([0, 0, longest]))
    monkeypatch.setattr(prepare, "MOST_SLOTS", slots)
    with pytest.raises(UsageError, match=f"An item of .* has {longest:,} attributes"):
        prepare.make_run(dataset, TrainSettings(), earlier=None)


@pytest.mark.faults
@pytest.mark.parametrize("case", sorted(SMALL.keys() - {"100,000 values in one cell"}))
def test_a_table_at_a_limit_goes_through_the_commands(tmp_path, case):
    go_through(tmp_path, *write(tmp_path, *SMALL[case]))


@pytest.mark.faults
def test_10_000_fields_of_items_go_through_the_commands(tmp_path):
    items = columns(WIDE_NAMES[1:], ([each[1], *each[2:]] for each in wide_rows(40)))
    go_through(tmp_path, *write(tmp_path, HEADER + rows(), items))


def write_million(folder, users):
    numbers = np.arange(MILLION)
    table = {
        "user_id": numbers % users,
        "item_id": numbers * 7919 % 1000,
        "timestamp": numbers + 1_700_000_000,
    }
    pq.write_table(pa.table(table), folder / "events.parquet")
    return folder / "events.parquet"


@pytest.mark.faults
def test_a_million_events_of_one_user_go_through_the_commands(tmp_path):
    go_through(tmp_path, write_million(tmp_path, users=1))


@pytest.mark.faults
def test_a_million_users_with_one_event_each_are_a_dataset_with_nothing_to_learn_from(tmp_path):
    interactions = write_million(tmp_path, users=MILLION)
    require_bounded(recsys("preprocess", interactions, "-o", "data", folder=tmp_path))
    finished = recsys("train", "data", "-o", "model", folder=tmp_path)
    assert finished.code == 3
    assert "data has nothing to learn from: no user has two events to train on." in finished.stderr
