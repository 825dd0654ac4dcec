"""Events in DuckDB to the sequences file: ordered on disk, written in user order, a part at a time."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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

ROWS_AT_A_TIME: Final = 500_000
FEW_VALUES: Final = ["items.list.element", "ratings.list.element"]  # as Parquet calls them
ENCODINGS: Final = {"timestamps.list.element": "DELTA_BINARY_PACKED"}


class OrderedEvents(NamedTuple):
    """Events by user, then time, then place in the input; flat, (events,) each."""

    users: NDArray[np.int32]  # numbers
    items: NDArray[np.int32]
    times: NDArray[np.int64]  # seconds; meaningless where only an order is known
    ratings: NDArray[np.float32]  # NaN where blank
    positive: NDArray[np.bool_]

    def span(self, start: int, stop: int | None) -> "OrderedEvents":
        return OrderedEvents._make(column[start:stop] for column in self)


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
    next_user = 1
    parts = np.zeros(3, np.int64)
    pending = _no_events()

    def rows(events: OrderedEvents, first: int, last: int) -> pa.Table:
        nonlocal parts
        table = _table(events, first, last, split, timestamps, has_rating=has_rating)
        parts += _part_sizes(table)
        return table

    not_positive = 0
    with _writing(path) as write:
        for part in _regrouped(_ordered(connection, positive_rating, timestamps)):
            not_positive += int((~part.positive).sum())
            events = _joined([pending, part])
            complete = int(np.searchsorted(events.users, events.users[-1]))
            last_user = int(events.users[-1]) - 1
            if complete:
                write(rows(events.span(0, complete), next_user, last_user))
                next_user = last_user + 1
            pending = events.span(complete, None)
        write(rows(pending, next_user, num_users))
    return Written(not_positive, *parts.tolist())


@contextmanager
def _writing(path: Path) -> Generator[Callable[[pa.Table], None]]:
    """Gives what writes a row group, while the caller makes the next one; only one waits."""
    with (
        pq.ParquetWriter(
            path,
            SEQUENCES,
            compression="zstd",
            use_dictionary=FEW_VALUES,  # pyright: ignore[reportArgumentType]  # its stub knows no list
            column_encoding=ENCODINGS,
        ) as writer,
        ThreadPoolExecutor(max_workers=1) as thread,
    ):
        writing = thread.submit(int)

        def write(table: pa.Table) -> None:
            nonlocal writing
            writing.result()
            writing = thread.submit(writer.write_table, table)

        yield write
        writing.result()


def _regrouped(parts: Iterator[OrderedEvents]) -> Iterator[OrderedEvents]:
    """The same events, `ROWS_AT_A_TIME` in each part but the last, so that no file depends on threads."""
    waiting: list[OrderedEvents] = []
    for part in parts:
        waiting.append(part)
        while sum(len(each.users) for each in waiting) >= ROWS_AT_A_TIME:
            whole = _joined(waiting)
            yield whole.span(0, ROWS_AT_A_TIME)
            waiting = [whole.span(ROWS_AT_A_TIME, None)]
    rest = _joined(waiting)
    if len(rest.users):
        yield rest


def _joined(parts: Sequence[OrderedEvents]) -> OrderedEvents:
    columns = zip(*[_no_events(), *parts], strict=True)
    return OrderedEvents._make(np.concatenate(column) for column in columns)


def _part_sizes(table: pa.Table) -> NDArray[np.int64]:
    """Events of training, validation and test."""
    starts = [table[name].to_numpy().astype(np.int64) for name in ("validation_start", "test_start")]
    lengths = table["items"].combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
    return np.array([starts[0].sum(), (starts[1] - starts[0]).sum(), (lengths - starts[1]).sum()], np.int64)


def _ordered(
    connection: duckdb.DuckDBPyConnection, positive_rating: float | None, timestamps: TimestampKind
) -> Iterator[OrderedEvents]:
    time = "e.moment" if timestamps == "seconds" else "CAST(0 AS BIGINT)"
    reader = connection.sql(
        f"SELECT u.number AS user_number, i.number AS item_number, {time} AS time, rating "
        f"FROM {EVENTS} e "
        'JOIN user_codes u ON u.code = e."user" JOIN item_codes i ON i.code = e.item '
        "ORDER BY u.number, e.moment, e.place"
    ).to_arrow_reader(ROWS_AT_A_TIME)
    for batch in reader:
        users, items, times, ratings = (_numpy(batch.column(number)) for number in range(4))
        ratings = ratings.astype(np.float32)
        is_positive = (
            np.ones(len(users), np.bool_)
            if positive_rating is None
            else ratings >= np.float32(positive_rating)
        )
        yield OrderedEvents(users, items, times // MICROSECONDS, ratings, is_positive)


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
