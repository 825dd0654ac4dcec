"""Expectations and a new dataset or model, not yet in use -> what was found, and whether it is enough."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from recsys_cli.artifacts.manifest import MANIFEST
from recsys_cli.pipelines.pipeline import Expectations
from recsys_cli.pipelines.results import Judgement
from recsys_cli.schemas import USER_ID
from recsys_cli.sequences.store import Dataset, open_dataset
from recsys_cli.sequences.vocabulary import numbers_of

POPULAR: Final = "most popular"
METRIC: Final = "NDCG@10"


def judge_dataset(new: Path, old: Path, expectations: Expectations) -> list[Judgement]:
    """The dataset at `new` beside the one at `old`, if there is one. Raises ArtifactError.

    Shares are of rows, of the new dataset's items, and of the old dataset's users with an event.
    """
    made = open_dataset(new)
    before = open_dataset(old) if (old / MANIFEST).exists() else None
    return list(_judgements(made, before, expectations))


def _judgements(made: Dataset, before: Dataset | None, expectations: Expectations) -> Iterator[Judgement]:
    rows = made.artifact.manifest.counts["rows"]
    if expectations.min_rows is not None:
        limit = expectations.min_rows
        yield Judgement(expectation="min_rows", limit=limit, found=rows, met=rows >= limit)
    if expectations.max_rejects is not None:
        rejected = sum(made.details["summary"]["rejected"].values())
        yield _share("max_rejects", expectations.max_rejects, rejected / max(rows, 1))
    if expectations.max_new_items is not None:
        share = None if before is None else _missing(made.item_ids, before.item_ids)
        yield _share("max_new_items", expectations.max_new_items, share)
    if expectations.max_lost_users is not None:
        share = None if before is None else _missing(_with_events(before), _with_events(made))
        yield _share("max_lost_users", expectations.max_lost_users, share)


def _with_events(dataset: Dataset) -> pa.Array:
    """The ids of the users who have an event; a users table names others too."""
    users = dataset.users
    return users[USER_ID].combine_chunks().filter(pa.array(users["events"].to_numpy() > 0))


def _share(expectation: str, limit: float, found: float | None) -> Judgement:
    return Judgement(expectation=expectation, limit=limit, found=found, met=found is None or found <= limit)


def _missing(of: pa.Array, among: pa.Array) -> float:
    """The share of the ids that are not among the others."""
    return float((numbers_of(of, among) == 0).mean()) if len(of) else 0.0


def judge_model(report: Mapping[str, Any]) -> list[Judgement]:
    """The result of `recsys evaluate` on the validation part, as JSON, of a new model."""
    low = next(
        each["low"]
        for each in report["differences"]
        if each["baseline"] == POPULAR and each["metric"] == METRIC
    )
    return [Judgement(expectation="better_than_popular", limit=0, found=low, met=low > 0)]


def in_words(judgement: Judgement) -> str:
    """A sentence's beginning about an expectation that was not met."""
    found, limit = judgement.found, judgement.limit
    return {
        "min_rows": f"{found:,.0f} rows are fewer than min_rows={limit:,.0f}",
        "max_rejects": f"{found:.1%} of the rows are rejected, more than max_rejects={limit:g}",
        "max_new_items": f"{found:.1%} of the items are new, more than max_new_items={limit:g}",
        "max_lost_users": f"{found:.1%} of the users before are gone, more than max_lost_users={limit:g}",
        "better_than_popular": f"the model is not better than the most popular items (its {METRIC} "
        f"minus theirs may be {found:+.4f}, at the 95 % interval's lower end)",
    }[judgement.expectation]
