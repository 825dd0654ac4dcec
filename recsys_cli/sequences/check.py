"""A dataset -> nothing, or an ArtifactError: all that its readers rely on, in its tables and between them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys_cli.artifacts.manifest import REMAKE
from recsys_cli.errors import ArtifactError
from recsys_cli.schemas import (
    ATTRIBUTES,
    ENTITY_ATTRIBUTES,
    EVENTS,
    FIRST_SEEN,
    ITEM_ID,
    LAST_SEEN,
    REJECTS,
    SEQUENCES,
    USER_ID,
    Entity,
)
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Dataset, Sequences
from recsys_cli.sequences.table_file import TableFile

ANY: Final = np.iinfo(np.int64)


def check_dataset(dataset: Dataset) -> None:
    """Raise ArtifactError, naming the file and the row, where something does not hold. Reads every file."""
    for name in dataset.artifact.manifest.files:
        dataset.artifact.file(name)
    sequences = _check_sequences(dataset)
    attributes = TableFile.read(dataset.artifact, "attributes.parquet", ATTRIBUTES)
    of_user = attributes.require_attributes()
    for entity in ("item", "user"):
        _check_entities(dataset, entity, sequences)
        _check_lists(dataset, entity, attributes, of_user)
    _check_counts(dataset, sequences)
    if "rejects.parquet" in dataset.artifact.manifest.files:
        TableFile.read(dataset.artifact, "rejects.parquet", REJECTS)


def _check_sequences(dataset: Dataset) -> Sequences:
    """Lists of one length, oldest event first, of known items; parts in their order."""
    file = TableFile.read(dataset.artifact, "sequences.parquet", SEQUENCES)
    file.require_numbered()
    if len(file.table) != dataset.num_users:
        raise file.wrong(f"there are {len(file.table):,} rows for {dataset.num_users:,} users")
    lengths = file.lists("items", low=1, high=dataset.num_items).lengths()
    times = file.lists("timestamps", low=ANY.min, high=ANY.max)
    for column in ("timestamps", "positive", "ratings"):
        found = file.table[column].combine_chunks()
        if not (column == "ratings" and found.null_count == len(found)):
            file.require(np.diff(found.offsets.to_numpy()) == lengths, f"items and {column} differ in length")
    file.require_steps(times, np.diff(times.values) >= 0, "its timestamps fall")
    validation, test = file.numbers("validation_start"), file.numbers("test_start")
    file.require(
        (validation >= 0) & (validation <= test) & (test <= lengths), "its parts are out of their order"
    )
    return dataset.sequences


def _check_entities(dataset: Dataset, entity: Entity, sequences: Sequences) -> None:
    """Numbers, ids, and what the table says of the events of each."""
    table, id_column = (dataset.items, ITEM_ID) if entity == "item" else (dataset.users, USER_ID)
    file = TableFile(table, str(dataset.artifact.file(f"{entity}s.parquet")))
    file.require_numbered()
    file.require_ascending_ids(id_column)
    owners = sequences.items - 1 if entity == "item" else Ragged(sequences.items, sequences.offsets).owners()
    events = np.bincount(owners, minlength=len(file.table))
    if len(events) > len(file.table):
        raise file.wrong(f"there are {len(file.table):,} rows, but events of {entity} {len(events):,}")
    file.require(file.numbers(EVENTS) == events, "its events are not as many as the sequences have")
    if dataset.timestamp_kind == "seconds":
        _check_seen(file, owners, sequences.timestamps, events)


def _check_seen(
    file: TableFile, owners: NDArray[np.integer], times: NDArray[np.int64], events: NDArray[np.integer]
) -> None:
    """First and last seen are the earliest and the latest of the timestamps."""
    first, last = np.full(len(events), ANY.max), np.full(len(events), ANY.min)
    np.minimum.at(first, owners, times)
    np.maximum.at(last, owners, times)
    for column, wanted in ((FIRST_SEEN, first), (LAST_SEEN, last)):
        values = file.table[column].combine_chunks()
        stated = values.fill_null(0).to_numpy(zero_copy_only=False)
        null = values.is_null().to_numpy(zero_copy_only=False)
        file.require(
            np.where(events > 0, (stated == wanted) & ~null, null), f"its {column} is another event's"
        )


def _check_lists(dataset: Dataset, entity: Entity, attributes: TableFile, of_user: NDArray[np.bool_]) -> None:
    """Attribute numbers ascend, are of the entity, and are as many as the table of attributes says."""
    file = TableFile.read(dataset.artifact, f"{entity}_attributes.parquet", ENTITY_ATTRIBUTES)
    file.require_numbered()
    owners = dataset.num_items if entity == "item" else dataset.num_users
    if len(file.table) != owners:
        raise file.wrong(f"there are {len(file.table):,} rows for {owners:,} {entity}s")
    of_items = int((~of_user).sum())
    low, high = (1, of_items) if entity == "item" else (of_items + 1, len(of_user))
    lists = file.lists("attributes", low=low, high=high)
    file.require_steps(lists, np.diff(lists.values) > 0, "its attributes do not ascend")
    counts = np.bincount(lists.values, minlength=len(of_user) + 1)[1:]
    mine = of_user == (entity == "user")
    attributes.require(
        (attributes.numbers("count") == counts) | ~mine, f"its count is not that of the {entity}s"
    )


def _check_counts(dataset: Dataset, sequences: Sequences) -> None:
    """The manifest counts what the files hold."""
    found = {
        "items": len(dataset.items),
        "users": len(dataset.users),
        "attributes": len(dataset.attributes),
        "events": len(sequences.items),
    }
    for name, number in found.items():
        stated = dataset.artifact.manifest.counts.get(name)
        if stated != number:
            raise ArtifactError(
                f"{dataset.path}: its manifest counts {stated} {name}, its files hold {number}.", hint=REMAKE
            )
