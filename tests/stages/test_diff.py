"""Two tables of recommendations beside each other: by hand, against plain sets, and as a gate."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.errors import ArtifactError
from recsys_cli.stages.diff import diff

OLD = {"a": ["x", "y", "z"], "b": ["x", "y"], "c": ["z"]}
NEW = {"a": ["y", "x", "w"], "b": ["v", "w"], "d": ["x"]}


def write(path: Path, lists: dict, *, layout: str = "rows", kind: pa.DataType | None = None) -> Path:
    users = sorted(lists)
    if layout == "lists":
        table = pa.table({
            "user_id": pa.array(users, kind),
            "item_id": pa.array([lists[user] for user in users], pa.list_(pa.string())),
            "rank": pa.array([range(1, len(lists[user]) + 1) for user in users], pa.list_(pa.int32())),
        })  # fmt: skip
    else:
        rows = [(user, item, rank) for user in users for rank, item in enumerate(lists[user], 1)]
        columns = list(zip(*rows, strict=True)) or [(), (), ()]
        table = pa.table({
            "user_id": pa.array(columns[0], kind or pa.string()),
            "item_id": pa.array(columns[1], pa.string()),
            "rank": pa.array(columns[2], pa.int32()),
        })  # fmt: skip
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize("layouts", [("rows", "rows"), ("rows", "lists"), ("lists", "lists")])
def test_overlap_coverage_lost_and_new_users_are_those_worked_by_hand(tmp_path, layouts):
    old = write(tmp_path / "old.parquet", OLD, layout=layouts[0])
    new = write(tmp_path / "new.parquet", NEW, layout=layouts[1])
    result = diff(old, new)
    assert result.top_k == 3
    assert result.overlap == {"overlap@3": pytest.approx((2 / 3 + 0 / 2) / 2)}
    assert (result.users_old, result.users_new, result.users_in_both) == (3, 3, 2)
    assert (result.lost_users, result.added_users) == (1, 1)
    assert result.lost_share == pytest.approx(1 / 3)
    assert (result.items_old, result.items_new, result.items_in_both) == (3, 4, 2)
    assert diff(old, new, top_k=1).overlap == {"overlap@1": 0.0}
    assert diff(old, new, top_k=2).overlap == {"overlap@2": 0.5}


def test_a_table_beside_itself_differs_in_nothing(tmp_path):
    old = write(tmp_path / "old.parquet", OLD)
    result = diff(old, old, min_overlap=1.0, max_lost_share=0.0)
    assert (result.overlap, result.lost_users, result.unmet) == ({"overlap@3": 1.0}, 0, [])


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_plain_sets_at_every_k(tmp_path, seed):
    draw = np.random.default_rng(seed)

    def lists() -> dict:
        users = draw.permutation(40)[:30]
        return {f"u{u:02}": [f"i{i}" for i in draw.permutation(50)[: draw.integers(1, 30)]] for u in users}

    old, new = lists(), lists()
    result = diff(write(tmp_path / "o.parquet", old), write(tmp_path / "n.parquet", new, layout="lists"))
    assert [int(name.partition("@")[2]) for name in result.overlap] == [5, 10, 20, result.top_k]
    for name, share in result.overlap.items():
        k = int(name.partition("@")[2])
        wanted = [
            len(set(old[user][:k]) & set(new[user][:k])) / max(len(old[user][:k]), len(new[user][:k]))
            for user in old.keys() & new.keys()
        ]
        assert share == pytest.approx(np.mean(wanted))


def test_a_user_with_an_empty_list_has_lost_it(tmp_path):
    old = write(tmp_path / "old.parquet", {"a": ["x"], "b": ["x"]}, layout="lists")
    new = write(tmp_path / "new.parquet", {"a": ["x"], "b": []}, layout="lists")
    assert diff(old, new).lost_users == 1


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"min_overlap": 0.34}, ["overlap@3 is 0.3333, less than 0.34."]),
        ({"min_overlap": 0.33}, []),
        ({"max_lost_share": 0.3}, ["1 of 3 users lost their list (0.3333), more than 0.3."]),
        ({"max_lost_share": 0.34}, []),
    ],
)
def test_limits_that_do_not_hold_are_said(tmp_path, limits, said):
    old, new = write(tmp_path / "old.parquet", OLD), write(tmp_path / "new.parquet", NEW)
    assert diff(old, new, **limits).unmet == said


def test_without_a_user_in_both_there_is_no_overlap_to_be_met(tmp_path):
    old, new = write(tmp_path / "old.parquet", {"a": ["x"]}), write(tmp_path / "new.parquet", {"b": ["x"]})
    result = diff(old, new, min_overlap=0.0)
    assert result.overlap == {}
    assert result.unmet == ["No user is in both tables, so that there is no overlap."]
    empty = write(tmp_path / "empty.parquet", {})
    assert diff(empty, old).lost_share == 0.0
    assert diff(old, empty).lost_share == 1.0


def test_ids_keep_their_type_and_different_types_are_refused(tmp_path):
    text = write(tmp_path / "text.parquet", {"1": ["x"]})
    whole = write(tmp_path / "whole.parquet", {1: ["x"]}, kind=pa.int64())
    assert diff(whole, whole).users_in_both == 1
    with pytest.raises(ArtifactError, match=r"text\.parquet has user ids of type string, .* has int64"):
        diff(text, whole)


def test_what_is_no_table_or_has_an_item_twice_is_refused(tmp_path):
    old = write(tmp_path / "old.parquet", OLD)
    twice = write(tmp_path / "twice.parquet", {"a": ["x", "x"]})
    with pytest.raises(ArtifactError, match=r"twice\.parquet: 1 users have an item twice"):
        diff(old, twice)
    (tmp_path / "text.parquet").write_text("user_id")
    for name in ("text.parquet", "missing.parquet"):
        with pytest.raises(ArtifactError, match=name):
            diff(old, tmp_path / name)


def test_names_of_files_are_no_patterns(tmp_path):
    odd = write(tmp_path / "o[l]d '*.parquet", OLD)
    assert diff(odd, odd).users_in_both == 3
