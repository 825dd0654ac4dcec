"""Where training ends: properties of both splits, and the parts that readers see."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_cli.sequences.split import Split

users = st.lists(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=9), min_size=1, max_size=6)


def flat(table):
    table = [sorted(events, key=lambda event: event[0]) for events in table]
    offsets = np.concatenate([[0], np.cumsum([len(events) for events in table])]).astype(np.int64)
    times = np.array([time for events in table for time, _ in events], np.int64)
    positive = np.array([good for events in table for _, good in events], bool)
    return table, times, positive, offsets


@given(users)
def test_leave_one_out_takes_the_last_two_positive_events_of_who_has_three(table):
    table, times, positive, offsets = flat(table)
    validation, test = Split("leave-one-out").starts(times, positive, offsets)
    for events, v, t in zip(table, validation, test, strict=True):
        places = [n for n, (_, good) in enumerate(events) if good]
        wanted = (places[-2], places[-1]) if len(places) >= 3 else (len(events), len(events))
        assert (v, t) == wanted


@given(users, st.integers(0, 50), st.integers(0, 50))
def test_a_split_by_time_never_trains_on_what_comes_at_or_after_its_boundary(table, one, other):
    boundary, later = sorted((one, other + 1))
    table, times, positive, offsets = flat(table)
    validation, test = Split("time", boundary, later).starts(times, positive, offsets)
    for events, v, t in zip(table, validation, test, strict=True):
        assert 0 <= v <= t <= len(events)
        assert all(time < boundary for time, _ in events[:v])
        assert all(boundary <= time < later for time, _ in events[v:t])
        assert all(time >= later for time, _ in events[t:])
