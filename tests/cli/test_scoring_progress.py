"""Scoring tells how far it is: now and then on a log, in a bar on a terminal."""

import io
import sys

import pytest

from recsys_cli.cli import console, scoring_progress


@pytest.fixture
def seconds(monkeypatch):
    """A clock that the test sets."""
    clock = {"now": 0.0}
    monkeypatch.setattr(scoring_progress.time, "monotonic", lambda: clock["now"])
    return clock


def test_a_line_is_written_at_most_every_half_minute(seconds, capfd):
    console.configure_logging(quiet=False)
    with scoring_progress.scoring_progress(quiet=False) as on_progress:
        for done, seconds["now"] in ((10, 5.0), (20, 31.0), (30, 40.0), (1_000, 62.0)):
            on_progress(done, 2_000)
    lines = [line.split(" ", 1)[1] for line in capfd.readouterr().err.splitlines()]
    assert lines == ["20 of 2,000 users scored", "1,000 of 2,000 users scored"]


def test_nothing_is_said_when_quiet():
    with scoring_progress.scoring_progress(quiet=True) as on_progress:
        assert on_progress is None


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with scoring_progress.scoring_progress(quiet=False) as on_progress:
        on_progress(7, 9)
    assert "7/9" in terminal.getvalue()
