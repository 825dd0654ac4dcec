"""Events in DuckDB to the sequences file: ordered on disk, written in user order, a part at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys_cli.schemas import SEQUENCES, TimestampKind
from recsys_cli.sequences.split import Split
from recsys_cli.tables.interactions import EVENTS
from recsys_cli.tables.timestamps import MICROSECONDS

ROWS_AT_A_TIME: Final = 1_000_000


class OrderedEvents(NamedTuple):
    """Events by user, then time, then place in the input; flat, (events,) each."""

    users: NDArray[np.int32]  # numbers
    items: NDArray[np.int32]
    times: NDArray[np.int64]  # seconds; meaningless where only an order is known
    ratings: NDArray[np.float32]  # NaN where blank
    positive: NDArray[np.bool_]

    def span(self, start: int, stop: int | None) -> "OrderedEvents":
        return OrderedEvents._make(column[start:stop] for column in self)

    def then(self, other: "OrderedEvents") -> "OrderedEvents":
        return OrderedEvents._make(np.concatenate(pair) for pair in zip(self, other, strict=True))


class Written(NamedTuple):
    """How many events there are of each kind."""

    not_positive: int
    training: int
    validation: int
    test: int


def write_sequences(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    num_users: int,
    split: Split,
    timestamps: TimestampKind,
    has_rating: bool,
    positive_rating: float | None,
) -> Written:
    """Write one row a user, users without events too."""
    not_positive, next_user = 0, 1
    parts = np.zeros(3, np.int64)
    pending: OrderedEvents | None = None

    def rows(events: OrderedEvents, first: int, last: int) -> pa.Table:
        nonlocal parts
        table = _table(events, first, last, split, timestamps, has_rating=has_rating)
        parts += _part_sizes(table)
        return table

    with pq.ParquetWriter(path, SEQUENCES, compression="zstd") as writer:
        for part in _ordered(connection, positive_rating, timestamps):
            not_positive += int((~part.positive).sum())
            events = part if pending is None else pending.then(part)
            complete = int(np.searchsorted(events.users, events.users[-1]))
            last_user = int(events.users[-1]) - 1
            writer.write_table(rows(events.span(0, complete), next_user, last_user))
            pending, next_user = events.span(complete, None), last_user + 1
        rest = pending if pending is not None else _no_events()
        writer.write_table(rows(rest, next_user, num_users))
    return Written(not_positive, *parts.tolist())


def _part_sizes(table: pa.Table) -> NDArray[np.int64]:
    """Events of training, validation and test."""
    starts = [table[name].to_numpy().astype(np.int64) for name in ("validation_start", "test_start")]
    lengths = table["items"].combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
    return np.array([starts[0].sum(), (starts[1] - starts[0]).sum(), (lengths - starts[1]).sum()], np.int64)


def _ordered(
    connection: duckdb.DuckDBPyConnection, positive_rating: float | None, timestamps: TimestampKind
) -> Iterator[OrderedEvents]:
    positive = "true" if positive_rating is None else f"coalesce(rating >= {positive_rating}, false)"
    time = "e.moment" if timestamps == "seconds" else "CAST(0 AS BIGINT)"
    reader = connection.sql(
        f"SELECT u.number AS user_number, i.number AS item_number, {time} AS time, rating, "
        f"{positive} AS positive "
        f"FROM {EVENTS} e "
        'JOIN user_codes u ON u.code = e."user" JOIN item_codes i ON i.code = e.item '
        "ORDER BY u.number, e.moment, e.place"
    ).to_arrow_reader(ROWS_AT_A_TIME)
    for batch in reader:
        if batch.num_rows:
            columns = [_numpy(batch.column(number)) for number in range(5)]
            yield OrderedEvents(
                columns[0], columns[1], columns[2] // MICROSECONDS, columns[3].astype(np.float32), columns[4]
            )


def _numpy(column: pa.Array) -> NDArray[Any]:
    return column.to_numpy(zero_copy_only=False)


def _no_events() -> OrderedEvents:
    dtypes = (np.int32, np.int32, np.int64, np.float32, np.bool_)
    return OrderedEvents._make(np.zeros(0, dtype) for dtype in dtypes)


def _table(
    events: OrderedEvents, first: int, last: int, split: Split, timestamps: TimestampKind, *, has_rating: bool
) -> pa.Table:
    """Rows of the users with numbers `first` to `last`, whose events these are."""
    counts = np.bincount(events.users - first, minlength=max(0, last - first + 1))
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    times = events.times
    if timestamps == "order":
        times = np.arange(len(events.users)) - np.repeat(offsets[:-1], counts)
    validation, test = split.starts(times, events.positive, offsets)
    users = len(counts)

    def lists(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, kind))

    columns = [
        pa.array(np.arange(first, first + users), pa.int32()),
        lists(events.items, pa.int32()),
        lists(times, pa.int64()),
        lists(events.ratings, pa.float32()) if has_rating else pa.nulls(users, pa.list_(pa.float32())),
        lists(events.positive, pa.bool_()),
        pa.array(validation, pa.int32()),
        pa.array(test, pa.int32()),
    ]
    return pa.Table.from_arrays(columns, schema=SEQUENCES)
