"""Shares of new items and lost users, by hand; ids meet as text."""

import pytest

from recsys_cli.pipelines.gates import in_words, judge_dataset, judge_model
from recsys_cli.pipelines.pipeline import Expectations

SHARES = Expectations(max_new_items=0.5, max_lost_users=0.25)


def found(judgements) -> dict[str, float]:
    return {each.expectation: each.found for each in judgements}


def test_new_items_are_a_share_of_the_new_dataset_and_lost_users_of_the_old(make_dataset):
    old = make_dataset({"ann": ["a", "b"], "bob": ["b"], "cid": ["a"]}, name="old")
    new = make_dataset({"ann": ["a", "c", "d", "e"], "dan": ["b"]}, name="new")
    judgements = judge_dataset(new, old, SHARES)
    assert found(judgements) == pytest.approx({"max_new_items": 3 / 5, "max_lost_users": 2 / 3})
    assert [each.met for each in judgements] == [False, False]


def test_a_limit_that_is_just_reached_is_met(make_dataset):
    old = make_dataset({1: ["a"], 2: ["a"], 3: ["a"], 4: ["a"]}, name="old")
    new = make_dataset({"1": ["a", "b"], "2": ["a"], "4": ["b"]}, name="new")
    judgements = judge_dataset(new, old, SHARES)
    assert found(judgements) == {"max_new_items": 0.5, "max_lost_users": 0.25}
    assert all(each.met for each in judgements)


def test_a_user_of_the_users_table_whose_events_are_gone_is_lost(make_dataset):
    old = make_dataset({"ann": ["a"], "bob": ["a"], "cid": []}, name="old")
    new = make_dataset({"ann": ["a"], "bob": [], "cid": ["a"]}, name="new")
    assert found(judge_dataset(new, old, Expectations(max_lost_users=1))) == {"max_lost_users": 0.5}


def test_only_what_is_expected_is_looked_at(make_dataset):
    new = make_dataset({"ann": ["a", "b"]}, name="new")
    assert found(judge_dataset(new, new.with_name("none"), Expectations(min_rows=2))) == {"min_rows": 2}
    assert judge_dataset(new, new, Expectations()) == []


@pytest.mark.parametrize(("low", "met"), [(0.001, True), (0.0, False), (-0.1, False)])
def test_a_model_is_better_when_the_whole_interval_is_above_zero(low, met):
    difference = {"baseline": "most popular", "metric": "NDCG@10", "mean": 0.2, "low": low, "high": 0.4}
    (judgement,) = judge_model({"differences": [difference]})
    assert judgement.met == met


def test_every_expectation_has_words_for_being_missed(make_dataset):
    old = make_dataset({"ann": ["a"]}, name="old")
    new = make_dataset({"bob": ["b", "c"]}, name="new")
    strict = Expectations(min_rows=3, max_new_items=0, max_lost_users=0)
    said = [in_words(each) for each in judge_dataset(new, old, strict)]
    assert said == [
        "2 rows are fewer than min_rows=3",
        "100.0% of the items are new, more than max_new_items=0",
        "100.0% of the users before are gone, more than max_lost_users=0",
    ]
