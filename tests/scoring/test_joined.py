"""A dataset that is newer than the model: joined by id, counted, never by number."""

import numpy as np
import pytest

from recsys_cli.config.settings import ModelSettings, TrainSettings
from recsys_cli.models.store import open_model
from recsys_cli.scoring.joined import Joined
from recsys_cli.scoring.model_ranker import load_ranker
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import open_dataset
from recsys_cli.stages.train import train

SETTINGS = TrainSettings(
    model=ModelSettings(embedding_dim=8, num_heads=2, num_blocks=1, max_length=8, head_dim=4),
    epochs=2,
    rows_per_batch=4,
    candidates=4,
    cross_attention_candidates=5,
)
HISTORIES = {f"u{u}": [f"i{(u + s) % 6}" for s in range(4)] for u in range(20)}
USERS = {f"u{u}": {"age": ["old" if u % 2 else "young"]} for u in range(20)}


@pytest.fixture
def model(make_dataset, tmp_path):
    train(make_dataset(HISTORIES, user_attributes=USERS), tmp_path / "model", settings=SETTINGS)
    return open_model(tmp_path / "model")


@pytest.fixture
def tonight(make_dataset):
    """Item i0 is gone, a0 is new and comes first; user "zz" met only what the model does not know."""
    histories = {
        "new": ["a0", "i3", "i4"],
        "u1": ["i1", "a0", "i2"],
        "zz": ["a0", "a1"],
    }
    attributes = {"new": {"age": ["young"], "city": ["X"]}, "u1": {"age": ["ancient"]}}
    return open_dataset(make_dataset(histories, user_attributes=attributes, name="tonight"))


def test_items_are_joined_by_id_and_unknown_ones_counted(model, tonight):
    joined = Joined(model.spec, tonight)
    known = {tonight.item_ids[n - 1].as_py(): int(m) for n, m in enumerate(joined.model_numbers) if n}
    theirs = {each.as_py(): number for number, each in enumerate(model.spec.item_ids, start=1)}
    assert known == {"a0": 0, "a1": 0} | {i: theirs[i] for i in ("i1", "i2", "i3", "i4")}
    assert joined.unknown_items == 2
    assert sorted(tonight.item_ids[int(c) - 1].as_py() for c in joined.columns) == ["i1", "i2", "i3", "i4"]


def test_histories_leave_out_what_the_model_does_not_know(model, tonight):
    joined = Joined(model.spec, tonight)
    ids = [
        [model.spec.item_ids[int(n) - 1].as_py() for n in joined.events.items[a:b]]
        for a, b in zip(joined.offsets, joined.offsets[1:], strict=False)
    ]
    assert ids == [["i3", "i4"], ["i1", "i2"], []]
    assert joined.cut("test").tolist() == [1, 3, 4]  # just before the last event of each


def test_user_attributes_are_joined_by_field_and_value(model, tonight):
    rows = model.spec.attributes.to_pylist()
    number = {(row["entity"], row["value"]): row["number"] for row in rows}
    joined = Joined(model.spec, tonight)
    assert [joined.user_attributes.row(u).tolist() for u in range(3)] == [[number["user", "young"]], [], []]


def test_unknown_items_are_never_recommended_and_users_without_readable_events_are_said(model, tonight):
    ranker = load_ranker(model, tonight, scorer="full", candidates=4)
    everyone = np.arange(3)
    assert ranker.knows(everyone, before=None).tolist() == [True, True, False]
    nothing = Ragged(np.zeros(0, np.int32), np.zeros(3, np.int64))
    ranked = ranker.rank(everyone[:2], before=None, top_k=4, exclude=nothing)
    for row in ranked.items:
        assert sorted(tonight.item_ids[int(n) - 1].as_py() for n in row) == ["i1", "i2", "i3", "i4"]
    assert (np.diff(ranked.scores, axis=1) <= 0).all()


def test_excluded_and_forbidden_items_are_left_out_and_lists_end(model, tonight):
    ranker = load_ranker(model, tonight, scorer="retrieval", candidates=4)
    exclude = Ragged(np.array([3, 4], np.int32), np.array([0, 2]))
    allowed = np.array([True, True, True, True, True, False])
    ranked = ranker.rank(np.array([1]), before=None, top_k=4, exclude=exclude, allowed=allowed)
    assert ranked.items[0].tolist() == [5, 0, 0, 0]
    assert np.isneginf(ranked.scores[0, 1:]).all()


def test_the_final_score_is_retrieval_plus_the_weighted_head(model, tonight):
    ranker = load_ranker(model, tonight, scorer="full", candidates=4)
    alone = load_ranker(model, tonight, scorer="retrieval", candidates=4)
    nothing = Ragged(np.zeros(0, np.int32), np.zeros(2, np.int64))
    users = np.array([1])
    full = ranker.rank(users, before=None, top_k=4, exclude=nothing)
    plain = alone.rank(users, before=None, top_k=4, exclude=nothing)
    vectors, excluded = ranker.encode_padded(users, None, nothing)
    _, columns = ranker.retrieve_candidates(vectors, excluded)
    head = np.asarray(ranker.cross_attention(vectors, columns))[0]
    by_item = dict(zip(ranker.joined.columns[np.asarray(columns)[0]].tolist(), head, strict=True))
    retrieval = dict(zip(plain.items[0].tolist(), plain.scores[0], strict=True))
    for item, score in zip(full.items[0].tolist(), full.scores[0], strict=True):
        assert score == pytest.approx(retrieval[item] + model.details.head_weight * by_item[item], abs=1e-5)
