"""The sample from beginning to end: the model has learned what is in it, and the table proves it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_cli.config.load import load_settings
from recsys_cli.config.presets import PRESETS
from recsys_cli.config.settings import EvaluateSettings, ScoreSettings, TrainSettings
from recsys_cli.sequences.store import open_dataset
from recsys_cli.stages.evaluate import evaluate
from recsys_cli.stages.preprocess import preprocess
from recsys_cli.stages.score import score
from recsys_cli.stages.train import train

SAMPLE = Path(__file__).parents[2] / "sample_data"
FAST = load_settings(TrainSettings, config=None, options={"preset": "fast"}, presets=PRESETS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Dataset, model, and the table of every user just before the test part."""
    folder = tmp_path_factory.mktemp("sample")
    preprocess(
        [SAMPLE / "interactions.csv"],
        folder / "data",
        items=SAMPLE / "items.csv",
        users=SAMPLE / "users.csv",
    )
    train(folder / "data", folder / "model", settings=FAST)
    table = folder / "before-test.parquet"
    score(folder / "model", folder / "data", table, settings=ScoreSettings(before="test"))
    return folder


@pytest.fixture(scope="module")
def report(run):
    return evaluate(run / "data", model=run / "model", settings=EvaluateSettings(split="test"))


@pytest.mark.slow
def test_the_model_beats_every_baseline_beyond_doubt(report):
    lows = {d.baseline: d.low for d in report.differences if d.metric == "NDCG@10"}
    assert set(lows) == {"most popular", "recently popular", "last-item Markov", "co-occurrence"}
    assert min(lows.values()) > 0


@pytest.mark.slow
def test_ten_lines_of_numpy_on_the_table_give_the_reported_figures(run, report):
    table = pd.read_parquet(run / "before-test.parquet")
    raw = pd.read_csv(SAMPLE / "interactions.csv").sort_values(["user_id", "timestamp"], kind="stable")
    last = raw.groupby("user_id")["item_id"].last()
    hits = table[table["item_id"].to_numpy() == last.loc[table["user_id"]].to_numpy()]
    ranks = hits.set_index("user_id")["rank"].reindex(last.index).to_numpy(dtype=float)
    for k in (5, 10, 20):
        inside = ranks <= k
        gains = np.where(inside, 1 / np.log2(np.where(inside, ranks, 1) + 1), 0)
        for name, values in {"NDCG": gains, "HR": inside, "precision": inside / k}.items():
            assert report.rankers[0].metrics[f"{name}@{k}"].mean == pytest.approx(values.mean(), abs=1e-12)


@pytest.mark.slow
def test_a_table_and_its_model_are_measured_alike_to_the_last_digit(run, report):
    of_table = evaluate(
        run / "data",
        recommendations=run / "before-test.parquet",
        settings=EvaluateSettings(split="test"),
    )
    assert of_table.rankers[0].metrics == report.rankers[0].metrics
    assert of_table.rankers[0].coverage == report.rankers[0].coverage
    assert of_table.differences == report.differences


@pytest.mark.slow
def test_probabilities_fall_with_the_rank_and_differ_within_a_list(run):
    table = pd.read_parquet(run / "before-test.parquet")
    assert table["probability"].between(0, 1).all()
    for _, rows in table.groupby("user_id"):
        assert (np.diff(rows["probability"]) <= 0).all()
        assert rows["probability"].nunique() > 10


@pytest.mark.slow
def test_nothing_seen_before_is_recommended(run):
    table = pd.read_parquet(run / "before-test.parquet")
    dataset = open_dataset(run / "data")
    history = dataset.sequences.history("test")
    ids = np.asarray(dataset.item_ids.to_pylist())
    users = np.repeat(np.asarray(dataset.user_ids.to_pylist()), history.lengths())
    seen = set(zip(users, ids[history.values - 1], strict=True))
    assert not seen & set(zip(table["user_id"], table["item_id"], strict=True))
