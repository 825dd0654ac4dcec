"""A model and a dataset to a table of recommendations: whom, what they may get, rank, write."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from recsys_cli import __version__
from recsys_cli.artifacts.atomic import held_file
from recsys_cli.config.settings import ScoreSettings
from recsys_cli.models.store import StoredModel, open_model
from recsys_cli.scoring.dated_output import check_keep, clear_other_days, dated_path, remove_older
from recsys_cli.scoring.filters import Requested, allowed_items, denied_items, requested_users
from recsys_cli.scoring.id_tables import IdTable
from recsys_cli.scoring.model_ranker import load_ranker
from recsys_cli.scoring.popular import popular_items
from recsys_cli.scoring.ranker import Ranker
from recsys_cli.scoring.recommendations import SOURCES, Lists, recommendations_table, table_schema
from recsys_cli.scoring.stream import Rules, stream_lists
from recsys_cli.scoring.table_files import ITEMS_PER_GROUP, check_format, writing_table
from recsys_cli.sequences.store import Dataset, open_dataset
from recsys_cli.stages.results import ScoreResult

OnProgress = Callable[[int, int], None]  # users done, users in all


def score(
    model: Path,
    dataset: Path,
    output: Path,
    *,
    settings: ScoreSettings | None = None,
    users: IdTable | None = None,
    allow_items: IdTable | None = None,
    deny_items: IdTable | None = None,
    deny_pairs: IdTable | None = None,
    overwrite: bool = False,
    wait: float = 0.0,
    on_progress: OnProgress | None = None,
    today: date | None = None,
) -> ScoreResult:
    """Write the best items of every user, or of `users` only, as the table `output`.

    `{date}` in its name becomes `today`, in UTC. Lists of ids are files or data frames. A user
    without a history that the model can read gets popular items. Another run on the same output is
    waited for, at most `wait` seconds. Raises UsageError, DataError, ArtifactError, LockedError,
    SystemRefusedError.
    """
    settings = settings or ScoreSettings()
    check_format(output, settings.layout)
    check_keep(output, settings.keep)
    path = dated_path(output, today or datetime.now(UTC).date())
    with held_file(path, overwrite=overwrite, wait=wait) as file:
        clear_other_days(output)
        trained, source = open_model(model), _open(dataset, settings)
        requested = requested_users(source, users)
        rules = Rules(
            before=settings.before,
            top_k=min(settings.top_k, source.num_items),
            include_seen=settings.include_seen,
            allowed=allowed_items(source, allow_items, deny_items),
            denied=denied_items(source, requested, deny_pairs),
        )
        ranker = load_ranker(trained, source, scorer=settings.scorer, candidates=settings.candidates)
        batches = _stream(source, requested, ranker, rules, settings)
        item_ids = source.item_ids
        counts: Counter[str] = Counter()
        with writing_table(
            file,
            table_schema(requested.ids.type, item_ids.type, settings.layout),
            metadata=_metadata(trained, source, settings),
            rows_per_group=_rows_per_group(rules, settings),
        ) as write:
            for lists in batches:
                write(recommendations_table(lists, item_ids, settings.layout))
                counts.update(_counted(lists))
                if on_progress is not None:
                    on_progress(counts["users"], len(requested))
        removed = [] if settings.keep is None else remove_older(output, path, settings.keep)
    return _result(path, counts, requested, ranker, removed)


def _open(dataset: Path, settings: ScoreSettings) -> Dataset:
    source = open_dataset(dataset)
    if settings.before is not None:
        source.require_part(settings.before)
    return source


def _stream(
    source: Dataset, requested: Requested, ranker: Ranker, rules: Rules, settings: ScoreSettings
) -> Iterator[Lists]:
    return stream_lists(
        requested,
        ranker=ranker,
        popular=popular_items(
            source, before=settings.before, days=settings.popular_days, allowed=rules.allowed
        ),
        sequences=source.sequences,
        rules=rules,
        users_per_batch=settings.users_per_batch,
    )


def _metadata(model: StoredModel, source: Dataset, settings: ScoreSettings) -> dict[str, Any]:
    """What made the table. Nothing of the clock, so that a rerun gives the same bytes."""
    chosen = {"before", "top_k", "candidates", "scorer", "include_seen", "popular_days"}
    return {
        "model": model.artifact.fingerprint,
        "dataset": source.fingerprint,
        "version": __version__,
        **settings.model_dump(mode="json", include=chosen),
    }


def _rows_per_group(rules: Rules, settings: ScoreSettings) -> int:
    return ITEMS_PER_GROUP if settings.layout == "rows" else max(1, ITEMS_PER_GROUP // rules.top_k)


def _counted(lists: Lists) -> dict[str, int]:
    """Users in all and by source, users without an item, and rows."""
    lengths = lists.lengths()
    by_source = np.bincount(lists.sources, minlength=len(SOURCES))
    return {
        "users": len(lengths),
        "items": int(lengths.sum()),
        "empty": int((lengths == 0).sum()),
        **dict(zip(SOURCES, by_source.tolist(), strict=True)),
    }


def _result(
    path: Path, counts: Counter[str], requested: Requested, ranker: Ranker, removed: list[Path]
) -> ScoreResult:
    notes: list[str] = []
    if counts["empty"]:
        notes.append(f"Nothing was left to recommend to {counts['empty']:,} user(s).")
    if ranker.unknown_items:
        notes.append(f"{ranker.unknown_items:,} items of the dataset are not in the model: left out.")
    return ScoreResult(
        output=path,
        users=len(requested),
        rows=counts["items"],
        by_source={source: counts[source] for source in SOURCES if counts[source]},
        unknown_users=requested.unknown,
        unknown_items=ranker.unknown_items,
        removed=removed,
        notes=notes,
    )
