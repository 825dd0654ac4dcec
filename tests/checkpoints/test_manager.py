"""Checkpoints: what is saved comes back, the newest two stay, damage and a full disk are sentences."""

import logging
import os
import subprocess
import time

import numpy as np
import pytest

from recsys_cli.artifacts.digest import DIGEST
from recsys_cli.checkpoints.manager import open_checkpoints
from recsys_cli.errors import ArtifactError, SystemRefusedError


def arrays(seed):
    rng = np.random.default_rng(seed)
    return {"a": rng.normal(size=(3, 5)).astype(np.float32), "b": {"c": np.array(seed, np.int32)}}


def test_arrays_and_document_come_back_as_they_were(tmp_path):
    with open_checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.latest() is None
        checkpoints.save(1, arrays(1), {"history": [0.5]})
    with open_checkpoints(tmp_path / "c") as checkpoints:
        restored, document = checkpoints.restore(1, like=arrays(0))
    np.testing.assert_array_equal(restored["a"], arrays(1)["a"])
    assert int(restored["b"]["c"]) == 1
    assert document == {"history": [0.5]}


def test_the_newest_two_stay(tmp_path):
    with open_checkpoints(tmp_path / "c") as checkpoints:
        for number in (1, 2, 3):
            checkpoints.save(number, arrays(number), {})
        assert checkpoints.latest() == 3
    assert sorted(child.name for child in (tmp_path / "c").iterdir() if child.name.isdigit()) == ["2", "3"]


@pytest.fixture
def saved(tmp_path):
    """A folder with checkpoints 1 and 2."""
    with open_checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, arrays(1), {"number": 1})
        checkpoints.save(2, arrays(2), {"number": 2})
    return tmp_path / "c"


def files_of(checkpoint):
    return sorted(path for path in checkpoint.rglob("*") if path.is_file())


def test_whatever_file_of_the_last_is_damaged_the_one_before_it_is_restored_and_that_is_said(saved, caplog):
    rng = np.random.default_rng(3)
    for path in files_of(saved / "2"):
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[rng.integers(len(flipped))] ^= 1 << int(rng.integers(8))
        for damaged in [whole[: len(whole) // 2], b"", bytes(flipped)]:
            caplog.clear()
            path.write_bytes(damaged)
            with caplog.at_level(logging.WARNING), open_checkpoints(saved) as checkpoints:
                assert checkpoints.latest() == 1, path
                restored, document = checkpoints.restore(1, like=arrays(0))
            np.testing.assert_array_equal(restored["a"], arrays(1)["a"])
            assert document == {"number": 1}
            assert str(saved / "2") in caplog.text
        path.write_bytes(whole)
    with open_checkpoints(saved) as checkpoints:
        assert checkpoints.latest() == 2


def test_a_damaged_checkpoint_is_replaced_by_the_next_of_its_number(saved):
    files_of(saved / "2")[0].write_bytes(b"")
    with open_checkpoints(saved) as checkpoints:
        assert checkpoints.latest() == 1
        checkpoints.save(2, arrays(5), {})
        assert checkpoints.latest() == 2
        assert int(checkpoints.restore(2, like=arrays(0))[0]["b"]["c"]) == 5


@pytest.mark.parametrize("remove", [DIGEST, "document/metadata"])
def test_what_was_not_finished_or_lost_a_file_does_not_count(saved, remove):
    (saved / "2" / remove).unlink()
    with open_checkpoints(saved) as checkpoints:
        assert checkpoints.latest() == 1
    assert (saved / "2").exists() == (remove != DIGEST)


def test_a_file_that_is_a_link_or_does_not_belong_is_damage(saved):
    (saved / "2" / "more").symlink_to(saved / "1" / DIGEST)
    with open_checkpoints(saved) as checkpoints:
        assert checkpoints.latest() == 1


def test_when_every_checkpoint_is_damaged_a_file_of_the_newest_is_named(saved):
    for number in ("1", "2"):
        (saved / number / "document" / "metadata").write_bytes(b"{")
    with (
        open_checkpoints(saved) as checkpoints,
        pytest.raises(ArtifactError, match="/2/document/metadata is dam"),
    ):
        checkpoints.latest()


def test_a_clock_that_jumps_does_not_end_a_save(tmp_path, monkeypatch):
    now, jumps = time.time, iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: now() + (-1) ** next(jumps) * 400 * 86_400)
    with open_checkpoints(tmp_path / "c") as checkpoints:
        for number in (1, 2):
            checkpoints.save(number, arrays(number), {})
        assert checkpoints.latest() == 2


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 600 KiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", tmp_path], capture_output=True, check=False
    ) if os.geteuid() == 0 else None  # fmt: skip
    if mounted is None or mounted.returncode:
        pytest.skip("a file system of its own can be mounted by root only")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk_is_exit_code_seven_and_the_checkpoint_before_stays(small_disk):
    with open_checkpoints(small_disk / "c") as checkpoints:
        checkpoints.save(1, arrays(1), {})
    with open_checkpoints(small_disk / "c") as checkpoints:
        noise = np.random.default_rng(0).normal(size=500_000)
        with pytest.raises(SystemRefusedError, match="the disk is full"):
            checkpoints.save(2, {"noise": noise}, {})
    with open_checkpoints(small_disk / "c") as checkpoints:
        assert checkpoints.latest() == 1
