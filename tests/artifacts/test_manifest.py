"""Artifacts appear whole or not at all, and a damaged one is refused by name."""

import json
from pathlib import Path

import pytest

from recsys_cli.artifacts.atomic import atomic_file
from recsys_cli.artifacts.documents import with_digest
from recsys_cli.artifacts.lock import held_lock
from recsys_cli.artifacts.manifest import (
    MANIFEST,
    SCHEMA_VERSION,
    open_artifact,
    writing_artifact,
)
from recsys_cli.errors import ArtifactError, LockedError, SystemRefusedError, UsageError


def write(path, text, *, overwrite=False, kind="dataset"):
    with writing_artifact(path, kind, overwrite=overwrite) as writer:
        writer.file("a.txt").write_text(text)
        return writer.commit(configuration={}, inputs={}, counts={}, details={}, run={"seconds": 1})


def signed(manifest):
    """The manifest as somebody would write it who knows how."""
    return with_digest(json.loads(manifest))


def test_a_version_is_read_back_and_the_one_before_stays_until_the_next(tmp_path):
    first = write(tmp_path / "x", "one")
    write(tmp_path / "x", "two", overwrite=True)
    assert first.file("a.txt").read_text() == "one"
    assert open_artifact(tmp_path / "x", "dataset").file("a.txt").read_text() == "two"
    write(tmp_path / "x", "three", overwrite=True)
    with pytest.raises(ArtifactError, match="was replaced more than once while it was read"):
        first.file("a.txt")


def test_the_same_content_has_the_same_fingerprint_whatever_the_clock(tmp_path):
    assert write(tmp_path / "x", "one").fingerprint == write(tmp_path / "y", "one").fingerprint


def test_an_error_before_the_commit_leaves_the_old_version_and_no_scratch(tmp_path):
    write(tmp_path / "x", "one")
    before = sorted(child.name for child in (tmp_path / "x").iterdir())
    with pytest.raises(RuntimeError), writing_artifact(tmp_path / "x", "dataset", overwrite=True) as writer:
        writer.file("a.txt").write_text("half")
        writer.folder("work")
        raise RuntimeError
    assert sorted(child.name for child in (tmp_path / "x").iterdir()) == before


def test_a_new_directory_is_gone_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), writing_artifact(tmp_path / "x", "dataset", overwrite=False):
        raise RuntimeError
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_a_killed_first_run_leaves_is_no_artifact_and_no_hindrance(tmp_path, overwrite):
    left = tmp_path / "x"
    (left / ".partial-work").mkdir(parents=True)
    for name in (".partial-a.txt", "b-0123456789abcdef.parquet", "run.json"):
        (left / name).write_text("half")
    artifact = write(left, "whole", overwrite=overwrite)
    assert artifact.file("a.txt").read_text() == "whole"
    named = artifact.manifest.files["a.txt"].name
    assert {child.name for child in left.iterdir()} == {"manifest.json", "run.json", named}


def test_after_an_error_what_a_killed_first_run_left_is_gone_too(tmp_path):
    (tmp_path / "x" / ".partial-work").mkdir(parents=True)
    with pytest.raises(RuntimeError), writing_artifact(tmp_path / "x", "dataset", overwrite=False):
        raise RuntimeError
    assert not (tmp_path / "x").exists()


def test_files_of_somebody_else_inside_an_artifact_are_left_alone(tmp_path):
    write(tmp_path / "x", "one")
    for name in ("notes.txt", "test-uses.json"):
        (tmp_path / "x" / name).write_text("mine")
    for text in ("two", "three", "four"):
        write(tmp_path / "x", text, overwrite=True)
    assert (tmp_path / "x" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "x" / "test-uses.json").exists()
    assert len(list((tmp_path / "x").glob("a-*.txt"))) == 2


def test_what_exists_is_replaced_only_when_asked_and_only_if_it_is_alike(tmp_path):
    write(tmp_path / "x", "one")
    with pytest.raises(UsageError, match="exists already"):
        write(tmp_path / "x", "two")
    with pytest.raises(ArtifactError, match="is a dataset, not a model"):
        write(tmp_path / "x", "two", overwrite=True, kind="model")
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "photo.jpg").touch()
    with pytest.raises(ArtifactError, match="is not a dataset"):
        write(tmp_path / "holiday", "two", overwrite=True)
    assert (tmp_path / "holiday" / "photo.jpg").exists()


@pytest.mark.parametrize("damage", [b"", b"onE", b"one and more"])
def test_a_damaged_file_is_named(tmp_path, damage):
    artifact = write(tmp_path / "x", "one")
    next((tmp_path / "x").glob("a-*.txt")).write_bytes(damage)
    with pytest.raises(ArtifactError, match=r"a-[0-9a-f]{16}\.txt is damaged"):
        artifact.file("a.txt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m[:-9], "is damaged"),
        (lambda m: b"[]", "is damaged"),
        (lambda m: m.replace(b'"counts"', b'"count"'), "is damaged"),
        (lambda m: signed(m.replace(b'"a-', b'"../a-')), "outside the artifact"),
        (
            lambda m: json.dumps(json.loads(m) | {"schema_version": SCHEMA_VERSION + 1}).encode(),
            "schema version",
        ),
    ],
)
def test_a_damaged_hostile_or_newer_manifest_is_refused(tmp_path, change, said):
    write(tmp_path / "x", "one")
    manifest = tmp_path / "x" / MANIFEST
    manifest.write_bytes(change(manifest.read_bytes()))
    with pytest.raises(ArtifactError, match=said):
        open_artifact(tmp_path / "x", "dataset")


def test_two_writers_at_once_are_one_too_many(tmp_path):
    first = writing_artifact(tmp_path / "x", "dataset", overwrite=False)
    with first, pytest.raises(LockedError, match="Another run is writing"):
        write(tmp_path / "x", "two", overwrite=True)


def test_a_lock_ends_with_its_holder(tmp_path):
    for _ in range(2):
        with held_lock(tmp_path / "lock", output=tmp_path / "out") as left:
            assert left is None


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "table.txt"
    with atomic_file(path, overwrite=False) as scratch:
        scratch.write_text("whole")
        assert not path.exists()
    with pytest.raises(RuntimeError), atomic_file(path, overwrite=True) as scratch:
        scratch.write_text("half")
        raise RuntimeError
    assert path.read_text() == "whole"
    assert [child.name for child in path.parent.iterdir()] == ["table.txt"]


def test_a_place_that_is_no_directory_is_said_with_exit_code_seven(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemRefusedError, match="could not be written"):
        write(tmp_path / "file" / "x", "one")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where nothing can be made: /proc")
def test_a_path_that_cannot_be_made_is_said_with_exit_code_seven():
    with pytest.raises(SystemRefusedError, match="a part of its path is not there"):
        write(Path("/proc/nothing/x"), "one")
