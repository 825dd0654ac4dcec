"""A table of recommendations and a dataset -> the lists of a few users, with titles, to be looked at."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recsys_cli.schemas import ITEM_ID, USER_ID
from recsys_cli.sequences.store import open_dataset

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Recommended:
    """One item of a list; `title` is its id where the dataset has no free text for it."""

    title: str
    score: float
    probability: float | None


@dataclass(frozen=True)
class UserList:
    """One user's list, best first."""

    user: str
    entries: list[Recommended]


def read_lists(table: Path, dataset: Path, *, users: int) -> list[UserList]:
    """The lists of the first `users` users of a table, of any format and layout; reads no further."""
    if users == 0:
        return []
    titles = read_titles(dataset)
    by_user = groupby(_records(table), key=lambda record: str(record[USER_ID]))
    return [UserList(user, _entries(records, titles)) for user, records in islice(by_user, users)]


def read_titles(dataset: Path) -> dict[str, str]:
    """Item id, as text -> its text for display; empty where the dataset has none."""
    source = open_dataset(dataset)
    if source.titles is None:
        return {}
    pairs = zip(source.item_ids.to_pylist(), source.titles, strict=True)
    return {str(item): title for item, title in pairs if title is not None}


def _records(table: Path) -> Iterator[Record]:
    """The rows of a table, one at a time, as the file has them."""
    if table.suffix.lower() == ".csv":
        with table.open(encoding="utf-8", newline="") as stream:
            yield from csv.DictReader(stream)
    elif table.suffix.lower() == ".jsonl":
        with table.open(encoding="utf-8") as stream:
            yield from map(json.loads, stream)
    else:
        for batch in pq.ParquetFile(table).iter_batches(batch_size=1024):
            yield from batch.to_pylist()


def _entries(records: Iterable[Record], titles: Mapping[str, str]) -> list[Recommended]:
    return [entry for record in records for entry in _entries_of(record, titles)]


def _entries_of(record: Record, titles: Mapping[str, str]) -> list[Recommended]:
    """One entry of a row; or all of them, where a row holds a user's whole list."""
    columns = [_as_list(record[name]) for name in (ITEM_ID, "score", "probability")]
    return [
        Recommended(
            title=titles.get(str(item), str(item)),
            score=float(score),
            probability=None if probability in (None, "") else float(probability),
        )
        for item, score, probability in zip(*columns, strict=True)
    ]


def _as_list(cell: Any) -> list[Any]:
    return cell if isinstance(cell, list) else [cell]
