"""Packing: every window once, none split, none overlapping."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_cli.batches.packing import pack

lengths_and_row = st.integers(3, 13).flatmap(
    lambda row: st.tuples(st.lists(st.integers(1, row), max_size=60), st.just(row))
)


@given(lengths_and_row)
def test_every_window_is_placed_once_and_rows_do_not_overflow_or_overlap(case):
    lengths, row = np.array(case[0], np.int64), case[1]
    place = pack(lengths, row)
    assert sorted(place.windows) == list(range(len(lengths)))
    taken = [
        (r, c)
        for w, r, c in zip(place.windows, place.rows, place.columns, strict=True)
        for c in range(c, c + lengths[w])
    ]
    assert len(set(taken)) == len(taken) == lengths.sum()
    assert all(0 <= r < place.num_rows and 0 <= c < row for r, c in taken)
    assert {r for r, _ in taken} == set(range(place.num_rows))


@given(lengths_and_row)
def test_segments_count_from_one_in_every_row(case):
    place = pack(np.array(case[0], np.int64), case[1])
    for row in range(place.num_rows):
        here = place.rows == row
        assert place.segments[here].tolist() == list(range(1, here.sum() + 1))
        assert (np.diff(place.columns[here]) > 0).all()


def test_a_hand_worked_packing_takes_the_longest_that_fits():
    place = pack(np.array([2, 5, 3, 4, 1]), 6)
    rows = [sorted(place.windows[place.rows == row].tolist()) for row in range(place.num_rows)]
    assert rows == [[1, 4], [0, 3], [2]]


def test_short_histories_fill_rows_almost_completely():
    lengths = np.minimum(2 + np.random.default_rng(0).geometric(0.15, 20_000), 64)
    place = pack(lengths, 64)
    assert lengths.sum() / (place.num_rows * 64) > 0.98
