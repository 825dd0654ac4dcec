"""Windows, targets and the order of an epoch."""

import numpy as np
import pytest

from recsys_cli.batches.epochs import batches, make_epoch
from recsys_cli.batches.events import (
    event_arrays,
    history_windows,
    rating_edges,
    rating_levels,
    training_data,
)
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Sequences


def sequences(lists, positive=None, ratings=None):
    lengths = [len(items) for items in lists]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items = np.array([item for items in lists for item in items], np.int32)
    flat = np.ones(len(items), bool) if positive is None else np.array([p for row in positive for p in row])
    return Sequences(
        items=items,
        timestamps=np.arange(len(items)),
        ratings=ratings,
        positive=flat,
        offsets=offsets,
        validation_start=offsets[1:] - 2,
        test_start=offsets[1:] - 1,
    )


def no_attributes(users):
    return Ragged(np.zeros(0, np.int32), np.zeros(users + 1, np.int64))


def data_of(source, attributes=None, stops=None):
    attributes = attributes or no_attributes(len(source.offsets) - 1)
    stops = source.stops if stops is None else stops
    events = event_arrays(source, attributes, edges=[], stops=stops)
    return training_data(source, events, stops=stops)


def tokens(batch, row):
    return [np.asarray(field)[row].tolist() for field in batch]


def test_each_event_predicts_the_next_one_and_the_last_predicts_nothing():
    data = data_of(sequences([[7, 8, 9]]))
    [batch] = batches(data, make_epoch(data, length=5, seed=0, epoch=1), rows_per_batch=1, length=5)
    items, _, _, segments, positions, targets = tokens(batch, 0)
    assert items == [7, 8, 0, 0, 0]
    assert targets == [8, 9, 0, 0, 0]
    assert segments == [1, 1, 0, 0, 0]
    assert positions == [0, 1, 0, 0, 0]


def test_events_that_are_not_positive_are_context_but_never_targets():
    data = data_of(sequences([[1, 2, 3, 4]], positive=[[True, False, True, False]]))
    [batch] = batches(data, make_epoch(data, length=5, seed=0, epoch=1), rows_per_batch=1, length=5)
    items, *_, targets = tokens(batch, 0)
    assert items == [1, 2, 0, 0, 0]
    assert targets == [3, 3, 0, 0, 0]


def test_user_tokens_stand_first_and_the_last_of_them_predicts_the_first_event():
    source = sequences([[5, 6, 7]])
    data = data_of(source, Ragged(np.array([2, 4], np.int32), np.array([0, 2])))
    [batch] = batches(data, make_epoch(data, length=6, seed=0, epoch=1), rows_per_batch=1, length=6)
    items, attributes, _, segments, positions, targets = tokens(batch, 0)
    assert attributes == [2, 4, 0, 0, 0, 0]
    assert items == [0, 0, 5, 6, 0, 0]
    assert targets == [0, 5, 6, 7, 0, 0]
    assert segments == [1, 1, 1, 1, 0, 0]
    assert positions == [0, 1, 2, 3, 0, 0]


def test_nothing_at_or_after_the_stop_is_an_input_or_a_target():
    source = sequences([[1, 2, 3, 4, 5], [6, 7, 8]])
    data = data_of(source, stops=source.validation_start)
    seen = set()
    for batch in batches(data, make_epoch(data, length=7, seed=0, epoch=1), rows_per_batch=2, length=7):
        seen |= set(np.asarray(batch.items).ravel().tolist()) | set(
            np.asarray(batch.targets).ravel().tolist()
        )
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_long_history_is_cut_into_windows_that_cover_every_target_once(epoch):
    data = data_of(sequences([list(range(1, 24)), [3, 4]]))
    plan = make_epoch(data, length=5, seed=3, epoch=epoch)
    targets = []
    for batch in batches(data, plan, rows_per_batch=2, length=5):
        here = np.asarray(batch.targets).ravel()
        targets += here[here > 0].tolist()
    assert sorted(targets) == sorted([*range(2, 24), 4])


def test_an_epoch_is_a_function_of_its_seed_and_number():
    data = data_of(sequences([[u + 1, u + 2, u + 3] for u in range(30)]))

    def epoch(seed, number):
        plan = make_epoch(data, length=7, seed=seed, epoch=number)
        return [np.asarray(b.items).tolist() for b in batches(data, plan, rows_per_batch=2, length=7)]

    assert epoch(0, 1) == epoch(0, 1)
    assert epoch(0, 1) != epoch(0, 2)
    assert epoch(0, 1) != epoch(1, 1)


def test_a_history_window_holds_the_last_events_before_the_stop():
    source = sequences([list(range(1, 12)), [3, 4]])
    events = event_arrays(source, no_attributes(2), edges=[], stops=source.stops)
    windows = history_windows(events, source.starts, source.test_start, np.array([0, 1]), length=5)
    assert events.items[windows.starts[0] : windows.stops[0]].tolist() == [6, 7, 8, 9, 10]
    assert events.items[windows.starts[1] : windows.stops[1]].tolist() == [3]


def test_rating_levels_are_the_ranks_of_few_values_and_zero_where_blank():
    ratings = np.array([0.5, 3.0, np.nan, 5.0, 3.0], np.float32)
    edges = rating_edges(ratings)
    assert edges == [1.75, 4.0]
    assert rating_levels(ratings, edges, 5).tolist() == [1, 2, 0, 3, 2]
    assert rating_levels(None, [], 2).tolist() == [0, 0]
