"""A dataset artifact in memory: flat arrays, ready for batches, scoring and evaluation."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel

from recsys_cli.artifacts.documents import validated
from recsys_cli.artifacts.manifest import MANIFEST, REMAKE, Artifact, open_artifact
from recsys_cli.artifacts.parquet import open_parquet, require_fields, require_id_type
from recsys_cli.errors import ArtifactError, UsageError
from recsys_cli.schemas import (
    ATTRIBUTES,
    ENTITY_ATTRIBUTES,
    ITEM_ID,
    SEQUENCES,
    TEXT_PREFIX,
    USER_ID,
    Entity,
    Part,
    SplitKind,
    TimestampKind,
    items_schema,
    users_schema,
)
from recsys_cli.sequences.ragged import Ragged


@dataclass(frozen=True)
class Sequences:
    """Every user's events, oldest first: user number u owns the span `offsets[u-1]:offsets[u]`."""

    items: NDArray[np.int32]  # (events,) item numbers
    timestamps: NDArray[np.int64]  # (events,) Unix seconds, or an order
    ratings: NDArray[np.float32] | None  # (events,), NaN where blank; None where the data have none
    positive: NDArray[np.bool_]  # (events,)
    offsets: NDArray[np.int64]  # (users + 1,)
    validation_start: NDArray[np.int64]  # (users,) absolute position of the first validation event
    test_start: NDArray[np.int64]  # (users,) absolute position of the first test event

    @property
    def starts(self) -> NDArray[np.int64]:
        return self.offsets[:-1]

    @property
    def stops(self) -> NDArray[np.int64]:
        return self.offsets[1:]

    def cut(self, before: Part | None) -> NDArray[np.int64]:
        """(users,) absolute position where each user's history ends: just before a part, or at the end."""
        if before is None:
            return self.stops
        return self.validation_start if before == "validation" else self.test_start

    def history(self, before: Part | None) -> Ragged:
        """The items each user had met before a part (None: all of them)."""
        return Ragged(self.items, self.offsets).spans(self.starts, self.cut(before))

    def targets(self, part: Part) -> Ragged:
        """The positive items of a part; no row is longer than the part."""
        start = self.cut(part)
        stop = self.test_start if part == "validation" else self.stops
        inside = np.zeros(len(self.items) + 1, np.int64)
        np.cumsum(self.positive, out=inside[1:])
        offsets = np.concatenate([[0], np.cumsum(inside[stop] - inside[start])])
        spans = Ragged(np.arange(len(self.items), dtype=np.int32), self.offsets).spans(start, stop)
        kept = spans.values[self.positive[spans.values]]
        return Ragged(self.items[kept], offsets)


@dataclass(frozen=True)
class Dataset:
    """What `preprocess` made. Tables are read when they are first asked for."""

    artifact: Artifact

    @property
    def path(self) -> Path:
        return self.artifact.path

    @property
    def fingerprint(self) -> str:
        return self.artifact.fingerprint

    @property
    def details(self) -> dict[str, Any]:
        return self.artifact.manifest.details

    @property
    def split(self) -> SplitKind:
        return self.details["split"]["kind"]

    @property
    def timestamp_kind(self) -> TimestampKind:
        return self.details["timestamps"]

    @cached_property
    def items(self) -> pa.Table:
        return self._entities("items.parquet", ITEM_ID, items_schema)

    @cached_property
    def users(self) -> pa.Table:
        return self._entities("users.parquet", USER_ID, users_schema)

    def _entities(
        self, name: str, id_column: str, make_schema: Callable[[pa.DataType, list[str]], pa.Schema]
    ) -> pa.Table:
        table, path = self.artifact.table(name), self.artifact.file(name)
        kind = require_id_type(table.schema, id_column, path, hint=REMAKE)
        texts = [column for column in table.schema.names if column.startswith(TEXT_PREFIX)]
        schema = make_schema(kind, [column.removeprefix(TEXT_PREFIX) for column in texts])
        require_fields(table.schema, schema, path, hint=REMAKE)
        self._require(name, len(table) == self.artifact.manifest.counts[name.partition(".")[0]])
        return table

    def _require(self, name: str, sound: bool) -> None:
        """Raise ArtifactError unless a file's numbers are such that they can be used as places."""
        if not sound:
            raise ArtifactError(
                f"{self.artifact.file(name)} does not fit the other files.",
                hint=f"`recsys check {self.path}` says where.",
            )

    @cached_property
    def attributes(self) -> pa.Table:
        return self.artifact.table("attributes.parquet", ATTRIBUTES)

    @property
    def item_ids(self) -> pa.Array:
        return self.items[ITEM_ID].combine_chunks()

    @cached_property
    def user_ids(self) -> pa.Array:
        path = self.artifact.file("users.parquet")
        with open_parquet(path, hint=REMAKE) as source:
            require_id_type(source.schema_arrow, USER_ID, path, hint=REMAKE)
            ids = source.read([USER_ID])[USER_ID].combine_chunks()
        self._require("users.parquet", len(ids) == self.num_users)
        return ids

    @property
    def num_items(self) -> int:
        return self.artifact.manifest.counts["items"]

    @property
    def num_users(self) -> int:
        return self.artifact.manifest.counts["users"]

    @cached_property
    def item_attributes(self) -> Ragged:
        """Attribute numbers of each item; row r is item number r + 1."""
        return self._attributes_of("item", self.num_items)

    @cached_property
    def user_attributes(self) -> Ragged:
        """Attribute numbers of each user; row r is user number r + 1."""
        return self._attributes_of("user", self.num_users)

    def _attributes_of(self, entity: Entity, rows: int) -> Ragged:
        name = f"{entity}_attributes.parquet"
        lists = _ragged(self.artifact.table(name, ENTITY_ATTRIBUTES), "attributes")
        last = self.artifact.manifest.counts["attributes"]
        known = lists.values.min(initial=1) >= 1 and lists.values.max(initial=0) <= last
        self._require(name, len(lists) == rows and bool(known))
        return lists

    @cached_property
    def sequences(self) -> Sequences:

        def column(name: str) -> pa.Table:  # one at a time: their arrays, and not the table beside them
            return self.artifact.table("sequences.parquet", [SEQUENCES.field(name)])

        items = _ragged(column("items"), "items")
        ratings = column("ratings")
        found = Sequences(
            items=items.values,
            timestamps=_flat(column("timestamps"), "timestamps"),
            ratings=None if ratings["ratings"].null_count else _flat(ratings, "ratings"),
            positive=_flat(column("positive"), "positive"),
            offsets=items.offsets,
            validation_start=items.offsets[:-1] + column("validation_start")["validation_start"].to_numpy(),
            test_start=items.offsets[:-1] + column("test_start")["test_start"].to_numpy(),
        )
        self._require("sequences.parquet", _is_sound(found, self.num_users, self.num_items))
        return found

    @cached_property
    def titles(self) -> list[str | None] | None:
        """Display text of each item number - 1; None where the data have none."""
        field = self.details["title_field"]
        return None if field is None else self.items[TEXT_PREFIX + field].to_pylist()

    def require_part(self, part: Part) -> None:
        """Raise UsageError when the dataset was made without a split."""
        if self.split == "none":
            raise UsageError(
                f"{self.path} has no {part} part: it was made with --split none.",
                hint="Make it with `recsys preprocess --split leave-one-out`.",
            )


class _SplitDetails(BaseModel):
    kind: SplitKind


class _Details(BaseModel):
    """What readers take from a dataset's `details`; there is more, for people."""

    split: _SplitDetails
    timestamps: TimestampKind
    title_field: str | None
    fields: list[dict[str, Any]]


class _Counts(BaseModel):
    items: int
    users: int
    attributes: int


def open_dataset(path: Path) -> Dataset:
    """Open a dataset artifact. Raises ArtifactError when `path` is not one."""
    artifact = open_artifact(path, "dataset")
    validated(_Details, artifact.manifest.details, f"{path / MANIFEST}: details", hint=REMAKE)
    validated(_Counts, artifact.manifest.counts, f"{path / MANIFEST}: counts", hint=REMAKE)
    return Dataset(artifact)


def _is_sound(found: Sequences, users: int, items: int) -> bool:
    """One sequence a user, known items, columns of one length, parts in their order."""
    events = len(found.items)
    columns = (found.timestamps, found.positive, *([] if found.ratings is None else [found.ratings]))
    cuts = (found.starts, found.validation_start, found.test_start, found.stops)
    return (
        len(found.offsets) == users + 1
        and all(len(column) == events for column in columns)
        and bool(found.items.min(initial=1) >= 1 and found.items.max(initial=0) <= items)
        and all((before <= after).all() for before, after in itertools.pairwise(cuts))
    )


def _flat(table: pa.Table, column: str) -> NDArray[Any]:
    return table[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)


def _ragged(table: pa.Table, column: str) -> Ragged:
    lists = table[column].combine_chunks()
    if lists.null_count:
        raise ArtifactError(f"Column {column} has nulls.", hint="Make the dataset again.")
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return Ragged(lists.flatten().to_numpy(zero_copy_only=False), offsets - offsets[0])
