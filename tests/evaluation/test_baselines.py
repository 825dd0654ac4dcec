"""Baselines against slow dictionaries, and against events that they must not know."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from recsys_cli.evaluation import baselines
from recsys_cli.evaluation.baselines import (
    Popular,
    co_occurrence,
    fit_baselines,
    known_before,
    last_item_markov,
)
from recsys_cli.evaluation.judged import Judged
from recsys_cli.evaluation.popularity import SECONDS_A_DAY, last_days, popularity
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import open_dataset

ITEMS = [f"i{number}" for number in range(9)]
DAY = SECONDS_A_DAY


def histories(seed: int, users: int = 13) -> dict[str, list[str]]:
    random = np.random.default_rng(seed)
    drawn = {f"u{user}": random.choice(ITEMS, random.integers(1, 8)).tolist() for user in range(users)}
    return drawn | {"all": ITEMS}  # so that every item has an event


def times(sequences: Mapping[str, list[str]], seed: int) -> dict[str, list[int]]:
    random = np.random.default_rng(seed)
    return {
        user: np.sort(random.integers(0, 90 * DAY, len(items))).tolist() for user, items in sequences.items()
    }


def known(path: Path, part="test"):
    dataset = open_dataset(path)
    return dataset, known_before(dataset, part)


def ranked(dataset, known, baseline, users=None) -> list[list[str]]:
    """All items in the baseline's order, of each user; nothing is left out."""
    users = np.arange(dataset.num_users) if users is None else np.array(users)
    targets = Ragged(np.zeros(len(users), np.int32), np.arange(len(users) + 1))
    nothing = Ragged(targets.values[:0], np.zeros(len(users) + 1, np.int64))
    judged = Judged(users, targets, nothing, targets.values > 0, 0)
    lists = baseline.rank(judged, len(ITEMS) + 3).lists
    ids = dataset.item_ids.take(known.columns - 1)
    return [[ids[column].as_py() for column in row] for row in lists.tolist()]


def in_order(dataset, known, counts) -> list[str]:
    """The dataset's items by falling count, equal ones in the order that breaks ties."""
    ids = dataset.item_ids.take(known.columns - 1).to_pylist()
    return sorted(ids, key=lambda item: -counts[item])


def prefix(items: list[str], part: str) -> list[str]:
    return items[: len(items) - (1 if part == "test" else 2)] if len(items) >= 3 else items


@pytest.mark.parametrize("part", ["validation", "test"])
def test_most_popular_counts_the_events_before_the_part(make_dataset, part):
    sequences = histories(1)
    dataset, before = known(make_dataset(sequences), part)
    counts = Counter(item for items in sequences.values() for item in prefix(items, part))
    assert ranked(dataset, before, Popular(before)) == [in_order(dataset, before, counts)] * dataset.num_users


def test_recently_popular_counts_the_last_days_before_the_last_known_event(make_dataset):
    sequences = histories(2)
    at = times(sequences, 3)
    dataset, before = known(make_dataset(sequences, timestamps=at))
    events = [
        (item, time)
        for user, items in sequences.items()
        for item, time in zip(prefix(items, "test"), at[user], strict=False)
    ]
    last = max(time for _, time in events)
    counts = Counter(item for item, time in events if time >= last - 30 * DAY)
    assert ranked(dataset, before, Popular(before, days=30), [4]) == [in_order(dataset, before, counts)]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_markov_counts_what_came_right_after_the_last_item(make_dataset, part):
    sequences = histories(4)
    dataset, before = known(make_dataset(sequences), part)
    after: Counter[tuple[str, str]] = Counter()
    for items in sequences.values():
        after.update(zip(prefix(items, part), prefix(items, part)[1:], strict=False))
    found = ranked(dataset, before, last_item_markov(before))
    for user, items in zip(sorted(sequences), found, strict=True):
        last = prefix(sequences[user], part)[-1]
        assert items == in_order(dataset, before, {item: after[last, item] for item in ITEMS})


@pytest.mark.parametrize("dense_from", [0, 1])
def test_co_occurrence_counts_users_who_met_both(make_dataset, monkeypatch, dense_from):
    monkeypatch.setattr(baselines, "DENSE_FROM", dense_from)
    sequences = histories(5)
    dataset, before = known(make_dataset(sequences))
    met = {user: set(prefix(items, "test")) for user, items in sequences.items()}
    found = ranked(dataset, before, co_occurrence(before))
    for user, items in zip(sorted(sequences), found, strict=True):
        expected = {
            item: sum(
                other in theirs and item in theirs for other in met[user] - {item} for theirs in met.values()
            )
            for item in ITEMS
        }
        assert items == in_order(dataset, before, expected)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_no_later_event_changes_an_order(make_dataset, part):
    sequences = histories(6)
    at = times(sequences, 7)
    changed = {
        user: prefix(items, part) + [ITEMS[0]] * (len(items) - len(prefix(items, part)))
        for user, items in sequences.items()
    }
    moved = {
        user: [*all_times[: len(prefix(sequences[user], part))], *[10**9] * 9][: len(all_times)]
        for user, all_times in at.items()
    }
    changed["all"], moved["all"] = sequences["all"], at["all"]
    first = make_dataset(sequences, timestamps=at, name="first")
    second = make_dataset(changed, timestamps=moved, name="second")
    assert fitted(first, part) == fitted(second, part)


def fitted(path, part):
    dataset, before = known(path, part)
    return [ranked(dataset, before, each) for each in fit_baselines(dataset, before, popular_days=30)]


def test_recent_popularity_needs_a_clock(make_dataset):
    sequences = histories(8)
    dataset, before = known(make_dataset(sequences))
    names = [each.name for each in fit_baselines(dataset, before, popular_days=30)]
    assert names == ["most popular", "last-item Markov", "co-occurrence"]
    dataset, before = known(make_dataset(sequences, timestamps=times(sequences, 1), name="clock"))
    names = [each.name for each in fit_baselines(dataset, before, popular_days=30)]
    assert names == ["most popular", "recently popular", "last-item Markov", "co-occurrence"]


def test_a_user_without_a_known_event_breaks_no_chain(make_dataset):
    starts = {"a": (0, 0), "b": (2, 2)}
    path = make_dataset({"a": ["x", "y"], "b": ["y", "x", "z"]}, split="time", starts=starts)
    dataset, before = known(path)
    even = in_order(dataset, before, dict.fromkeys("xyz", 0))
    assert ranked(dataset, before, last_item_markov(before), [1]) == [even]
    assert ranked(dataset, before, Popular(before), [1])[0][-1] == "z"


def test_popularity_is_counted_from_a_moment_on(make_dataset):
    path = make_dataset({"a": ["x", "y"], "b": ["x", "x"]}, timestamps={"a": [10, 20], "b": [20, 30]})
    sequences = open_dataset(path).sequences
    assert popularity(sequences, sequences.stops, 20).tolist() == [2, 1]
    assert popularity(sequences, np.array([2, 3]), 20).tolist() == [1, 1]
    assert last_days(sequences, sequences.stops, 2) == 30 - 2 * DAY
