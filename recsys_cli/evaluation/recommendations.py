"""A table of recommendations, in a file or a data frame, to lists of item numbers.

Columns `user_id`, `item_id` and `rank` (from 1); or one row a user, with a list of items, best first.
"""

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys_cli.errors import DataError
from recsys_cli.schemas import ITEM_ID, USER_ID
from recsys_cli.sequences.store import Dataset
from recsys_cli.sequences.vocabulary import numbers_of

RANK: Final = "rank"
SCORE: Final = "score"
METADATA_KEY: Final = b"recsys"  # of a Parquet file: JSON that says what made it
JSON_BLOCK: Final = 1 << 24  # bytes; no line may be longer
_HINT: Final = (
    "A table of recommendations has columns user_id, item_id and rank, as `recsys score` writes it."
)


@dataclass(frozen=True)
class Recommendations:
    """Rows sorted by user, then rank; a user's ranks count from 1 without a gap."""

    name: str  # of the file, for messages
    users: NDArray[np.int32]  # (rows,) user numbers; 0 where the dataset does not know the user
    items: NDArray[np.int32]  # (rows,) item numbers; 0 where the dataset does not know the item
    ranks: NDArray[np.int64]  # (rows,) from 1
    scores: NDArray[np.float64] | None  # (rows,) what the lists are ordered by
    made_by: dict[str, Any] | None  # the file's own metadata: `before`, `dataset`, `include_seen`, …

    @property
    def top_k(self) -> int:
        """The longest list that the table could hold."""
        stated = (self.made_by or {}).get("top_k")
        return stated if isinstance(stated, int) else int(self.ranks.max())

    def lists(self, users: NDArray[np.int64], k: int) -> NDArray[np.int32]:
        """(users, k) the lists of the given users (positions: number - 1), 0 where they have ended."""
        return self._scattered(users, self.items, np.zeros((len(users), k), np.int32))

    def listed_scores(self, users: NDArray[np.int64], k: int) -> NDArray[np.float64] | None:
        """(users, k) what the lists are ordered by, minus infinity where they have ended."""
        if self.scores is None:
            return None
        return self._scattered(users, self.scores, np.full((len(users), k), -np.inf))

    def _scattered(self, users: NDArray[np.int64], values: NDArray[Any], lists: NDArray[Any]) -> NDArray[Any]:
        """Put each row's value where it stands in its user's list."""
        row_of = np.full(int(max(users.max(initial=0) + 1, self.users.max(initial=0))) + 1, -1)
        row_of[users + 1] = np.arange(len(users))
        rows = row_of[self.users]
        kept = (rows >= 0) & (self.ranks <= lists.shape[1])
        lists[rows[kept], self.ranks[kept] - 1] = values[kept]
        return lists

    def missing(self, users: NDArray[np.int64]) -> int:
        """How many of the given users have no row."""
        return int((~np.isin(users + 1, self.users)).sum())


class _Rows(NamedTuple):
    """The columns of a table, one row a recommended item."""

    users: pa.Array
    items: pa.Array
    ranks: NDArray[np.int64]
    scores: NDArray[np.float64] | None
    places: NDArray[np.integer]  # rows of the file, from 0


def read_recommendations(source: Path | pd.DataFrame, dataset: Dataset) -> Recommendations:
    """Read a .parquet, .csv or .jsonl file, the latter two gzipped too, or a data frame.

    Raises DataError when it is missing, is no such table, its ranks do not count 1, 2, 3 … for each
    user, or a user's list has an item twice.
    """
    name = str(source) if isinstance(source, Path) else "the data frame"
    raw = _read(source) if isinstance(source, Path) else pa.Table.from_pandas(source, preserve_index=False)
    rows = _rows(raw, name)
    if not len(rows.ranks):
        raise DataError(f"{name} has no rows.", hint=_HINT)
    user_ids = rows.users.unique()
    groups = numbers_of(rows.users, user_ids) - 1
    order = np.lexsort((rows.ranks, groups))
    _check_ranks(groups[order], rows.ranks[order], rows.places[order], name)
    users = numbers_of(user_ids, dataset.user_ids)[groups[order]]
    items = numbers_of(rows.items, dataset.item_ids)[order]
    _check_items(users, items, rows.places[order], name)
    scores = None if rows.scores is None else rows.scores[order]
    return Recommendations(name, users, items, rows.ranks[order], scores, _made_by(raw, name))


def _read(path: Path) -> pa.Table:
    readers: dict[str, Callable[[Path], pa.Table]] = {
        ".parquet": pq.read_table,
        ".csv": _read_csv,
        ".jsonl": _read_json_lines,
    }
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in readers:
        raise DataError(f"{path} has none of the suffixes .parquet, .csv and .jsonl.", hint=_HINT)
    try:
        return readers[suffix](path)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.", hint="Check the name of the file.") from error
    except (pa.ArrowException, OSError, zlib.error) as error:
        reason = _without_cells(str(error).partition("\n")[0])
        raise DataError(f"{path} cannot be read as {suffix[1:]}: {reason}", hint=_HINT) from error


def _without_cells(reason: str) -> str:
    """Arrow's words without the row or the cell that it quotes: they may end up in a log."""
    return re.sub(r"(columns, got \d+|invalid value).*", r"\1", reason)


def _read_csv(path: Path) -> pa.Table:
    """Ids stay text."""
    types = {USER_ID: pa.string(), ITEM_ID: pa.string(), RANK: pa.int64()}
    return pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types),
    )


def _read_json_lines(path: Path) -> pa.Table:
    """Ids are text or integers, whatever a text looks like: Arrow takes "2026-01-01" for a time."""
    options = pyarrow.json.ReadOptions(block_size=JSON_BLOCK)
    table = pyarrow.json.read_json(path, options)
    fields = [_as_text(field) for field in table.schema if field.name in {USER_ID, ITEM_ID}]
    if all(field in table.schema for field in fields):
        return table
    parsing = pyarrow.json.ParseOptions(explicit_schema=pa.schema(fields))
    return pyarrow.json.read_json(path, options, parsing)


def _as_text(field: pa.Field) -> pa.Field:
    if _is_list(field.type) and pa.types.is_temporal(field.type.value_type):
        return field.with_type(pa.list_(pa.string()))
    return field.with_type(pa.string()) if pa.types.is_temporal(field.type) else field


def _rows(table: pa.Table, name: str) -> _Rows:
    users, items = _column(table, USER_ID, name), _column(table, ITEM_ID, name)
    scores = _column(table, SCORE, name) if SCORE in table.column_names else None
    if not _is_list(items.type):
        ranks = _as_ranks(_column(table, RANK, name), name)
        return _Rows(users, items, ranks, _as_scores(scores, name), np.arange(len(ranks)))
    lengths = items.value_lengths().to_numpy().astype(np.int64)
    ranks = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
    owners = items.value_parent_indices()
    flat_scores = None if scores is None else scores.flatten()
    places = owners.to_numpy(zero_copy_only=False)
    return _Rows(users.take(owners), items.flatten(), ranks, _as_scores(flat_scores, name), places)


def _column(table: pa.Table, column: str, name: str) -> pa.Array:
    if column not in table.column_names:
        raise DataError(f"{name} has no column {column}; it has {', '.join(table.column_names)}.", hint=_HINT)
    values = table[column].combine_chunks()
    if values.null_count:
        row = values.is_null().to_numpy(zero_copy_only=False).argmax()
        raise DataError(f"Column {column} of {name} is blank in row {row + 1}.", hint=_HINT)
    return values


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def _as_ranks(ranks: pa.Array, name: str) -> NDArray[np.int64]:
    if not pa.types.is_integer(ranks.type):
        raise DataError(f"Column {RANK} of {name} has {ranks.type}, not whole numbers.", hint=_HINT)
    return ranks.cast(pa.int64()).to_numpy()


def _as_scores(scores: pa.Array | None, name: str) -> NDArray[np.float64] | None:
    if scores is None:
        return None
    if not (pa.types.is_floating(scores.type) or pa.types.is_integer(scores.type)):
        raise DataError(f"Column {SCORE} of {name} has {scores.type}, not numbers.", hint=_HINT)
    return scores.cast(pa.float64()).to_numpy()


def _check_ranks(
    groups: NDArray[np.integer], ranks: NDArray[np.int64], places: NDArray[np.integer], name: str
) -> None:
    """Raise DataError unless each user's ranks, sorted, count from 1 without a gap."""
    first = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
    lengths = np.diff(np.append(first, len(groups)))
    expected = np.arange(len(ranks)) - np.repeat(first, lengths) + 1
    wrong = np.flatnonzero(ranks != expected)
    if len(wrong):
        row = wrong[0]
        raise DataError(
            f"{name}: row {places[row] + 1} has rank {ranks[row]} where its user's rank {expected[row]} "
            "should be.",
            hint="The ranks of each user must count 1, 2, 3 …, each once.",
        )


def _check_items(
    users: NDArray[np.int32], items: NDArray[np.int32], places: NDArray[np.integer], name: str
) -> None:
    """Raise DataError where a user's list has a known item twice."""
    pairs = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    order = np.argsort(pairs, kind="stable")
    again = np.flatnonzero((np.diff(pairs[order]) == 0) & (users[order][1:] > 0) & (items[order][1:] > 0))
    if len(again):
        row = places[order[again[0] + 1]]
        raise DataError(
            f"{name}: the item of row {row + 1} is in its user's list twice.",
            hint="An item may be in a user's list once.",
        )


def _made_by(table: pa.Table, name: str) -> dict[str, Any] | None:
    """What the file says about itself; None where it says nothing."""
    raw = (table.schema.metadata or {}).get(METADATA_KEY)
    if raw is None:
        return None
    try:
        made_by = json.loads(raw)
    except ValueError as error:
        raise DataError(f"{name}: its metadata are damaged.", hint="Make the table again.") from error
    return made_by if isinstance(made_by, dict) else None
