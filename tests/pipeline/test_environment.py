"""What surrounds a command does not show in its output: clocks, zones, locales, homes, streams, names."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ALL = ">&- 2>&- <&-"
COMMANDS = ["preprocess", "train", "score", "evaluate"]
WITHOUT_PYTHON = ("PYTHONUTF8", "PYTHONIOENCODING", "LANG", "LC_ALL", "HOME", "XDG_CACHE_HOME", "TZ")


def process(arguments: list[str], folder: Path, **options) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "recsys_cli", *arguments],
        cwd=folder,
        check=False,
        timeout=300,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options),
    )


def odd_environment() -> dict[str, str]:
    """No home, ASCII everywhere, and a zone that is a day ahead of others."""
    kept = {name: value for name, value in os.environ.items() if name not in WITHOUT_PYTHON}
    return kept | {
        "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii",
        "TZ": "Pacific/Kiritimati", "COLUMNS": "80",
    }  # fmt: skip


def made(output: Path) -> bytes:
    """What must be the same: an artifact's manifest holds the SHA-256 of each of its files."""
    return (output / "manifest.json").read_bytes() if output.is_dir() else output.read_bytes()


def long_or(value: str, *, short: tuple[str, ...]):
    return pytest.param(value, marks=[] if value in short else pytest.mark.faults)


@pytest.mark.parametrize("command", [long_or(each, short=("preprocess", "score")) for each in COMMANDS])
def test_zone_locale_and_home_do_not_show(pipeline, again, tmp_path, command):
    expected = pipeline.folder / again.output(command)
    if command == "evaluate":  # the pipeline's is of the test part, which counts how often it is opened
        expected = tmp_path / "expected.json"
        assert again(command, expected).code == 0
    output = tmp_path / expected.name
    finished = process([*again.arguments(command, output), "--table"], pipeline.folder, env=odd_environment())
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.isascii()
    assert finished.stdout
    assert made(output) == made(expected)


def test_times_without_a_zone_are_utc_wherever_the_command_runs(tmp_path):
    rows = [f"u{n % 3},i{n % 4},2024-05-{1 + n:02}T00:30:00\n" for n in range(12)]
    (tmp_path / "iso.csv").write_text("user_id,item_id,timestamp\n" + "".join(rows))
    split = ["--split", "time", "--validation-from", "2024-05-08", "--test-from", "2024-05-10T00:30"]
    late = ["--as-of", "2024-05-11T00:30", "--max-rejects", "0.1"]
    fingerprints = set()
    for zone in ("UTC", "Pacific/Kiritimati"):
        words = ["preprocess", "iso.csv", "--output", zone.partition("/")[0], *split, *late]
        finished = process(words, tmp_path, env={**os.environ, "TZ": zone})
        result = json.loads(finished.stdout)
        assert result["rejected"] == {"the timestamp is after as-of": 1}
        fingerprints.add(result["fingerprint"])
    assert len(fingerprints) == 1


@pytest.mark.parametrize(
    "command", [long_or(each, short=("preprocess", "score", "evaluate")) for each in COMMANDS]
)
def test_a_clock_that_jumps_does_not_show(again, pipeline, tmp_path, monkeypatch, command):
    expected = pipeline.folder / again.output(command)
    if command == "evaluate":
        expected = tmp_path / "expected.json"
        assert again(command, expected).code == 0
    now, jumps = time.time, iter(range(1, 10**6))
    monkeypatch.setattr(time, "time", lambda: now() + (-1) ** next(jumps) * 400 * 86_400)
    output = tmp_path / f"again-{expected.name}"
    finished = again(command, output)
    assert finished.code == 0, finished.stderr
    assert made(output) == made(expected)


NAMES = {
    "all of these": """it's "2"\nlines [1]*?{x} %s $HOME {0} `a` naïve-日本-🎬""",
    "spaces": "a b  c",
    "quotes": """it's "so" `this`""",
    "glob characters": "[1]*?{x}",
    "percent and dollar": "%s $HOME {0}",
    "letters of many scripts": "naïve-Ünï-日本-🎬",
    "a newline": "two\nlines",
    "a backslash": "a\\n",
    "a dash in front": "-o",
}


NAMED = [long_or(name, short=("all of these",)) for name in NAMES]


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(
    "command", [long_or(each, short=("preprocess", "score", "evaluate")) for each in COMMANDS]
)
def test_paths_may_hold_anything(again, pipeline, tmp_path, command, name):
    folder = tmp_path / NAMES[name]
    folder.mkdir()
    expected = pipeline.folder / again.output(command)
    finished = again(command, folder / f"{NAMES[name]}{expected.suffix}")
    assert finished.code == 0, finished.stderr
    assert Path(json.loads(finished.stdout)["output"]).exists() if command != "evaluate" else finished.stdout
    assert [child.name for child in folder.iterdir()] == [f"{NAMES[name]}{expected.suffix}"]


@pytest.mark.parametrize("name", NAMED)
def test_inputs_may_be_called_anything(again, pipeline, tmp_path, name):
    for kind in ("interactions", "items"):
        shutil.copyfile(pipeline.folder / f"{kind}.csv", tmp_path / f"{NAMES[name]}-{kind}.csv")
    interactions, items = (tmp_path / f"{NAMES[name]}-{kind}.csv" for kind in ("interactions", "items"))
    finished = again.call("preprocess", interactions, "--items", items, "--output", tmp_path / "data")
    assert finished.code == 0, finished.stderr
    assert finished.json["rows"] == pipeline.preprocess.json["rows"]


def test_a_backslash_beside_a_wildcard_is_refused(again, tmp_path):
    (tmp_path / "a\\n[1].csv").write_text("user_id,item_id\nu,i\n")
    finished = again.call("preprocess", tmp_path / "a\\n[1].csv", "--output", tmp_path / "data")
    assert finished.code == 3, finished.stderr
    assert "backslash" in finished.stderr.splitlines()[-2]


def test_a_name_that_is_no_text_is_refused(again, pipeline, tmp_path):
    name = tmp_path / os.fsdecode(b"caf\xe9.csv")
    finished = again("preprocess", name)
    assert finished.code == 2, finished.stderr
    assert "caf\\xe9" in finished.stderr.splitlines()[-2]
    shutil.copyfile(pipeline.folder / "interactions.csv", name)
    finished = again.call("preprocess", tmp_path / "*.csv", "--output", tmp_path / "data")
    assert finished.code == 3, finished.stderr
    assert "caf\\xe9" in finished.stderr.splitlines()[-2]


@pytest.mark.parametrize("command", [long_or(each, short=("preprocess",)) for each in COMMANDS])
def test_a_reader_that_goes_away_does_not_cost_the_output(again, pipeline, tmp_path, command):
    output = tmp_path / again.output(command)
    reading, writing = os.pipe()
    os.close(reading)
    finished = process(again.arguments(command, output), pipeline.folder, stdout=writing)
    os.close(writing)
    assert finished.returncode == 141, finished.stderr
    assert b"error" not in finished.stderr
    assert output.exists()


@pytest.mark.parametrize("closing", [long_or(each, short=(ALL,)) for each in (">&-", "2>&-", "<&-", ALL)])
@pytest.mark.parametrize("command", [long_or(each, short=("preprocess",)) for each in COMMANDS])
def test_streams_that_are_closed_do_not_cost_the_output(again, pipeline, tmp_path, command, closing):
    output = tmp_path / again.output(command)
    words = ["sh", "-c", f'exec "$@" {closing}', "sh", sys.executable, "-m", "recsys_cli"]
    finished = subprocess.run(
        [*words, *again.arguments(command, output)], cwd=pipeline.folder, check=False, capture_output=True
    )
    assert finished.returncode == 0, finished.stderr
    assert made(output) == made(pipeline.folder / again.output(command)) or command == "evaluate"


@pytest.mark.parametrize(
    ("files", "suffix"),
    [
        (100, ".csv"),
        pytest.param(10_000, ".csv", marks=pytest.mark.faults),
        pytest.param(10_000, ".parquet", marks=pytest.mark.faults),
    ],
)
def test_thousands_of_files_within_few_descriptors(tmp_path, files, suffix):
    (tmp_path / "parts").mkdir()
    for number in range(files):
        rows = {
            "user_id": [f"u{number % 97}"],
            "item_id": [f"i{number % 89}"],
            "timestamp": [1_700_000_000 + number],
        }
        path = tmp_path / "parts" / f"{number:05}{suffix}"
        if suffix == ".csv":
            values = ",".join(str(column[0]) for column in rows.values())
            path.write_text(f"{','.join(rows)}\n{values}\n")
        else:
            pq.write_table(pa.table(rows), path)
    command = f'ulimit -n 64 && exec "{sys.executable}" -m recsys_cli preprocess "parts/*{suffix}" -o data'
    finished = subprocess.run(["sh", "-c", command], cwd=tmp_path, check=False, capture_output=True)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["rows"] == files
