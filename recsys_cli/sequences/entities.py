"""Items and users on disk: their numbers, counts and texts, and their attributes as lists of numbers."""

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cli.artifacts.manifest import ArtifactWriter
from recsys_cli.schemas import (
    ATTRIBUTES,
    ENTITY_ATTRIBUTES,
    NUMBER,
    Entity,
    TimestampKind,
    items_schema,
    users_schema,
)
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.tables.entities import EntityTable
from recsys_cli.tables.fields import FieldEncoder, encode
from recsys_cli.tables.interactions import EVENTS
from recsys_cli.tables.timestamps import MICROSECONDS

ENTITIES: Final[tuple[Entity, ...]] = ("item", "user")  # the order of attribute numbers
TITLES: Final = ("title", "name")  # of text fields, the first of these is what lists show


def write_entity(
    connection: duckdb.DuckDBPyConnection,
    writer: ArtifactWriter,
    entity: Entity,
    ids: pa.Array,
    table: EntityTable,
    encoders: Sequence[FieldEncoder],
    timestamps: TimestampKind,
) -> None:
    """Write `items.parquet` or `users.parquet`; row r is number r + 1."""
    seen = connection.sql(
        "SELECT number, coalesce(events, 0) AS events, first, last "
        f"FROM {entity}_numbers LEFT JOIN {entity}_codes USING (number) LEFT JOIN ("
        f'SELECT "{entity}" AS code, count(*) AS events, min(moment) AS first, max(moment) AS last '
        f"FROM {EVENTS} GROUP BY code) USING (code) ORDER BY number"
    ).to_arrow_table()
    texts = [encoder.field for encoder in encoders if encoder.entity == entity and encoder.kind == "text"]
    rows = _rows(table, ids)
    columns = [seen["number"].cast(pa.int32()), ids, seen["events"]]
    columns += [_seconds(seen[column], timestamps) for column in ("first", "last")]
    columns += [
        pa.array(rows[field], pa.string(), from_pandas=True)
        if field in rows
        else pa.nulls(len(ids), pa.string())
        for field in texts
    ]
    schema = (items_schema if entity == "item" else users_schema)(ids.type, texts)
    pq.write_table(
        pa.Table.from_arrays(columns, schema=schema), writer.file(f"{entity}s.parquet"), compression="zstd"
    )


def _rows(table: EntityTable, ids: pa.Array) -> pd.DataFrame:
    """The fields of each id, blank where the table does not have it."""
    if table.frame.columns.empty:
        return pd.DataFrame(index=range(len(ids)))
    return table.frame.reindex(ids.cast(pa.string()).to_pylist())


def _seconds(microseconds: pa.ChunkedArray, timestamps: TimestampKind) -> pa.Array:
    if timestamps == "order":
        return pa.nulls(len(microseconds), pa.int64())
    values = microseconds.fill_null(0).to_numpy() // MICROSECONDS
    return pa.array(values, pa.int64(), mask=microseconds.is_null().to_numpy())


def write_attributes(
    writer: ArtifactWriter,
    ids: Mapping[Entity, pa.Array],
    tables: Mapping[Entity, EntityTable],
    encoders: Sequence[FieldEncoder],
) -> int:
    """Write the attributes, and each item's and user's own; returns how many attributes there are."""
    parts: list[pd.DataFrame] = []
    total = 0
    for entity in ENTITIES:
        rows = _rows(tables[entity], ids[entity])
        found = encode(rows, [encoder for encoder in encoders if encoder.entity == entity])
        lists = Ragged(found.indices + np.int32(total + 1), found.offsets)
        _write_lists(writer, entity, lists)
        parts.append(
            pd.DataFrame(
                {
                    NUMBER: np.arange(total + 1, total + 1 + len(found.values)),
                    "entity": entity,
                    "field": found.fields,
                    "value": pd.Series(found.values, dtype=object),
                    "count": found.counts,
                }
            )
        )
        total += len(found.values)
    table = pa.Table.from_pandas(pd.concat(parts), schema=ATTRIBUTES, preserve_index=False)
    pq.write_table(table, writer.file("attributes.parquet"), compression="zstd")
    return total


def _write_lists(writer: ArtifactWriter, entity: Entity, lists: Ragged) -> None:
    arrays = [
        pa.array(np.arange(1, len(lists) + 1), pa.int32()),
        pa.ListArray.from_arrays(pa.array(lists.offsets, pa.int32()), pa.array(lists.values, pa.int32())),
    ]
    table = pa.Table.from_arrays(arrays, schema=ENTITY_ATTRIBUTES)
    pq.write_table(table, writer.file(f"{entity}_attributes.parquet"), compression="zstd")


def title_field(encoders: Sequence[FieldEncoder]) -> str | None:
    """The items' text field that lists show; None where they have none."""
    texts = [encoder.field for encoder in encoders if encoder.entity == "item" and encoder.kind == "text"]
    named = [field for name in TITLES for field in texts if field.casefold() == name]
    return next(iter(named + texts), None)
