"""A ranker whose scores are plain arithmetic, and a model artifact that stands for it."""

from pathlib import Path

import numpy as np
import pytest

from recsys_cli.artifacts.manifest import writing_artifact
from recsys_cli.scoring.ranker import Ranked
from recsys_cli.sequences.vocabulary import tie_order


class FakeRanker:
    """Scores by a formula with many ties; cannot rank some items. See `Ranker`."""

    def __init__(self, dataset, unknown: tuple = ()) -> None:
        self.dataset = dataset
        self.columns = tie_order(dataset.item_ids) + 1
        ids = np.array(dataset.item_ids.to_pylist(), object)
        self.rankable = ~np.isin(ids, unknown)
        self.unknown_items = int((~self.rankable).sum())
        self.batches: list[int] = []

    @staticmethod
    def score(user: int, item: int) -> float:
        """Of a user's position and an item's number."""
        return (5 * user + 3 * item) % 7 / 2

    def knows(self, users, *, before):
        sequences = self.dataset.sequences
        readable = np.append(0, np.cumsum(self.rankable[sequences.items - 1]))
        return readable[sequences.cut(before)[users]] > readable[sequences.starts[users]]

    def rank(self, users, *, before, top_k, exclude, allowed=None) -> Ranked:
        assert len(users)
        assert self.knows(users, before=before).all()
        self.batches.append(len(users))
        scores = self.score(users[:, None], self.columns[None, :]).astype(np.float32)
        kept = self.rankable if allowed is None else self.rankable & allowed
        scores[:, ~kept[self.columns - 1]] = -np.inf
        excluded = np.zeros((len(users), len(self.columns) + 1), bool)
        excluded[np.repeat(np.arange(len(users)), exclude.lengths()), exclude.values] = True
        scores[excluded[:, self.columns]] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        best = np.take_along_axis(scores, order, 1)
        items = np.where(np.isneginf(best), 0, self.columns[order]).astype(np.int32)
        return Ranked(items, best, np.where(items > 0, best / 8, np.nan).astype(np.float32))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    with writing_artifact(path, "model", overwrite=False) as writer:
        writer.commit(configuration={}, inputs={}, counts={}, details={}, run={})
    return path


@pytest.fixture
def fake_ranker(monkeypatch: pytest.MonkeyPatch):
    """Has `score` rank with a `FakeRanker`; the rankers that it made are in the list."""
    made: list[FakeRanker] = []

    def install(*unknown: str) -> list[FakeRanker]:
        def load(model, dataset, *, scorer, candidates):
            made.append(FakeRanker(dataset, unknown))
            return made[-1]

        monkeypatch.setattr("recsys_cli.stages.score.load_ranker", load)
        return made

    return install
