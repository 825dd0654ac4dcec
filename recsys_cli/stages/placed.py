"""A model, a table or a baseline -> where it places the targets of the measured users."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys_cli.config.settings import EvaluateSettings, ScoreSettings
from recsys_cli.errors import ArtifactError, UsageError
from recsys_cli.evaluation.baselines import Baseline, Known
from recsys_cli.evaluation.full_ranking import (
    Standing,
    best_columns,
    exclude,
    standing,
    standing_in_lists,
)
from recsys_cli.evaluation.judged import Judged, contained
from recsys_cli.evaluation.ranking import ranks_in_lists
from recsys_cli.evaluation.recommendations import Recommendations
from recsys_cli.schemas import Part
from recsys_cli.scoring.filters import denied_items, requested_users
from recsys_cli.scoring.popular import popular_items
from recsys_cli.scoring.ranker import Ranker
from recsys_cli.scoring.recommendations import Lists
from recsys_cli.scoring.stream import Rules, stream_lists
from recsys_cli.sequences.ragged import Ragged, span_indices
from recsys_cli.sequences.store import Dataset

USERS_PER_BATCH: Final = 1024
SCORES_HELD: Final = 32_000_000  # users × columns of a baseline's scores that are held at a time: 128 MB


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
    targets, excluded = known.as_columns(judged.targets), known.as_columns(judged.excluded)
    places: list[Standing] = []
    lists: list[NDArray[np.int32]] = []
    size = max(1, min(USERS_PER_BATCH, SCORES_HELD // len(known.columns)))
    for rows in _batches(np.arange(len(judged.users)), size):
        scores = baseline.scores(judged.users[rows])
        exclude(scores, excluded.take(rows))
        places.append(standing(scores, targets.take(rows)))
        best = best_columns(scores, k)
        lists.append(np.where(best < 0, 0, known.columns[best]).astype(np.int32))
    where = Standing.join(places)
    return Placed(baseline.name, np.concatenate(lists), where.ranks, where.tied > 0, where)


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
    items, scores = _listed(ranker, dataset, judged, settings)
    unread = int((~ranker.knows(judged.users, before=settings.split)).sum())
    if unread:
        notes.append(f"Users without an event that the model can read, who get popular items: {unread:,}.")
    if ranker.unknown_items:
        notes.append(f"Items of the dataset that the model does not know: {ranker.unknown_items:,}.")
    tied = _tied_by_model(ranker, judged, settings.split)
    return _placed_by_lists("model", items, scores, tied, judged), notes


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


def _tied_by_model(ranker: Ranker, judged: Judged, part: Part) -> NDArray[np.bool_]:
    """(targets,) whether another item has the target's retrieval score; false where nothing is scored."""
    tied = np.zeros(len(judged.targets.values), bool)
    for rows in _batches(np.flatnonzero(ranker.knows(judged.users, before=part))):
        spans = span_indices(judged.targets.offsets[rows], judged.targets.offsets[rows + 1])
        users, targets, excluded = judged.users[rows], judged.targets.take(rows), judged.excluded.take(rows)
        tied[spans] = ranker.tied(users, before=part, targets=targets, exclude=excluded)
    return tied


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
    ranks = np.where(judged.unreachable, 0, ranks_in_lists(lists, judged.targets))
    if scores is None:
        return Placed(name, lists, ranks, None, None)
    where = standing_in_lists(scores, ranks, judged.targets.offsets)
    return Placed(name, lists, ranks, where.tied > 0 if tied is None else tied, where)


def _batches(rows: NDArray[np.int64], size: int = USERS_PER_BATCH) -> list[NDArray[np.int64]]:
    return [rows[first : first + size] for first in range(0, len(rows), size)]
