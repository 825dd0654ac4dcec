"""Reading tables: `recsys preprocess` beside pandas and DuckDB's sort, and with ten times the rows."""

import sys
import time
from pathlib import Path

from bench import PAUSE, RECSYS, Bench
from contender import WORKERS
from processes import Timed, timed
from results import Result, ratios

MADE_EVENTS = WORKERS.with_name("made_events.py")
USERS, ITEMS = 200_000, 50_000
MANY_ROWS = (10_000_000, 100_000_000)


def ten_million(bench: Bench) -> Result:
    """The whole command with validation; pandas and DuckDB do the least that can be called the same."""
    rows = 2_000_000 if bench.quick else 10_000_000
    result = Result(f"recsys preprocess, {rows:,} rows of CSV, whole process")
    events = _made(bench, rows)
    commands = {
        "recsys preprocess": _preprocess(bench, events),
        "pandas": [sys.executable, WORKERS / "pandas_preprocess.py", events, bench.work / "pandas.parquet"],
        "DuckDB's read and sort": [sys.executable, WORKERS / "duckdb_sort.py", events, "2"],
    }
    runs = _in_turn(commands, rounds=2 if bench.quick else 3)
    size = events.stat().st_size
    events.unlink()
    for name, each in runs.items():
        result.add(name, "rows/s", [rows / run.seconds for run in each])
        result.add(f"{name}, peak memory", "MB", [run.peak_mb for run in each])
    for name in ("pandas", "DuckDB's read and sort"):
        seconds = {each: [run.seconds for run in runs[each]] for each in ("recsys preprocess", name)}
        result.add(f"recsys : {name}", "×", ratios(seconds[name], seconds["recsys preprocess"]))
    found = {figure.what: figure.spread.median for figure in result.figures}
    result.require("rows a second", found["recsys preprocess"], 1_500_000, "")
    result.require("peak memory", found["recsys preprocess, peak memory"], 1_200, "MB", at_least=False)
    copied = bench.floor.round(copy=True)["gbytes"] * 1e9
    share = size / copied / (rows / found["recsys preprocess"])
    result.floor = (
        f"DuckDB's read and sort is what can be had without validation, numbers and sequences; to move the "
        f"{size / 1e6:.0f} MB once would take {size / copied:.2f} s, {100 * share:.1f} % of the command"
    )
    return result


def hundred_million(bench: Bench) -> Result:
    """One run, after ten million rows in the same way: the same speed, and memory that stays."""
    result = Result("recsys preprocess, 100,000,000 rows of CSV, whole process")
    ten, hundred = (_once(bench, result, rows) for rows in MANY_ROWS)
    result.floor = "ten million rows by the same command: what does not grow with rows costs them more"
    result.require(
        "speed over that of ten million",
        MANY_ROWS[1] / MANY_ROWS[0] * ten.seconds / hundred.seconds,
        0.7,
        "×",
    )
    result.require("peak memory", hundred.peak_mb, 3_000, "MB", at_least=False)
    return result


def _once(bench: Bench, result: Result, rows: int) -> Timed:
    events = _made(bench, rows)
    run = timed(_preprocess(bench, events))
    events.unlink()
    result.add(f"{rows:,} rows", "rows/s", [rows / run.seconds])
    result.add(f"{rows:,} rows, peak memory", "MB", [run.peak_mb])
    return run


def _made(bench: Bench, rows: int) -> Path:
    events = bench.work / f"events-{rows}.csv"
    words = ["--rows", str(rows), "--users", str(USERS), "--items", str(ITEMS), "--output", events]
    timed([sys.executable, MADE_EVENTS, *words])
    return events


def _preprocess(bench: Bench, events: Path) -> list[str | Path]:
    return [*RECSYS, "preprocess", events, "--output", bench.work / "made", "--overwrite", "--quiet"]


def _in_turn(commands: dict[str, list[str | Path]], *, rounds: int) -> dict[str, list[Timed]]:
    runs: dict[str, list[Timed]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            time.sleep(PAUSE)
            runs[name].append(timed(command))
    return runs
