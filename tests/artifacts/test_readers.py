"""An artifact that is read while it is replaced: the old one or the new one, never a mix."""

import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.artifacts.manifest import open_artifact, writing_artifact
from recsys_cli.errors import ArtifactError

REPLACED = "was replaced more than once while it was read"
FILES = ("a.parquet", "b.parquet", "c.parquet")


def write(path, number):
    with writing_artifact(path, "dataset", overwrite=True) as writer:
        for name in FILES:
            pq.write_table(pa.table({"number": [number] * 50}), writer.file(name))
        writer.commit(configuration={}, inputs={}, counts={"version": number}, details={}, run={})


def read(artifact):
    """What each file says of the version that it belongs to."""
    return {value for name in FILES for value in artifact.table(name)["number"].to_pylist()}


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "x", 0)
    return tmp_path / "x"


def test_what_was_opened_is_read_whole_after_the_next_commit(path):
    opened = open_artifact(path, "dataset")
    write(path, 1)
    assert read(opened) == {0}
    assert read(open_artifact(path, "dataset")) == {1}


def test_what_is_read_slower_than_two_commits_ends_with_what_happened(path):
    opened = open_artifact(path, "dataset")
    opened.table("a.parquet")
    write(path, 1)
    write(path, 2)
    with pytest.raises(ArtifactError, match=REPLACED) as refused:
        opened.table("b.parquet")
    assert refused.value.hint == "Run the command again."


def test_a_file_that_goes_after_it_was_checked_is_told_the_same_way(path):
    opened = open_artifact(path, "dataset")
    with pytest.raises(ArtifactError, match=REPLACED), opened.reading("a.parquet") as file:
        write(path, 1)
        write(path, 2)
        pq.read_table(file)


def test_a_file_that_is_missing_from_the_current_version_is_missing(path):
    opened = open_artifact(path, "dataset")
    opened.file("a.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"a-[0-9a-f]{16}\.parquet is missing"):
        opened.table("a.parquet")


def test_a_reader_beside_a_writer_that_never_rests_sees_one_version_or_ends_with_a_sentence(path):
    done = threading.Event()

    def keep_replacing():
        number = 1
        while not done.is_set():
            write(path, number)
            number += 1

    writer = threading.Thread(target=keep_replacing)
    writer.start()
    seen, ended = set(), 0
    try:
        while len(seen) < 20:
            opened = open_artifact(path, "dataset")
            try:
                versions = read(opened)
            except ArtifactError as error:
                assert REPLACED in error.message  # noqa: PT017
                ended += 1
            else:
                assert versions == {opened.manifest.counts["version"]}
                seen |= versions
    finally:
        done.set()
        writer.join()
    assert ended < 2000
