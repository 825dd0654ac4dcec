"""Tables made of any texts and values: all rows are accounted for, and ids come back as they came."""

import csv
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.errors import DataError
from recsys_cli.tables.intake import Intake
from recsys_cli.tables.reader import connect

SETTINGS = PreprocessSettings(max_rejects=1)
CHECKED = settings(
    max_examples=40, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# No surrogates, which no file of text holds.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", " ", "a", "NULL", '"', "\n", "\r"]
)
NUMBERS = st.floats().map(repr) | st.integers().map(str) | TEXTS
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS
JSON_VALUES = SCALARS | st.recursive(
    SCALARS | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
).filter(lambda value: not isinstance(value, float))  # whose texts are not Python's


@pytest.fixture
def read(tmp_path):
    """The events of a file as (user, item) texts, and how many rows were rejected and read."""
    (tmp_path / "scratch").mkdir()
    with connect(tmp_path / "scratch", memory_limit="300MB", threads=1) as connection:

        def run(path):
            intake = Intake(connection, SETTINGS, tmp_path / "scratch", tmp_path / "rejects.csv")
            try:
                events = intake.interactions([path])
                pairs = connection.execute(
                    'SELECT u.id, i.id FROM events e JOIN user_ids u ON u.code = e."user" '
                    "JOIN item_ids i ON i.code = e.item ORDER BY e.rowid"
                ).fetchall()
            finally:
                for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                    connection.execute(f'DROP TABLE "{table}"')
            return pairs, len(intake.rejects.frame()), events.rows

        yield run


@given(st.lists(st.tuples(TEXTS, TEXTS, NUMBERS), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]))
@CHECKED
def test_any_cells_in_quotes_are_events_or_rejects(tmp_path, read, cells, end):
    with (tmp_path / "x.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = [("user", "item", "rating"), *cells]
        csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(rows)
    pairs, rejected, rows = read(tmp_path / "x.csv")
    assert rows == len(cells) == len(pairs) + rejected
    remaining = iter([(user, item) for user, item, _ in cells])
    assert all(pair in remaining for pair in pairs)  # in their order


def single(value):
    """The text of one JSON value that may be an id; None for others."""
    if isinstance(value, dict | list | None):
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.strip(" ") else None


@given(st.lists(st.dictionaries(st.sampled_from(["user", "item", "other"]), JSON_VALUES), max_size=8))
@CHECKED
def test_any_json_values_are_events_or_rejects(tmp_path, read, objects):
    lines = [{"user": "u", "item": "i"}, *objects]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    pairs, rejected, rows = read(tmp_path / "x.jsonl")
    ids = [(single(each.get("user")), single(each.get("item"))) for each in lines]
    assert pairs == [pair for pair in ids if None not in pair]
    assert rows == len(lines) == len(pairs) + rejected


@given(st.binary(max_size=300))
@settings(parent=CHECKED, max_examples=80)
def test_any_bytes_are_events_or_rejects_or_a_sentence(tmp_path, read, content):
    (tmp_path / "x.csv").write_bytes(b"user,item\n" + content)
    try:
        pairs, rejected, rows = read(tmp_path / "x.csv")
    except DataError:
        return
    assert rows == len(pairs) + rejected
