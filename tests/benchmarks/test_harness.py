"""The benchmark's arithmetic and its workers, without measuring anything."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import contender
import peers
import pytest
from bench import alternate
from contender import ContenderError
from processes import ProcessError, timed
from report import render
from results import Required, Result, Spread, ratios

BENCHMARKS = Path(peers.__file__).parent


@pytest.fixture
def make_contender(tmp_path, monkeypatch):
    monkeypatch.setattr(contender, "WORKERS", tmp_path)
    (tmp_path / "turnstile.py").write_text((BENCHMARKS / "workers" / "turnstile.py").read_text())

    def make(name, code, **given):
        (tmp_path / f"{name}.py").write_text(code)
        return contender.Contender(name, sys.executable, f"{name}.py", given, tmp_path)

    return make


ECHO = """
import turnstile
given = turnstile.arguments()
print("noise of a library")
turnstile.ready("numpy", size=given["size"])
while True:
    turnstile.report(seconds=turnstile.wait()["seconds"] * given["size"])
"""


def test_a_ratio_is_taken_within_a_round():
    assert Spread.of(ratios([10.0, 30.0, 8.0], [5.0, 10.0, 8.0])) == Spread(2.0, 1.0, 3.0, 3)


def test_what_must_be_reached_is_a_lower_or_an_upper_bound():
    assert Required("speed", 25.0, 25.0, "×").reached
    assert not Required("speed", 24.9, 25.0, "×").reached
    assert Required("memory", 1_200.0, 1_200.0, "MB", at_least=False).reached
    assert not Required("memory", 1_201.0, 1_200.0, "MB", at_least=False).reached


def test_contenders_take_turns_and_their_noise_is_not_an_answer(make_contender):
    with make_contender("one", ECHO, size=2) as one, make_contender("two", ECHO, size=5) as two:
        assert (one.about["size"], two.about["size"]) == (2, 5)
        answers = alternate([one, two], 2, seconds=3)
    assert [each["seconds"] for each in answers["one"]] == [6, 6]
    assert [each["seconds"] for each in answers["two"]] == [15, 15]


def test_a_worker_that_fails_says_why_in_its_last_line(make_contender):
    failing = make_contender("failing", "import sys; sys.exit('no such library')")
    with pytest.raises(ContenderError, match="failing: no such library"), failing:
        pass


def test_a_process_is_timed_with_its_own_peak_of_memory():
    run = timed([sys.executable, "-c", "print(len(b'x' * 300_000_000))"])
    assert run.stdout == "300000000\n"
    assert run.peak_mb > 280
    with pytest.raises(ProcessError, match="exit 3: gone"):
        timed([sys.executable, "-c", "import sys; print('gone', file=sys.stderr); sys.exit(3)"])


def test_a_peer_that_cannot_be_installed_keeps_what_pip_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(peers, "PINS", tmp_path / "peers.txt")
    peers.PINS.write_text("# a comment\nnowhere  no-such-library==1.0\n")
    found = peers.installed_peers(tmp_path / "peers")
    assert list(found) == ["nowhere"]
    assert found["nowhere"].error is not None
    assert "no-such-library==1.0" in found["nowhere"].error


def test_the_report_says_what_falls_short_and_keeps_every_figure():
    result = Result("train", floor="two products", notes=["Not measured. peer: no wheel"])
    result.add("recsys", "targets/s", [14_000.0, 15_000.0, 16_500.0])
    result.require("over a peer", 23.5, 25, "×")
    result.table = [["items", "users/s"], ["1,000", 12.345]]
    row = asdict(result) | {"failed": "", "seconds": 3.0, "commit": "abc", "date": "2026-11-24"}
    row["required"][0]["reached"] = result.required[0].reached
    machine = {
        "processor": "P",
        "cores": 2,
        "threads": 2,
        "flags": [],
        "memory_gb": 4,
        "system": "Linux",
        "python": "3.11",
    }
    page = render(json.loads(json.dumps({"machine": machine, "rows": {"train": row}})))
    assert "| train | over a peer | 23.50 × | ≥ 25.00 × | **falls short** |" in page
    assert "| recsys | 15,000 targets/s | 14,000 – 16,500 | 3 |" in page
    assert "| 1,000 | 12.35 |" in page or "| 1,000 | 12.34 |" in page
    assert "Not measured. peer: no wheel" in page
