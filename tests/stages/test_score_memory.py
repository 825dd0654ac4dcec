"""Peak memory of the score stage does not grow with the number of users."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.artifacts.manifest import writing_artifact
from recsys_cli.schemas import SEQUENCES, items_schema, users_schema

ITEMS, EVENTS = 997, 5
USERS = 8_000

# A ranker that gives everybody the same items, and the stage in a process of its own.
SCORE = """
import resource, sys
from pathlib import Path
import numpy as np
import recsys_cli.stages.score as stage
from recsys_cli.config.settings import ScoreSettings
from recsys_cli.scoring.ranker import Ranked

class Same:
    unknown_items = 0
    def knows(self, users, *, before):
        return users % 10 > 0  # the others get popular items
    def rank(self, users, *, before, top_k, exclude, allowed=None):
        items = np.tile(np.arange(1, top_k + 1, dtype=np.int32), (len(users), 1))
        scores = np.tile(np.arange(top_k, 0, -1, dtype=np.float32), (len(users), 1))
        return Ranked(items, scores, scores / 100)

stage.load_ranker = lambda *args, **options: Same()
model, dataset, output = map(Path, sys.argv[1:])
result = stage.score(model, dataset, output, settings=ScoreSettings())
print(result.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_users(path: Path, count: int) -> Path:
    """A dataset of `count` users with the same number of random events each."""
    rng = np.random.default_rng(count)
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * EVENTS)
    seen = pa.nulls(count, pa.int64())
    numbers = np.arange(1, count + 1, dtype=np.int32)
    lists = {
        "items": rng.integers(1, ITEMS + 1, count * EVENTS, np.int32),
        "timestamps": rng.integers(0, 10**9, count * EVENTS),
        "positive": np.ones(count * EVENTS, bool),
    }
    columns = {name: pa.ListArray.from_arrays(offsets, pa.array(values)) for name, values in lists.items()}
    starts = np.full(count, EVENTS, np.int32)
    tables = {
        "items.parquet": pa.table(
            [np.arange(1, ITEMS + 1, dtype=np.int32), np.arange(ITEMS), np.full(ITEMS, 9)]
            + [pa.nulls(ITEMS, pa.int64())] * 2,
            schema=items_schema(pa.int64(), []),
        ),
        "users.parquet": pa.table(
            [numbers, numbers.astype(np.int64), np.full(count, EVENTS), seen, seen],
            schema=users_schema(pa.int64(), []),
        ),
        "sequences.parquet": pa.Table.from_pydict(
            {
                "number": numbers,
                **columns,
                "ratings": pa.nulls(count, pa.list_(pa.float32())),
                "validation_start": starts,
                "test_start": starts,
            },
            schema=SEQUENCES,
        ),
    }
    with writing_artifact(path, "dataset", overwrite=False) as writer:
        for name, table in tables.items():
            pq.write_table(table, writer.file(name))
        details = {
            "split": {"kind": "leave-one-out"},
            "timestamps": "seconds",
            "title_field": None,
            "fields": [],
        }
        counts = {"users": count, "items": ITEMS, "events": count * EVENTS, "attributes": 0}
        writer.commit(configuration={}, inputs={}, counts=counts, details=details, run={})
    return path


def peak(model: Path, dataset: Path, users: int) -> int:
    """Kilobytes (bytes on macOS) that a process scoring this dataset held at its peak."""
    finished = subprocess.run(
        [sys.executable, "-c", SCORE, model, dataset, dataset.with_suffix(".parquet")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    rows, size = map(int, finished.stdout.split())
    assert rows == users * 20
    return size


@pytest.mark.slow
def test_ten_times_the_users_take_at_most_a_tenth_more(tmp_path, model):
    few = write_users(tmp_path / "few", USERS)
    many = write_users(tmp_path / "many", 10 * USERS)
    sizes = peak(model, few, USERS), peak(model, many, 10 * USERS)
    assert sizes[1] <= 1.1 * sizes[0], sizes
