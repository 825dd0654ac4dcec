"""What a timestamp column holds, and what its values become."""

import duckdb
import pytest

from recsys_cli.errors import DataError
from recsys_cli.tables.timestamps import KIND, read_timestamps


def read(values, unit="auto"):
    """The reading, and each value as microseconds or as what orders it."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute('CREATE TABLE events ("timestamp" VARCHAR)')
        connection.executemany("INSERT INTO events VALUES (?)", [[value] for value in values])
        kinds = connection.execute(
            f"SELECT {KIND} AS kind, count(*) FROM events GROUP BY kind HAVING kind IS NOT NULL"
        ).fetchall()
        reading = read_timestamps(unit, dict(kinds), source="x.csv", example=lambda: values[0])
        rows = connection.execute(f"SELECT {reading.sql} FROM events ORDER BY rowid").fetchall()
    return reading, [row[0] for row in rows]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("1600000000", "Unix seconds"),
        ("1600000000.0", "Unix seconds"),
        ("1.6e9", "Unix seconds"),
        ("1600000000000", "Unix milliseconds"),
        ("1600000000000000", "Unix microseconds"),
        ("1600000000000000000", "Unix nanoseconds"),
        ("2020-09-13T12:26:40Z", "ISO 8601, UTC where no zone is given"),
        ("2020-09-13T14:26:40+02:00", "ISO 8601, UTC where no zone is given"),
        ("2020-09-13 08:26:40-0400", "ISO 8601, UTC where no zone is given"),
        ("2020-09-13 12:26:40", "ISO 8601, UTC where no zone is given"),
        ("2020-09-13 14:26:40 Europe/Paris", "ISO 8601, UTC where no zone is given"),
    ],
)
def test_one_moment_is_the_same_however_it_is_written(value, words):
    reading, [moment] = read([value])
    assert (reading.kind, reading.words) == ("seconds", words)
    assert moment == 1_600_000_000_000_000


def test_a_day_without_a_time_begins_at_midnight_in_utc():
    assert read(["2020-09-13"])[1] == [1_599_955_200_000_000]


def test_parts_of_a_second_order_events():
    assert read(["2020-09-13T12:26:40.25Z", "2020-09-13T12:26:40.125Z"])[1] == [
        1_600_000_000_250_000,
        1_600_000_000_125_000,
    ]


@pytest.mark.parametrize(
    ("values", "moments"),
    [
        (["20200913", "20200914"], [1_599_955_200_000_000, 1_600_041_600_000_000]),
        (["20200913122640", " 20200913122641 "], [1_600_000_000_000_000, 1_600_000_001_000_000]),
        (["19000101", "21991231"] * 20 + ["20240230", "x"], [-2_208_988_800_000_000, 7_258_032_000_000_000]),
    ],
)
def test_numbers_that_are_dates_of_the_calendar_are_dates(values, moments):
    reading, found = read(values)
    assert (reading.kind, reading.words) == ("seconds", "dates such as 20240131, UTC")
    assert found[:2] == moments
    assert found[40:] == [None] * len(values[40:])


def test_positions_that_look_like_a_few_dates_are_an_order():
    assert read([str(n) for n in range(20_240_100, 20_240_140)])[0].kind == "order"
    assert read(["20240131"], unit="seconds")[1] == [20_240_131_000_000]


@pytest.mark.parametrize(
    "value", ["infinity", "-infinity", "99999-01-01T00:00:00Z", "2024-02-30", "290000-01-01"]
)
def test_times_that_nobody_meant_are_none(value):
    assert read(["2020-09-13T12:26:40Z", value])[1] == [1_600_000_000_000_000, None]


@pytest.mark.parametrize("values", [["0", "1", "2"], ["5", "3"], ["0.25", "0.125"], ["-1", "7"]])
def test_small_numbers_are_an_order(values):
    reading, order = read(values)
    assert reading.kind == "order"
    assert order == [float(value) for value in values]


def test_an_order_that_is_asked_for_tells_large_neighbours_apart():
    assert len(set(read(["1700000000000000000", "1700000000000000001"], unit="order")[1])) == 2


@pytest.mark.parametrize("value", ["NaN", "inf", "-Infinity", "1e300", "soon", "9" * 30, "2020-13-01", "now"])
@pytest.mark.parametrize("common", ["1600000000", "2020-09-13", "3"])
def test_what_is_no_time_is_null_and_not_a_crash(value, common):
    _, moments = read([common, common, common, value])
    assert moments[-1] is None
    assert None not in moments[:-1]


def test_a_column_without_times_is_said_with_how_one_is_written():
    with pytest.raises(DataError, match=r"timestamps of x.csv are neither .* 'aaaa'"):
        read(["soon", "soon", " "])


def test_a_column_of_blanks_is_left_to_the_checks_of_the_rows():
    assert read(["", " "])[0].kind == "seconds"
