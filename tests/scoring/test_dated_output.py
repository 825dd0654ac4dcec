"""`{date}` in an output's name, and which older outputs go."""

from datetime import date
from pathlib import Path

import pytest

from recsys_cli.artifacts.atomic import HeldFile, held_file
from recsys_cli.errors import UsageError
from recsys_cli.scoring.dated_output import check_keep, clear_other_days, dated_path, remove_older

TODAY = date(2026, 3, 9)


def test_the_date_is_filled_in():
    assert dated_path(Path("out/r-{date}.parquet"), TODAY) == Path("out/r-2026-03-09.parquet")
    assert dated_path(Path("out/r.parquet"), TODAY) == Path("out/r.parquet")


def test_a_date_in_the_name_of_a_folder_is_refused():
    with pytest.raises(UsageError, match="name of a folder"):
        dated_path(Path("out-{date}/r-{date}.parquet"), TODAY)


def test_keeping_some_needs_a_date():
    check_keep(Path("r-{date}.csv"), 3)
    check_keep(Path("r.csv"), None)
    with pytest.raises(UsageError, match="keep=3"):
        check_keep(Path("r.csv"), 3)


def test_only_older_outputs_of_the_very_same_pattern_are_removed(tmp_path):
    outputs = [f"r-2026-03-0{day}.csv" for day in (3, 5, 7, 9)]
    others = [
        "r-2026-02-30.csv", "r-2026-3-01.csv", "r-2026-03-01.csv.old", "xr-2026-03-01.csv", "r-20260301.csv",
        "r-2026-03-01.parquet", "r-2026-03-01Xcsv", "r-{date}.csv", "r-٢٠٢٦-03-01.csv",
    ]  # fmt: skip
    for name in outputs + others:
        (tmp_path / name).touch()
    (tmp_path / "r-2026-03-02.csv").mkdir()
    removed = remove_older(tmp_path / "r-{date}.csv", tmp_path / "r-2026-03-09.csv", keep=2)
    assert [path.name for path in removed] == ["r-2026-03-05.csv", "r-2026-03-03.csv"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*outputs[2:], *others, "r-2026-03-02.csv"}


def test_what_was_just_written_stays_even_where_newer_dates_are_there(tmp_path):
    for day in (1, 2, 8, 9):
        (tmp_path / f"{day}-2026-03-0{day}.csv").touch()
        (tmp_path / f"2026-03-0{day}.csv").touch()
    removed = remove_older(tmp_path / "{date}.csv", tmp_path / "2026-03-02.csv", keep=1)
    assert [path.name for path in removed] == ["2026-03-08.csv", "2026-03-01.csv"]


def test_a_date_that_is_there_twice_must_be_the_same(tmp_path):
    for name in ("2026-03-01/2026-03-01", "2026-03-01/2026-03-02"):
        (tmp_path / f"{name.replace('/', '_')}.csv").touch()
    removed = remove_older(tmp_path / "{date}_{date}.csv", tmp_path / "new.csv", keep=1)
    assert removed == []
    (tmp_path / "2026-03-05_2026-03-05.csv").touch()
    removed = remove_older(tmp_path / "{date}_{date}.csv", tmp_path / "new.csv", keep=1)
    assert [path.name for path in removed] == ["2026-03-01_2026-03-01.csv"]


def test_what_a_run_left_that_died_the_day_before_is_cleared_and_one_that_goes_on_is_not(tmp_path, caplog):
    pattern = tmp_path / "table-{date}.csv"
    dead, alive = (HeldFile(tmp_path / f"table-2026-01-0{day}.csv") for day in (1, 2))
    dead.scratch.write_text("half")
    dead.lock.write_text('{"pid": 1, "host": "elsewhere", "started": "2026-01-01T00:00:00Z"}')
    (tmp_path / ".table-today.csv.lock").write_text("somebody's")
    with held_file(alive.path, overwrite=True):
        alive.scratch.write_text("more than half")
        clear_other_days(pattern)
        clear_other_days(tmp_path / "table.csv")
        assert {path.name for path in tmp_path.iterdir()} == {
            alive.scratch.name,
            alive.lock.name,
            ".table-today.csv.lock",
        }
    assert [message for message in caplog.messages if "process 1 on elsewhere" in message]
