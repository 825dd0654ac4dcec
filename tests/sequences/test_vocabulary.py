"""Ids and numbers, and the order that breaks ties."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from recsys_cli.sequences.vocabulary import numbers_of, tie_order

ids = st.lists(st.text(max_size=5), unique=True, max_size=20)


@given(ids)
def test_numbers_and_ids_are_a_round_trip(values):
    vocabulary = pa.array(values, pa.string())
    assert numbers_of(vocabulary, vocabulary).tolist() == list(range(1, len(values) + 1))


def test_what_is_not_in_the_vocabulary_is_number_zero():
    assert numbers_of(pa.array(["b", "x"]), pa.array(["a", "b"])).tolist() == [2, 0]


def test_integers_meet_text_as_text():
    assert numbers_of(pa.array([7, 8]), pa.array(["007", "7"])).tolist() == [2, 0]


@given(ids)
def test_the_order_of_ties_depends_on_the_ids_alone(values):
    order = [values[n] for n in tie_order(pa.array(values, pa.string()))]
    turned = values[::-1]
    assert order == [turned[n] for n in tie_order(pa.array(turned, pa.string()))]
    assert sorted(order) == sorted(values)


def test_the_order_of_ties_is_fixed_for_ever():
    # Lists that were written must not change with a version: these are the orders of version 0.1.
    assert tie_order(pa.array(["a", "b", "c", "d", "e"])).tolist() == [3, 1, 0, 2, 4]
    assert tie_order(pa.array([1, 2, 3, 4, 5])).tolist() == tie_order(pa.array(list("12345"))).tolist()
