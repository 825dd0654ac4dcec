"""Batches are made ahead by threads, and nobody can tell."""

import threading
import time

import pytest

from recsys_cli.scoring.stream import BATCHES_AT_A_TIME, _in_order

SPANS = [(first, first + 5) for first in range(0, 60, 5)]


def test_lists_come_in_order_whichever_batch_is_ready_first():
    def lists(span):
        time.sleep(0.01 if span[0] % 10 else 0.0)
        return span

    assert list(_in_order(lists, SPANS)) == SPANS


def test_no_more_is_made_than_a_few_batches_ahead_of_the_reader():
    begun = []
    reading = _in_order(lambda span: begun.append(span) or span, SPANS)
    assert next(reading) == SPANS[0]
    assert begun == SPANS[:1]
    for number in range(1, 6):
        assert next(reading) == SPANS[number]
        time.sleep(0.02)
        assert len(begun) <= number + 1 + BATCHES_AT_A_TIME
    reading.close()
    assert threading.active_count() == 1


def test_a_batch_that_fails_stops_the_reader_at_its_place():
    def lists(span):
        if span == SPANS[3]:
            raise ValueError("three")
        return span

    reading = _in_order(lists, SPANS)
    assert [next(reading) for _ in range(3)] == SPANS[:3]
    with pytest.raises(ValueError, match="three"):
        next(reading)


def test_no_users_have_no_lists():
    assert list(_in_order(lambda span: span, [])) == []
