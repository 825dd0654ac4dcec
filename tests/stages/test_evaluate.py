"""The evaluate stage: models and tables beside baselines, on tiny data sets worked by hand."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.artifacts.manifest import LEDGER, writing_artifact
from recsys_cli.config.settings import EvaluateSettings, ScoreSettings
from recsys_cli.errors import ArtifactError, DataError, UsageError
from recsys_cli.evaluation import baselines
from recsys_cli.scoring import model_ranker
from recsys_cli.scoring.ranker import Ranked, TieRanker
from recsys_cli.sequences.store import open_dataset
from recsys_cli.sequences.vocabulary import tie_order
from recsys_cli.stages import score as score_stage
from recsys_cli.stages.evaluate import evaluate
from recsys_cli.stages.score import score

FILMS = {
    "ann": ["alien", "brazil", "chicago", "dune"],
    "bob": ["brazil", "chicago", "alien"],
    "cyd": ["dune", "alien", "brazil", "dune"],  # meets the same film again
    "dan": ["brazil", "alien"],  # too few events to be measured
    "eve": ["chicago", "dune", "fargo", "elf", "brazil"],
}
TABLE = pd.DataFrame(
    [
        ("ann", "dune", 1), ("ann", "elf", 2),
        ("bob", "dune", 1), ("bob", "elf", 2), ("bob", "alien", 3),
        ("cyd", "dune", 1),
        ("dan", "dune", 1),
    ],
    columns=["user_id", "item_id", "rank"],
)  # fmt: skip
SHORT = EvaluateSettings(split="test", ks=(1, 3), bootstrap_samples=50)


def means(result, ranker: int = 0) -> dict[str, float]:
    return {name: metric.mean for name, metric in result.rankers[ranker].metrics.items()}


@pytest.fixture
def films(make_dataset) -> Path:
    return make_dataset(FILMS)


def test_a_table_gets_the_measures_worked_by_hand(films):
    result = evaluate(films, recommendations=TABLE, settings=SHORT)
    assert (result.users, result.targets, result.unreachable_targets, result.catalogue) == (4, 4, 1, 6)
    # ann: rank 1; bob: rank 3; cyd: dune is in the history, so it is no hit; eve: not in the table.
    found = means(result)
    assert found["HR@1"] == found["NDCG@1"] == 1 / 4
    assert found["HR@3"] == found["recall@3"] == 2 / 4
    assert found["precision@3"] == pytest.approx((1 / 3 + 1 / 3) / 4)
    assert found["F1@3"] == pytest.approx((1 / 2 + 1 / 2) / 4)
    assert found["NDCG@3"] == pytest.approx((1 + 1 / 2) / 4)
    assert found["MRR@3"] == found["MAP@3"] == pytest.approx((1 + 1 / 3) / 4)
    assert result.rankers[0].coverage == {"coverage@1": 1 / 6, "coverage@3": 3 / 6}
    assert result.rankers[0].tied_targets is None
    for metric in result.rankers[0].metrics.values():
        assert metric.low <= metric.mean <= metric.high
    assert {
        "Measured users that are not in the table, counted as misses: 1.",
        "Recommended items of the user's own history, none of which can be a hit: 1.",
    } <= set(result.notes)


def test_with_seen_items_a_repeat_is_a_hit(films):
    result = evaluate(films, recommendations=TABLE, settings=SHORT.model_copy(update={"include_seen": True}))
    assert result.unreachable_targets == 0
    assert means(result)["HR@1"] == 2 / 4


def test_baselines_are_measured_on_the_same_users(films):
    result = evaluate(films, recommendations=TABLE, settings=SHORT)
    names = [ranker.name for ranker in result.rankers]
    assert names == ["recommendations", "most popular", "last-item Markov", "co-occurrence"]
    assert any(note.startswith("Recently popular is left out") for note in result.notes)
    assert [(each.baseline, each.metric) for each in result.differences] == [
        (name, metric) for name in names[1:] for metric in ("NDCG@3", "HR@3")
    ]
    # Known: alien 3, brazil 4, chicago 3, dune 2, elf 1, fargo 1. Unseen, best first:
    # ann dune; bob alien; cyd chicago; eve alien, brazil, that is brazil, alien.
    assert means(result, 1)["HR@1"] == 3 / 4
    difference = result.differences[1]
    assert difference.mean == pytest.approx(means(result)["HR@3"] - means(result, 1)["HR@3"])
    assert difference.low <= difference.mean <= difference.high


def test_the_list_of_a_baseline_differs_from_it_by_nothing(make_dataset):
    random = np.random.default_rng(3)
    items = [f"i{number}" for number in range(30)]
    histories = {f"u{user}": random.permutation(items)[:5].tolist() for user in range(40)}
    path = make_dataset(histories)
    known = pd.Series([item for history in histories.values() for item in history[:-1]]).value_counts()
    dataset = open_dataset(path)
    order = dataset.item_ids.take(tie_order(dataset.item_ids)).to_pylist()
    best = sorted(order, key=lambda item: -known.get(item, 0))
    rows = [
        (user, item, place + 1)
        for user, history in histories.items()
        for place, item in enumerate([item for item in best if item not in history[:-1]][:20])
    ]
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])
    result = evaluate(path, recommendations=table, settings=EvaluateSettings(split="test"))
    assert result.rankers[0].metrics == result.rankers[1].metrics
    assert result.rankers[0].coverage == result.rankers[1].coverage
    assert {(each.mean, each.low, each.high) for each in result.differences[:2]} == {(0, 0, 0)}
    assert result.rankers[1].tied_targets > 0


@pytest.mark.parametrize("dense_from", [0, 1])
def test_the_size_of_batches_changes_no_baseline(films, monkeypatch, dense_from):
    whole = evaluate(films, recommendations=TABLE, settings=SHORT)
    monkeypatch.setattr(baselines, "DENSE_FROM", dense_from)
    monkeypatch.setattr(baselines, "COUNTS_HELD", 1)  # one user at a time
    assert evaluate(films, recommendations=TABLE, settings=SHORT).rankers == whole.rankers


def test_recently_popular_is_measured_where_there_is_a_clock(make_dataset):
    times = {user: range(1_700_000_000, 1_700_000_000 + len(items)) for user, items in FILMS.items()}
    path = make_dataset(FILMS, timestamps=times)
    result = evaluate(path, recommendations=TABLE, settings=SHORT)
    assert result.rankers[2].name == "recently popular"
    assert not any("Recently" in note for note in result.notes)


def test_users_of_a_period_without_earlier_events_are_reported_apart(make_dataset):
    starts = {"ann": (1, 2), "bob": (0, 0), "cyd": (0, 0)}
    path = make_dataset(FILMS, split="time", starts=starts)
    result = evaluate(path, recommendations=TABLE, settings=SHORT)
    assert (result.users, result.users_without_history, result.targets) == (1, 2, 2)
    assert means(result)["recall@3"] == 1 / 2


def test_lengths_that_the_table_has_not_are_left_out(films):
    result = evaluate(films, recommendations=TABLE)
    assert set(result.rankers[1].coverage) == {"coverage@3"}
    assert any("k = 5, 10, 20: the data frame has 3 items a user" in note for note in result.notes)


def test_what_the_dataset_does_not_know_is_counted(films):
    strange = pd.DataFrame({"user_id": ["ann", "zoe"], "item_id": ["zardoz", "dune"], "rank": [1, 1]})
    notes = evaluate(films, recommendations=strange, settings=SHORT).notes
    assert "Rows with an item that is not in the dataset: 1." in notes
    assert "Rows with a user that is not in the dataset: 1." in notes
    assert any("does not say what it was made from" in note for note in notes)


def write_table(path: Path, made_from: Path, **said) -> Path:
    made_by = {
        "dataset": open_dataset(made_from).fingerprint,
        "before": "test",
        "top_k": 3,
        "include_seen": False,
    }
    table = pa.Table.from_pandas(TABLE, preserve_index=False)
    pq.write_table(table.replace_schema_metadata({"recsys": json.dumps(made_by | said)}), path)
    return path


def test_a_table_that_fits_is_measured_without_a_word(films, tmp_path):
    table = write_table(tmp_path / "fits.parquet", films)
    notes = evaluate(films, recommendations=table, settings=SHORT).notes
    assert not any("does not say" in note for note in notes)


@pytest.mark.parametrize(
    ("said", "error", "sentence"),
    [
        ({"dataset": "other"}, ArtifactError, "another dataset"),
        (
            {"before": "validation"},
            ArtifactError,
            "made before the validation part, not before the test part",
        ),
        ({"before": None}, ArtifactError, "made from all events, not before the test part"),
        ({"include_seen": True}, UsageError, "made with --include-seen"),
    ],
)
def test_a_table_made_for_something_else_is_refused(films, tmp_path, said, error, sentence):
    table = write_table(tmp_path / "other.parquet", films, **said)
    with pytest.raises(error, match=sentence):
        evaluate(films, recommendations=table, settings=SHORT)
    assert not (films / LEDGER).exists()


def test_uses_of_the_test_part_are_counted_and_of_validation_not(films):
    validation = SHORT.model_copy(update={"split": "validation"})
    assert evaluate(films, recommendations=TABLE, settings=validation).test_uses is None
    uses = [evaluate(films, recommendations=TABLE, settings=SHORT).test_uses for _ in range(2)]
    assert uses == [1, 2]


def test_a_use_that_cannot_be_counted_is_a_note(films):
    (films / LEDGER).write_text("not JSON")
    result = evaluate(films, recommendations=TABLE, settings=SHORT)
    assert result.test_uses is None
    assert any("not counted" in note and LEDGER in note for note in result.notes)


def test_there_must_be_one_thing_to_measure(films):
    for both in ({}, {"model": films, "recommendations": TABLE}):
        with pytest.raises(UsageError, match="Nothing to measure, or two things"):
            evaluate(films, **both)


def test_a_dataset_without_a_split_is_refused(make_dataset):
    with pytest.raises(UsageError, match="no test part"):
        evaluate(make_dataset(FILMS, split="none"), recommendations=TABLE, settings=SHORT)


def test_a_part_without_a_measured_user_is_refused(make_dataset):
    with pytest.raises(DataError, match="no user has a positive event in the test part"):
        evaluate(make_dataset({"a": ["x", "y"]}), recommendations=TABLE, settings=SHORT)


def test_a_table_is_measured_without_jax():
    code = "import sys, recsys_cli.stages.evaluate; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_lengths_are_checked():
    assert EvaluateSettings(ks=(7, 3, 7)).ks == (3, 7)
    for wrong in ({"ks": ()}, {"ks": (0, 5)}, {"candidates": 10}):
        with pytest.raises(ValueError, match=r"ks=\[|k=20 is more than candidates=10"):
            EvaluateSettings(**wrong)


class ByNumber(TieRanker):
    """A stand-in for a model: every user's own order of the items; it cannot read one user's history."""

    unknown_items = 2

    def __init__(self, dataset, unread: int) -> None:
        random = np.random.default_rng(8)
        self.scores = random.integers(0, 9, (dataset.num_users, dataset.num_items)).astype(np.float32)
        self.unread = unread

    def knows(self, users, *, before):
        return users != self.unread

    def rank(self, users, *, before, top_k, exclude, allowed=None):
        scores = self._masked(users, exclude)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        best = np.take_along_axis(scores, order, 1)
        return Ranked(np.where(best > -np.inf, order + 1, 0).astype(np.int32), best, best)

    def rank_with_ties(self, users, *, before, top_k, exclude, targets):
        ranked = self.rank(users, before=before, top_k=top_k, exclude=exclude)
        return ranked, self._tied(users, targets, exclude)

    def _tied(self, users, targets, exclude):
        rows = self._masked(users, exclude)[np.repeat(np.arange(len(users)), targets.lengths())]
        score = rows[np.arange(len(rows)), targets.values - 1]
        return ((rows == score[:, None]).sum(axis=1) > 1) & (score > -np.inf)

    def _masked(self, users, exclude):
        scores = self.scores[users].copy()
        for row in range(len(users)):
            scores[row, exclude.row(row) - 1] = -np.inf
        return scores


@pytest.fixture
def with_model(make_dataset, tmp_path, monkeypatch) -> tuple[Path, Path]:
    """A dataset and a stand-in model; the model cannot read user 6."""
    random = np.random.default_rng(1)
    items = [f"i{number}" for number in range(25)]
    histories = {user: random.permutation(items)[: 1 + user % 9].tolist() for user in range(31)}
    dataset = make_dataset(histories)
    ranker = ByNumber(open_dataset(dataset), unread=6)
    for module in (model_ranker, score_stage):
        monkeypatch.setattr(module, "load_ranker", lambda *_, **__: ranker)
    return dataset, write_model(tmp_path / "model", {"dataset": open_dataset(dataset).fingerprint})


def write_model(path: Path, inputs: dict[str, str]) -> Path:
    with writing_artifact(path, "model", overwrite=False) as writer:
        writer.commit(configuration={}, inputs=inputs, counts={}, details={}, run={})
    return path


@pytest.mark.parametrize("include_seen", [False, True])
@pytest.mark.parametrize(("name", "layout"), [("t.parquet", "rows"), ("t.csv", "rows"), ("t.jsonl", "lists")])
def test_a_model_and_its_table_agree_to_the_last_digit(with_model, tmp_path, name, layout, include_seen):
    dataset, model = with_model
    settings = EvaluateSettings(split="test", include_seen=include_seen, bootstrap_samples=40)
    written = ScoreSettings(before="test", layout=layout, include_seen=include_seen)
    score(model, dataset, tmp_path / name, settings=written)
    by_model = evaluate(dataset, model=model, settings=settings)
    by_table = evaluate(dataset, recommendations=tmp_path / name, settings=settings)
    ours, theirs = by_model.rankers[0], by_table.rankers[0]
    assert (ours.metrics, ours.coverage, ours.expected) == (theirs.metrics, theirs.coverage, theirs.expected)
    assert by_model.rankers[1:] == by_table.rankers[1:]
    assert by_model.differences == by_table.differences
    assert 0 < theirs.tied_targets <= ours.tied_targets


def test_what_a_model_could_not_read_is_said(with_model):
    dataset, model = with_model
    notes = evaluate(dataset, model=model).notes
    assert "Users without an event that the model can read, who get popular items: 1." in notes
    assert "Items of the dataset that the model does not know: 2." in notes


def test_a_model_that_may_have_seen_the_part_is_said(with_model, tmp_path):
    dataset, _ = with_model
    model = write_model(tmp_path / "refitted", {"dataset": "another", "refit": "earlier"})
    notes = evaluate(dataset, model=model).notes
    assert any("refitted on all events" in note for note in notes)
    assert any("another version of the dataset" in note for note in notes)


def test_the_same_seed_gives_the_same_report(with_model):
    dataset, model = with_model
    first, second, other = (
        evaluate(dataset, model=model, settings=EvaluateSettings(seed=seed)) for seed in (3, 3, 4)
    )
    assert first == second
    assert first.rankers[0].metrics != other.rankers[0].metrics
