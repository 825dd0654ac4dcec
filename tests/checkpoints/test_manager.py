"""Checkpoints: what is saved comes back, the newest two stay, a full disk is a sentence."""

import os
import subprocess

import numpy as np
import pytest

from recsys_cli.checkpoints.manager import open_checkpoints
from recsys_cli.errors import SystemRefusedError


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
def small_disk(tmp_path):
    """A file system of 300 KiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", tmp_path], capture_output=True, check=False
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
