"""A model, a table or a baseline -> where it places the targets of the measured users."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys_cli.config.settings import EvaluateSettings, ScoreSettings
from recsys_cli.errors import ArtifactError, UsageError
from recsys_cli.evaluation.baselines import Baseline, Known
from recsys_cli.evaluation.judged import Judged, contained
from recsys_cli.evaluation.ranking import ranks_in_lists
from recsys_cli.evaluation.recommendations import Recommendations
from recsys_cli.evaluation.ties import Standing, standing_in_lists
from recsys_cli.schemas import Part
from recsys_cli.scoring.filters import denied_items, requested_users
from recsys_cli.scoring.popular import popular_items
from recsys_cli.scoring.ranker import Ranked, Ranker, TieRanker
from recsys_cli.scoring.recommendations import Lists
from recsys_cli.scoring.stream import Rules, stream_lists
from recsys_cli.sequences.ragged import Ragged, span_indices
from recsys_cli.sequences.store import Dataset


@dataclass(frozen=True)
class Placed:
    """What a ranker did with the measured users and their targets."""

    name: str
    lists: NDArray[np.int32]  # (users, k) item numbers, best first; 0 where a list has ended
    ranks: NDArray[np.int64]  # (targets,) from 1; 0 where a target is excluded or not in the list
    tied: NDArray[np.bool_] | None  # (targets,) None where there are no scores
    standing: Standing | None  # for what is expected over ties; None where there are no scores


def place_baseline(baseline: Baseline, known: Known, judged: Judged, k: int) -> Placed:
    """Every column is ranked; the `k` best are the list."""
    ranking = baseline.rank(known.in_columns(judged), k)
    lists = np.where(ranking.lists < 0, 0, known.columns[ranking.lists]).astype(np.int32)
    where = ranking.standing
    return Placed(baseline.name, lists, _ranks(lists, judged), where.tied > 0, where)


def place_model(
    model: Path, dataset: Dataset, judged: Judged, settings: EvaluateSettings
) -> tuple[Placed, list[str]]:
    """The model's lists, and what a person should know of them.

    They are those that `score --before` writes: every user of the dataset in the same batches,
    since a user's vector depends, in its last bit, on whom it is computed with.
    """
    from recsys_cli.models.store import open_model  # noqa: PLC0415  (imports jax)
    from recsys_cli.scoring.model_ranker import load_ranker  # noqa: PLC0415  (imports jax)

    trained = open_model(model)
    notes = _provenance_notes(trained.artifact.manifest.inputs, dataset)
    ranker = load_ranker(trained, dataset, scorer=settings.scorer, candidates=settings.candidates)
    watched = _Watched(ranker, judged)
    items, scores = _listed(watched, dataset, judged, settings)
    unread = int((~ranker.knows(judged.users, before=settings.split)).sum())
    if unread:
        notes.append(f"Users without an event that the model can read, who get popular items: {unread:,}.")
    if ranker.unknown_items:
        notes.append(f"Items of the dataset that the model does not know: {ranker.unknown_items:,}.")
    return _placed_by_lists("model", items, scores, watched.tied, judged), notes


class _Watched(Ranker):
    """A ranker that also notes which targets of the measured users are tied, as it ranks these."""

    def __init__(self, ranker: TieRanker, judged: Judged) -> None:
        self._ranker, self._judged = ranker, judged
        self.unknown_items = ranker.unknown_items
        self.tied = np.zeros(len(judged.targets.values), bool)  # false where nothing is ranked

    def knows(self, users: NDArray[np.int64], *, before: Part | None) -> NDArray[np.bool_]:
        return self._ranker.knows(users, before=before)

    def rank(
        self,
        users: NDArray[np.int64],
        *,
        before: Part | None,
        top_k: int,
        exclude: Ragged,
        allowed: NDArray[np.bool_] | None = None,
    ) -> Ranked:
        assert allowed is None
        rows, targets = self._targets(users)
        ranked, tied = self._ranker.rank_with_ties(
            users, before=before, top_k=top_k, exclude=exclude, targets=targets
        )
        self.tied[rows] = tied
        return ranked

    def _targets(self, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], Ragged]:
        """Which targets are these users', and the targets of each."""
        judged = self._judged
        begin = judged.targets.offsets[np.searchsorted(judged.users, users)]
        end = judged.targets.offsets[np.searchsorted(judged.users, users, side="right")]
        return span_indices(begin, end), judged.targets.spans(begin, end)


def _listed(
    ranker: Ranker, dataset: Dataset, judged: Judged, settings: EvaluateSettings
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(users, k) items and scores of the measured users, out of everybody's."""
    measured = np.zeros(dataset.num_users, bool)
    measured[judged.users] = True
    items: list[NDArray[np.int32]] = []
    scores: list[NDArray[np.float32]] = []
    first = 0
    for batch in _stream(ranker, dataset, settings):
        rows = measured[first : first + len(batch.sources)]
        items.append(batch.ranked.items[rows])
        scores.append(batch.ranked.scores[rows])
        first += len(rows)
    return np.concatenate(items), np.concatenate(scores)


def _stream(ranker: Ranker, dataset: Dataset, settings: EvaluateSettings) -> Iterator[Lists]:
    """Everybody's lists, as `score` makes them."""
    everyone = requested_users(dataset, None)
    return stream_lists(
        everyone,
        ranker=ranker,
        popular=popular_items(dataset, before=settings.split, days=settings.popular_days, allowed=None),
        sequences=dataset.sequences,
        rules=Rules(
            before=settings.split,
            top_k=min(max(settings.ks), dataset.num_items),
            include_seen=settings.include_seen,
            allowed=None,
            denied=denied_items(dataset, everyone, None),
        ),
        users_per_batch=ScoreSettings().users_per_batch,
    )


def _provenance_notes(inputs: Mapping[str, str], dataset: Dataset) -> list[str]:
    """What speaks against the model's figures: it may have been trained on what it is measured on."""
    notes: list[str] = []
    if "refit" in inputs:
        notes.append(
            "The model was refitted on all events of its dataset: it may have seen what it is measured on."
        )
    if inputs.get("dataset") != dataset.fingerprint:
        notes.append(f"The model was trained on another version of the dataset than {dataset.path}.")
    return notes


def place_table(
    table: Recommendations, judged: Judged, k: int, *, include_seen: bool
) -> tuple[Placed, list[str]]:
    """The table's lists, and what a person should know of them. A user without a row has no hit."""
    items, scores = table.lists(judged.users, k), table.listed_scores(judged.users, k)
    placed = _placed_by_lists("recommendations", items, scores, None, judged)
    seen = 0 if include_seen else _count_listed(items, judged.excluded)
    counts = {
        "Measured users that are not in the table, counted as misses": table.missing(judged.users),
        "Rows with an item that is not in the dataset": int((table.items == 0).sum()),
        "Rows with a user that is not in the dataset": int((table.users == 0).sum()),
        "Recommended items of the user's own history, none of which can be a hit": seen,
    }
    return placed, [f"{what}: {count:,}." for what, count in counts.items() if count]


def check_table(table: Recommendations, dataset: Dataset, settings: EvaluateSettings) -> list[str]:
    """Raise an error where the table says that it was made for something else; return notes."""
    made_by = table.made_by
    if made_by is None:
        return [
            f"{table.name} does not say what it was made from; it may have known the {settings.split} part."
        ]
    if made_by.get("dataset") != dataset.fingerprint:
        raise ArtifactError(
            f"{table.name} was made from another dataset than {dataset.path}.",
            hint="Give the dataset that it was made from, or make it again with `recsys score`.",
        )
    if made_by.get("before") != settings.split:
        raise ArtifactError(
            f"{table.name} was made {_moment(made_by.get('before'))}, not before the {settings.split} part.",
            hint=f"Make it with `recsys score --before {settings.split}`, or choose another --split.",
        )
    if bool(made_by.get("include_seen")) != settings.include_seen:
        raise UsageError(
            f"{table.name} was made with{'' if made_by.get('include_seen') else 'out'} --include-seen.",
            hint="Measure it as it was made: give --include-seen to both commands, or to neither.",
        )
    return []


def _moment(before: object) -> str:
    return "from all events" if before is None else f"before the {before} part"


def _count_listed(lists: NDArray[np.int32], excluded: Ragged) -> int:
    users, k = lists.shape
    return int(contained(Ragged(lists.ravel(), np.arange(users + 1) * k), excluded).sum())


def _placed_by_lists(
    name: str,
    lists: NDArray[np.int32],
    scores: NDArray[np.floating] | None,
    tied: NDArray[np.bool_] | None,
    judged: Judged,
) -> Placed:
    """`tied` None: as far as the lists show."""
    ranks = _ranks(lists, judged)
    if scores is None:
        return Placed(name, lists, ranks, None, None)
    where = standing_in_lists(scores, ranks, judged.targets.offsets)
    return Placed(name, lists, ranks, where.tied > 0 if tied is None else tied, where)


def _ranks(lists: NDArray[np.int32], judged: Judged) -> NDArray[np.int64]:
    """(targets,) from 1; 0 where a target is not in its user's list, or is there although it is excluded."""
    return np.where(judged.unreachable, 0, ranks_in_lists(lists, judged.targets))
