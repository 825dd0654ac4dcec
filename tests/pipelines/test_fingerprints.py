"""Inputs are known by what is in them, not by when they were written."""

import os

import pytest

from recsys_cli.artifacts.manifest import MANIFEST, open_artifact
from recsys_cli.errors import UsageError
from recsys_cli.pipelines.fingerprints import MISSING, fingerprint, fingerprints, marks


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("1")
    (tmp_path / "in" / "b.csv").write_text("2")
    return tmp_path


@pytest.mark.parametrize("given", ["in/a.csv", "in/*.csv", "in", "**/*.csv"])
def test_a_fingerprint_follows_the_content_and_not_the_clock(folder, given):
    before = fingerprint(folder, given)
    os.utime(folder / "in" / "a.csv", (1, 1))
    assert fingerprint(folder, given) == before
    (folder / "in" / "a.csv").write_text("3")
    assert fingerprint(folder, given) != before


@pytest.mark.parametrize("given", ["in/*.csv", "in"])
def test_a_file_that_comes_goes_or_is_called_otherwise_is_a_change(folder, given):
    seen = [fingerprint(folder, given)]
    (folder / "in" / "c.csv").write_text("3")
    seen.append(fingerprint(folder, given))
    (folder / "in" / "c.csv").rename(folder / "in" / "0.csv")
    seen.append(fingerprint(folder, given))
    (folder / "in" / "0.csv").unlink()
    assert len(set(seen)) == 3
    assert fingerprint(folder, given) == seen[0]


def test_an_artifact_is_known_by_its_manifest(folder, make_dataset):
    dataset = make_dataset({"ann": ["a"]})
    assert fingerprint(folder, "dataset") == open_artifact(dataset, "dataset").fingerprint
    before = fingerprint(folder, "*")
    (dataset / MANIFEST).write_text("{}")
    assert fingerprint(folder, "*") != before


def test_what_is_not_there_has_no_fingerprint(folder):
    assert fingerprints(folder, ["none.csv", "none/*.csv"]) == {"none.csv": MISSING, "none/*.csv": MISSING}


def test_marks_tell_that_a_file_was_written_meanwhile(folder):
    before = marks(folder, ["in/*.csv"])
    assert marks(folder, ["in/*.csv"]) == before
    (folder / "in" / "new").write_text("1")
    os.replace(folder / "in" / "new", folder / "in" / "a.csv")
    assert marks(folder, ["in/*.csv"]) != before


def test_a_pipe_is_refused_and_not_waited_for(folder):
    os.mkfifo(folder / "pipe.csv")
    with pytest.raises(UsageError, match="cannot be read twice"):
        fingerprint(folder, "pipe.csv")
