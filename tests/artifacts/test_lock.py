"""One writer at a time, who it is, and what becomes of a lock whose holder has died."""

import json
import os
import re
import threading
import time

import pytest

from recsys_cli.artifacts import lock
from recsys_cli.artifacts.atomic import atomic_file, held_file
from recsys_cli.artifacts.lock import Holder, held_folder, held_lock
from recsys_cli.artifacts.manifest import writing_artifact
from recsys_cli.errors import LockedError, SystemRefusedError, UsageError

HERE = os.uname().nodename
NOBODY = 2**22 + 1  # more than any process id


def leave_note(path, pid, host=HERE):
    note = {"pid": pid, "host": host, "started": "2026-11-24T17:00:00Z"}
    path.write_text(json.dumps(note))
    return Holder(**note)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.txt"


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(lock, "_SECONDS_BETWEEN_LOOKS", 0.001)


def test_a_second_writer_is_told_who_the_first_is_and_since_when(path):
    with (
        held_file(path, overwrite=False),
        pytest.raises(LockedError) as refused,
        held_file(path, overwrite=False),
    ):
        pass
    who = rf"process {os.getpid()} on {re.escape(HERE)}, started \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(rf"Another run is writing {path} \({who}\)\.", refused.value.message)
    assert "--wait" in refused.value.hint


def test_a_lock_is_gone_when_it_is_let_go(path):
    for _ in range(2):
        with held_lock(path, output=path) as left:
            assert left is None
            assert path.exists()
        assert not path.exists()


@pytest.mark.parametrize("pid", [NOBODY, os.getpid()], ids=["died", "died, and its id is another's now"])
def test_the_lock_of_a_dead_process_is_taken_over(path, pid):
    left = leave_note(path, pid)
    with held_lock(path, output=path) as found:
        assert found == left
        assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("note", ["", "{", "[]", '{"pid": "x", "host": 1}', '{"pid": null}'])
def test_half_a_note_is_no_hindrance(path, note):
    path.write_text(note)
    with held_lock(path, output=path) as found:
        assert found is None


def test_a_holder_on_another_host_is_named_with_its_host(path):
    with held_lock(path, output=path):
        leave_note(path, NOBODY, host="elsewhere")
        with pytest.raises(LockedError, match=f"process {NOBODY} on elsewhere"), held_lock(path, output=path):
            pass


def test_a_note_that_its_dead_writer_left_is_not_taken_for_the_holder(path):
    with held_lock(path, output=path):
        leave_note(path, NOBODY)
        with pytest.raises(LockedError) as refused, held_lock(path, output=path):
            pass
    assert refused.value.message == f"Another run is writing {path}."


def test_a_writer_that_waits_gets_the_lock_when_it_is_let_go(path, caplog):
    caplog.set_level("INFO", "recsys")
    held = held_lock(path, output=path)
    held.__enter__()
    timer = threading.Timer(0.3, held.__exit__, (None, None, None))
    timer.start()
    with held_lock(path, output=path, wait=30):
        assert path.exists()
        with pytest.raises(LockedError), held_lock(path, output=path):
            pass
    timer.join()
    assert [record.message for record in caplog.records if "waiting for at most 30 s" in record.message]


def test_waiting_ends(path):
    with held_lock(path, output=path):
        started = time.monotonic()
        with pytest.raises(LockedError, match="is still writing"), held_lock(path, output=path, wait=0.3):
            pass
        assert 0.3 <= time.monotonic() - started < 5


def test_what_was_made_while_a_run_waited_is_not_replaced_unasked(path):
    first = atomic_file(path, overwrite=False)
    first.__enter__().write_text("first")
    timer = threading.Timer(0.3, first.__exit__, (None, None, None))
    timer.start()
    with pytest.raises(UsageError, match="exists already"), atomic_file(path, overwrite=False, wait=30):
        pytest.fail("it has the lock, but not the right to write")
    timer.join()
    assert path.read_text() == "first"


def test_an_artifact_that_was_made_while_a_run_waited_is_not_replaced_unasked(tmp_path):
    first = writing_artifact(tmp_path / "x", "dataset", overwrite=False)
    first.__enter__().commit(configuration={}, inputs={}, counts={}, details={}, run={})
    timer = threading.Timer(0.3, first.__exit__, (None, None, None))
    timer.start()
    (tmp_path / "x" / "manifest.json").rename(tmp_path / "hidden")  # as it is for one who came earlier
    second = writing_artifact(tmp_path / "x", "dataset", overwrite=False, wait=30)
    threading.Timer(0.1, (tmp_path / "hidden").rename, (tmp_path / "x" / "manifest.json",)).start()
    with pytest.raises(UsageError, match="exists already"), second:
        pytest.fail("it has the lock, but not the right to write")
    timer.join()


def assert_one_holder_at_a_time(hold):
    """Six threads take what `hold` gives 50 times each, and no two have it together."""
    inside, most, turns = [], [], []

    def work():
        for _ in range(50):
            with hold():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()
                turns.append(1)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(turns) == 300
    assert max(most) == 1


def test_there_is_one_holder_at_any_time_though_the_file_comes_and_goes(path, hasty):
    assert_one_holder_at_a_time(lambda: held_lock(path, output=path, wait=60))
    assert not path.exists()


def test_there_is_one_holder_of_a_folder_though_the_folder_comes_and_goes(tmp_path, hasty):
    folder = tmp_path / "new" / "x"
    assert_one_holder_at_a_time(lambda: held_folder(folder, output=tmp_path, keep=False, wait=60))
    assert not folder.exists()


def test_a_lock_that_somebody_has_put_in_its_place_is_left_to_them(path):
    with held_lock(path, output=path):
        path.unlink()
        path.write_text("another's")
    assert path.read_text() == "another's"


def test_a_lock_does_not_follow_a_link(path):
    target = path.with_name("precious")
    target.write_text("mine")
    path.with_name(f".{path.name}.lock").symlink_to(target)
    with (
        pytest.raises(SystemRefusedError, match="a symbolic link is in the way"),
        held_file(path, overwrite=False),
    ):
        pass
    assert target.read_text() == "mine"


def test_what_a_dead_run_left_beside_a_file_is_cleared_and_said(path, caplog):
    left = leave_note(path.with_name(".out.txt.lock"), NOBODY)
    path.with_name(".out.txt.partial").write_text("half")
    with held_file(path, overwrite=False) as file:
        assert not file.scratch.exists()
    assert list(path.parent.iterdir()) == []
    assert caplog.messages == [f"an earlier run on {path} did not end ({left}); what it left is cleared"]


def test_what_a_dead_run_left_in_an_artifact_is_cleared_and_said(tmp_path, caplog):
    (tmp_path / "x" / ".partial-work").mkdir(parents=True)
    leave_note(tmp_path / "x" / ".lock", NOBODY)
    with writing_artifact(tmp_path / "x", "dataset", overwrite=False) as writer:
        assert [child.name for child in (tmp_path / "x").iterdir()] == [".lock"]
        writer.commit(configuration={}, inputs={}, counts={}, details={}, run={})
    assert "did not end" in caplog.text
    assert {child.name for child in (tmp_path / "x").iterdir()} == {"manifest.json", "run.json"}
