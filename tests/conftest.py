"""Fixtures shared by every folder, and the rule for tests that need real data."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Tests, and the processes they start, compile the same few steps again and again; a cache for the
# length of the run halves their time. It must be said before jax is imported.
CACHE = tempfile.TemporaryDirectory(prefix="recsys-tests-")
JAX = {
    "JAX_PLATFORMS": "cpu",
    "JAX_COMPILATION_CACHE_DIR": CACHE.name,
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
os.environ.update(JAX)

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.artifacts.manifest import writing_artifact
from recsys_cli.schemas import ATTRIBUTES, ENTITY_ATTRIBUTES, SEQUENCES, items_schema, users_schema

Id = str | int


@pytest.fixture
def data(request: pytest.FixtureRequest) -> Path:
    """The folder that the test's `needs_data` mark names, inside RECSYS_DATA."""
    marker = request.node.get_closest_marker("needs_data")
    root = os.environ.get("RECSYS_DATA")
    if root is None:
        pytest.skip("RECSYS_DATA is not set: it names the folder of real data sets")
    return Path(root) / marker.args[0]


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Writes a dataset artifact from plain lists, without `preprocess`; see `write_dataset`."""

    def make(histories: Mapping[Id, Sequence[Id]], *, name: str = "dataset", **options: object) -> Path:
        return write_dataset(tmp_path / name, histories, **options)

    return make


def write_dataset(
    path: Path,
    histories: Mapping[Id, Sequence[Id]],
    *,
    timestamps: Mapping[Id, Sequence[int]] | None = None,  # Unix seconds; None: only an order
    ratings: Mapping[Id, Sequence[float]] | None = None,
    not_positive: Sequence[tuple[Id, int]] = (),  # user and position of events that are no targets
    item_attributes: Mapping[Id, Mapping[str, Sequence[str]]] | None = None,  # item -> field -> values
    user_attributes: Mapping[Id, Mapping[str, Sequence[str]]] | None = None,
    titles: Mapping[Id, str] | None = None,
    split: str = "leave-one-out",
    starts: Mapping[Id, tuple[int, int]] | None = None,  # validation and test, for split="time"
) -> Path:
    """A dataset of `user -> items, oldest first`, with numbers in the order of the ids."""
    user_ids = sorted(histories)
    item_ids = sorted({item for items in histories.values() for item in items})
    number = {item: index + 1 for index, item in enumerate(item_ids)}
    times = timestamps or {user: range(len(histories[user])) for user in user_ids}
    seconds = timestamps is not None
    events = [
        (user, item, time)
        for user in user_ids
        for item, time in zip(histories[user], times[user], strict=True)
    ]
    values = _attribute_values(item_attributes or {}), _attribute_values(user_attributes or {})
    numbers = _attribute_numbers(values[0], 1), _attribute_numbers(values[1], 1 + len(values[0]))
    offsets = [_starts(user, len(histories[user]), split, starts) for user in user_ids]
    tables = {
        "items.parquet": pa.Table.from_pydict(
            {
                **_entities("item_id", item_ids, [(item, time) for _, item, time in events], seconds=seconds),
                **({"text.title": [titles.get(item) for item in item_ids]} if titles else {}),
            },
            schema=items_schema(_id_type(item_ids), ["title"] if titles else []),
        ),
        "users.parquet": pa.Table.from_pydict(
            _entities("user_id", user_ids, [(user, time) for user, _, time in events], seconds=seconds),
            schema=users_schema(_id_type(user_ids), []),
        ),
        "attributes.parquet": _attributes_table(values, item_attributes or {}, user_attributes or {}),
        "item_attributes.parquet": _lists_table(item_ids, item_attributes or {}, numbers[0]),
        "user_attributes.parquet": _lists_table(user_ids, user_attributes or {}, numbers[1]),
        "sequences.parquet": pa.Table.from_pydict(
            {
                "number": range(1, len(user_ids) + 1),
                "items": [[number[item] for item in histories[user]] for user in user_ids],
                "timestamps": [list(times[user]) for user in user_ids],
                "ratings": [list(ratings[user]) if ratings else None for user in user_ids],
                "positive": [
                    [(user, place) not in not_positive for place in range(len(histories[user]))]
                    for user in user_ids
                ],
                "validation_start": [validation for validation, _ in offsets],
                "test_start": [test for _, test in offsets],
            },
            schema=SEQUENCES,
        ),
    }
    with writing_artifact(path, "dataset", overwrite=False) as writer:
        for name, table in tables.items():
            pq.write_table(table, writer.file(name))
        writer.commit(
            configuration={},
            inputs={},
            counts={
                "users": len(user_ids),
                "items": len(item_ids),
                "events": len(events),
                "attributes": len(values[0]) + len(values[1]),
                "rows": len(events),
            },
            details={
                "split": {"kind": split},
                "timestamps": "seconds" if seconds else "order",
                "title_field": "title" if titles else None,
                "fields": [],
            },
            run={},
        )
    return path


def _starts(
    user: Id, length: int, split: str, starts: Mapping[Id, tuple[int, int]] | None
) -> tuple[int, int]:
    if starts is not None:
        return starts.get(user, (length, length))
    return (length - 2, length - 1) if split == "leave-one-out" and length >= 3 else (length, length)


def _entities(
    id_name: str, ids: Sequence[Id], events: Sequence[tuple[Id, int]], *, seconds: bool
) -> dict[str, object]:
    seen = {each: [time for name, time in events if name == each] for each in ids}
    return {
        "number": range(1, len(ids) + 1),
        id_name: ids,
        "events": [len(seen[each]) for each in ids],
        "first_seen": [min(seen[each]) if seconds and seen[each] else None for each in ids],
        "last_seen": [max(seen[each]) if seconds and seen[each] else None for each in ids],
    }


def _attribute_values(entities: Mapping[Id, Mapping[str, Sequence[str]]]) -> list[tuple[str, str]]:
    pairs = {
        (field, value) for fields in entities.values() for field, values in fields.items() for value in values
    }
    return sorted(pairs)


def _attribute_numbers(values: list[tuple[str, str]], first: int) -> dict[tuple[str, str], int]:
    return {pair: first + index for index, pair in enumerate(values)}


def _attributes_table(
    values: tuple[list[tuple[str, str]], list[tuple[str, str]]],
    *entities: Mapping[Id, Mapping[str, Sequence[str]]],
) -> pa.Table:
    rows = [
        (entity, field, value, sum(value in fields.get(field, ()) for fields in owners.values()))
        for entity, pairs, owners in zip(("item", "user"), values, entities, strict=True)
        for field, value in pairs
    ]
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    named = dict(zip(("entity", "field", "value", "count"), map(list, columns), strict=True))
    return pa.Table.from_pydict({"number": range(1, len(rows) + 1), **named}, schema=ATTRIBUTES)


def _lists_table(
    ids: Sequence[Id],
    entities: Mapping[Id, Mapping[str, Sequence[str]]],
    number: Mapping[tuple[str, str], int],
) -> pa.Table:
    lists = [
        sorted(number[field, value] for field, values in entities.get(each, {}).items() for value in values)
        for each in ids
    ]
    columns = {"number": range(1, len(ids) + 1), "attributes": lists}
    return pa.Table.from_pydict(columns, schema=ENTITY_ATTRIBUTES)


def _id_type(ids: Sequence[Id]) -> pa.DataType:
    return pa.int64() if all(isinstance(each, int) for each in ids) else pa.string()
