"""Rules that drop events, against plain loops over lists; and numbers in the order of the ids."""

from collections import Counter

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.sequences.numbering import number_ids
from recsys_cli.sequences.rules import apply_rules

events = st.lists(
    st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("abcde"), st.integers(0, 3)), max_size=30
)


def apply(table, **chosen):
    """Places of the events that are left, and what was dropped."""
    with duckdb.connect() as connection:
        connection.execute('CREATE TABLE events ("user" VARCHAR, item VARCHAR, moment BIGINT, place BIGINT)')
        rows = [(*event, place) for place, event in enumerate(table)]
        if rows:
            connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
        dropped = apply_rules(connection, PreprocessSettings(**chosen))
        left = connection.execute("SELECT place FROM events ORDER BY place").fetchall()
    return [row[0] for row in left], dropped


def least_fixed_point(table, user_events, item_events):
    left = list(range(len(table)))
    while True:
        users = Counter(table[place][0] for place in left)
        items = Counter(table[place][1] for place in left)
        kept = [
            place
            for place in left
            if users[table[place][0]] >= user_events and items[table[place][1]] >= item_events
        ]
        if kept == left:
            return left
        left = kept


@settings(max_examples=30, deadline=None)
@given(events, st.integers(1, 4), st.integers(1, 4))
def test_minimums_leave_the_largest_part_in_which_they_hold(table, user_events, item_events):
    left, dropped = apply(table, min_user_events=user_events, min_item_events=item_events)
    assert left == least_fixed_point(table, user_events, item_events)
    assert sum(dropped.values()) == len(table) - len(left)


@settings(max_examples=30, deadline=None)
@given(events)
def test_deduplicate_keeps_the_earliest_event_of_every_pair_and_the_first_of_equal_ones(table):
    left, dropped = apply(table, deduplicate=True)
    pairs = {event[:2] for event in table}
    earliest = [
        min((event[2], place) for place, event in enumerate(table) if event[:2] == pair)[1] for pair in pairs
    ]
    assert left == sorted(earliest)
    assert dropped == {"deduplicate": len(table) - len(pairs)}


def test_repeats_go_before_events_are_counted():
    left, dropped = apply(
        [("u", "a", 1), ("u", "a", 2), ("v", "a", 1), ("v", "b", 1)], deduplicate=True, min_user_events=2
    )
    assert left == [2, 3]
    assert dropped == {"deduplicate": 1, "min-user-events": 1}


def test_rules_that_nobody_asked_for_are_not_named():
    assert apply([("u", "a", 1)]) == ([0], {})


@pytest.mark.parametrize(
    ("ids", "may_be_integer", "wanted"),
    [
        (["10", "9", "-1"], True, pa.array([-1, 9, 10])),
        (["10", "9", "-1"], False, pa.array(["-1", "10", "9"])),
        (["10", "09"], True, pa.array(["09", "10"])),
        (["1", "+2"], True, pa.array(["+2", "1"])),
        (["1", "2 "], True, pa.array(["1", "2 "])),
        (["-0", "1"], True, pa.array(["-0", "1"])),
        (["1", "1.0"], True, pa.array(["1", "1.0"])),
        (["1", "1_000"], True, pa.array(["1", "1_000"])),
        (["1", "1e3"], True, pa.array(["1", "1e3"])),
        (["9223372036854775807", "1"], True, pa.array([1, 2**63 - 1])),
        (["9223372036854775808", "1"], True, pa.array(["1", "9223372036854775808"])),
        (["ä", "z", "Z"], True, pa.array(["Z", "z", "ä"])),
    ],
)
def test_ids_are_integers_only_if_every_one_comes_back_as_it_came(ids, may_be_integer, wanted):
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE given (id VARCHAR)")
        connection.executemany("INSERT INTO given VALUES (?)", [[each] for each in ids * 2])
        numbered = number_ids(connection, "user", "SELECT id FROM given", may_be_integer=may_be_integer)
        numbers = connection.execute("SELECT number FROM user_numbers ORDER BY number").fetchall()
    assert numbered.equals(wanted)
    assert [row[0] for row in numbers] == list(range(1, len(ids) + 1))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), min_size=1))
def test_text_is_numbered_by_its_bytes(ids):
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE given (id VARCHAR)")
        connection.executemany("INSERT INTO given VALUES (?)", [[each] for each in ids])
        numbered = number_ids(connection, "item", "SELECT id FROM given", may_be_integer=False)
    assert numbered.to_pylist() == sorted(set(ids), key=str.encode)
