"""What users without a history get: popular of late, then of all time, less what they must not get."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cli.evaluation.popularity import SECONDS_A_DAY
from recsys_cli.scoring.popular import Popular, popular_items
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import open_dataset
from recsys_cli.sequences.vocabulary import tie_order

DAY = SECONDS_A_DAY
HISTORIES = {1: ["old", "old", "new", "end"], 2: ["old", "new", "mid"], 3: ["mid"]}
DAYS = {1: [0, 1, 50, 51], 2: [2, 52, 53], 3: [49]}
TIMES = {user: [day * DAY for day in days] for user, days in DAYS.items()}


def ragged(lists: list[list[int]]) -> Ragged:
    offsets = np.cumsum([0, *map(len, lists)])
    return Ragged(np.array([number for row in lists for number in row], np.int32), offsets)


def names(dataset, popular: Popular) -> list[tuple[str, int]]:
    ids = dataset.item_ids.to_pylist()
    pairs = zip(popular.items, popular.events, strict=True)
    return [(ids[item - 1], int(events)) for item, events in pairs]


def in_tie_order(dataset, *items: str) -> list[str]:
    ids = dataset.item_ids.to_pylist()
    return [ids[place] for place in tie_order(dataset.item_ids) if ids[place] in items]


def test_the_last_days_come_first_and_all_time_fills_up(make_dataset):
    dataset = open_dataset(make_dataset(HISTORIES, timestamps=TIMES, split="none"))
    late = popular_items(dataset, before=None, days=3, allowed=None)
    tied = [(name, 1) for name in in_tie_order(dataset, "end", "mid")]
    assert names(dataset, late) == [("new", 2), *tied, ("old", 0)]
    ever = popular_items(dataset, before=None, days=60, allowed=None)
    tied = [(name, 2) for name in in_tie_order(dataset, "mid", "new")]
    assert names(dataset, ever) == [("old", 3), *tied, ("end", 1)]


def test_equal_counts_of_late_stand_by_the_hash_of_the_id_whatever_they_were_before(make_dataset):
    histories = {"u": ["a", "b", "c", "d", "e"], "v": ["b", "e", "e"]}
    dataset = open_dataset(
        make_dataset(histories, timestamps={"u": [9 * DAY] * 5, "v": [0] * 3}, split="none")
    )
    late = popular_items(dataset, before=None, days=1, allowed=None)
    assert names(dataset, late) == [(name, 1) for name in in_tie_order(dataset, *"abcde")]


def test_what_comes_later_than_the_part_is_not_known(make_dataset):
    dataset = open_dataset(make_dataset(HISTORIES, timestamps=TIMES))
    before_test = popular_items(dataset, before="test", days=1, allowed=None)
    assert dict(names(dataset, before_test)) == {"new": 1, "old": 0, "mid": 0}
    before_validation = popular_items(dataset, before="validation", days=1, allowed=None)
    assert dict(names(dataset, before_validation)) == {"mid": 1, "old": 0}


def test_an_order_has_no_last_days(make_dataset):
    dataset = open_dataset(make_dataset(HISTORIES, split="none"))
    popular = popular_items(dataset, before=None, days=1, allowed=None)
    assert dict(names(dataset, popular)) == {"old": 3, "new": 2, "mid": 2, "end": 1}


def test_only_what_is_allowed_is_popular(make_dataset):
    dataset = open_dataset(make_dataset(HISTORIES, split="none"))
    allowed = np.array([name != "old" for name in dataset.item_ids.to_pylist()])
    popular = popular_items(dataset, before=None, days=1, allowed=allowed)
    assert dict(names(dataset, popular)) == {"new": 2, "mid": 2, "end": 1}


POPULAR = Popular(np.array([4, 2, 9, 5, 1], np.int32), np.array([8, 8, 3, 0, 0]))


def test_excluded_items_are_skipped_and_short_lists_end():
    ranked = POPULAR.rank(ragged([[], [2, 4], [9, 9, 7, 12], [1, 2, 4, 5, 9], [5]]), top_k=4)
    assert ranked.items.tolist() == [[4, 2, 9, 5], [9, 5, 1, 0], [4, 2, 5, 1], [0] * 4, [4, 2, 9, 1]]
    assert ranked.scores[1].tolist() == [3, 0, 0, -np.inf]
    assert np.isnan(ranked.probabilities).all()


def test_no_users_and_no_items():
    assert POPULAR.rank(ragged([]), top_k=3).items.shape == (0, 3)
    nothing = Popular(np.zeros(0, np.int32), np.zeros(0, np.int64))
    assert nothing.rank(ragged([[], [3]]), top_k=2).items.tolist() == [[0, 0], [0, 0]]


@settings(deadline=None)
@given(
    excluded=st.lists(st.lists(st.integers(1, 12), max_size=9), max_size=6),
    order=st.permutations(range(1, 10)),
    top_k=st.integers(1, 11),
)
def test_every_list_is_the_order_without_what_is_excluded(excluded, order, top_k):
    popular = Popular(np.array(order, np.int32), np.arange(len(order))[::-1])
    ranked = popular.rank(ragged(excluded), top_k=top_k)
    for row, without in zip(ranked.items.tolist(), excluded, strict=True):
        left = [item for item in order if item not in without][:top_k]
        assert row == left + [0] * (top_k - len(left))
