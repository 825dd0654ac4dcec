"""A Parquet table of recommendations -> what it holds, or an ArtifactError: read a part at a time."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys_cli.artifacts.documents import parse_document
from recsys_cli.artifacts.parquet import open_parquet, require_fields, require_id_type
from recsys_cli.errors import ArtifactError
from recsys_cli.evaluation.recommendations import METADATA_KEY
from recsys_cli.schemas import ITEM_ID, USER_ID
from recsys_cli.scoring.recommendations import SOURCES, Layout, table_schema

pc: Any = pyarrow.compute  # most of its functions are made at import: checkers do not see them
ROWS_AT_A_TIME: Final = 1 << 18
_HINT: Final = "Make the table again with `recsys score`."
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Held:
    """What a sound table holds, and what made it."""

    layout: Layout
    users: int
    rows: int
    by_source: dict[str, int]  # source -> rows; with lists, users
    made_by: dict[str, Any]


@dataclass(frozen=True)
class _Lists:
    """Whole lists of some users; a row is an item of a list, and `owners[row]` is the list's place."""

    users: pa.Array  # (lists,)
    owners: NDArray[np.int64]  # (rows,) ascending
    items: pa.Array  # (rows,)
    ranks: NDArray[np.int64]
    scores: NDArray[np.float32]
    probabilities: NDArray[np.float32]  # NaN where null


def check_table(path: Path) -> Held:
    """Raise ArtifactError, naming the file and a row (lists: counted in items), where a rule is broken.

    Columns and types are the schema's; users ascend; a user's ranks count 1, 2, 3 …, no item is there
    twice, and no score is above the one before it.
    """
    with open_parquet(path, hint=_HINT) as source:
        layout = _layout(source.schema_arrow, path)
        made_by = _made_by(source, path)
        counts: Counter[str] = Counter()
        users = rows = 0
        last: pa.Scalar | None = None
        for part in _whole_lists(source, layout):
            lists = _unpacked(part, layout, path)
            _check_lists(lists, last, first_row=rows, path=path)
            counts.update(dict(zip(*_counted(part["source"]), strict=True)))
            users, rows, last = users + len(lists.users), rows + len(lists.ranks), lists.users[-1]
    if unknown := counts.keys() - set(SOURCES):
        raise ArtifactError(f"{path}: its column source has {min(unknown)!r}.", hint=_HINT)
    return Held(layout, users, rows, {name: counts[name] for name in SOURCES if counts[name]}, made_by)


def _layout(schema: pa.Schema, path: Path) -> Layout:
    """With rows or lists; the columns are those of the layout. Raises ArtifactError where they are not."""
    user_type = require_id_type(schema, USER_ID, path, hint=_HINT)
    layout: Layout = "rows"
    items = schema.field(ITEM_ID).type if schema.names.count(ITEM_ID) == 1 else None
    if items is not None and pa.types.is_list(items):
        layout, items = "lists", items.value_type
    item_type = require_id_type(pa.schema([(ITEM_ID, items or pa.null())]), ITEM_ID, path, hint=_HINT)
    wanted = table_schema(user_type, item_type, layout)
    require_fields(schema, wanted, path, hint=_HINT)
    if schema.names != wanted.names:
        raise ArtifactError(f"{path} has the columns {', '.join(schema.names)}.", hint=_HINT)
    return layout


def _made_by(source: pq.ParquetFile, path: Path) -> dict[str, Any]:
    """What the file says of itself: the fingerprints of a model and a dataset are among it."""
    raw = (source.schema_arrow.metadata or {}).get(METADATA_KEY, b"")
    if not raw:
        raise ArtifactError(f"{path} does not say what it was made from.", hint=_HINT)
    made_by = parse_document(raw, path, hint=_HINT)
    for name in ("model", "dataset"):
        if not _FINGERPRINT.fullmatch(str(made_by.get(name))):
            raise ArtifactError(f"{path}: its metadata have no fingerprint of a {name}.", hint=_HINT)
    return made_by


def _whole_lists(source: pq.ParquetFile, layout: Layout) -> Iterator[pa.Table]:
    """The rows in parts that end where a user's list ends."""
    waiting = source.schema_arrow.empty_table()
    for batch in source.iter_batches(batch_size=ROWS_AT_A_TIME):
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
        ends = len(waiting) if layout == "lists" else _start_of_last(waiting[USER_ID].combine_chunks())
        if ends:
            yield waiting.slice(0, ends).combine_chunks()
            waiting = waiting.slice(ends)
    if len(waiting):
        yield waiting.combine_chunks()


def _start_of_last(users: pa.Array) -> int:
    """Where the last user's rows begin."""
    starts = np.flatnonzero(_differs(users))
    return int(starts[-1]) if len(starts) else 0


def _differs(users: pa.Array) -> NDArray[np.bool_]:
    """(rows,) whether a row is of another user than the one before it."""
    changed = pc.not_equal(users[1:], users[:-1]).to_numpy(zero_copy_only=False).astype(bool)
    return np.append(np.ones(min(1, len(users)), bool), changed)


def _unpacked(part: pa.Table, layout: Layout, path: Path) -> _Lists:
    for name in part.column_names:
        if name != "probability" and part[name].null_count:
            raise ArtifactError(f"{path}: column {name} has nulls.", hint=_HINT)
    columns = {name: part[name].combine_chunks() for name in part.column_names}
    users = columns[USER_ID]
    if layout == "rows":
        starts = _differs(users)
        owners = np.cumsum(starts) - 1
        users = users.take(pa.array(np.flatnonzero(starts)))
    else:
        lengths = {name: columns[name].value_lengths() for name in (ITEM_ID, "rank", "score", "probability")}
        if any(each != lengths[ITEM_ID] for each in lengths.values()):
            raise ArtifactError(f"{path}: the lists of a row differ in length.", hint=_HINT)
        owners = np.repeat(np.arange(len(users)), lengths[ITEM_ID].to_numpy())
        columns |= {name: columns[name].flatten() for name in lengths}
    return _Lists(
        users,
        owners,
        columns[ITEM_ID],
        columns["rank"].to_numpy(zero_copy_only=False),
        columns["score"].to_numpy(zero_copy_only=False),
        columns["probability"].to_numpy(zero_copy_only=False),
    )


def _check_lists(lists: _Lists, last: pa.Scalar | None, *, first_row: int, path: Path) -> None:
    def require(holds: NDArray[np.bool_], what: str) -> None:
        if not holds.all():
            row = first_row + int(np.argmin(holds)) + 1
            raise ArtifactError(f"{path}: row {row}: {what}.", hint=_HINT)

    users = (
        lists.users if last is None else pa.concat_arrays([pa.array([last.as_py()], last.type), lists.users])
    )
    above = pc.greater(users[1:], users[:-1]).to_numpy(zero_copy_only=False).astype(bool)
    if last is None:
        above = np.append(True, above)
    first = np.searchsorted(lists.owners, np.arange(len(lists.users)))
    require(above[lists.owners], "its user does not come after the one before")
    require(
        lists.ranks == np.arange(len(lists.ranks)) - first[lists.owners] + 1,
        "its rank is not the one after the last",
    )
    require(np.isfinite(lists.scores), "its score is not finite")
    within = np.diff(lists.owners, prepend=-1) == 0
    rises = np.append(False, np.diff(lists.scores) > 0)
    require(~(within & rises), "its score is above that of the rank before")
    chance = lists.probabilities
    require(np.isnan(chance) | ((chance >= 0) & (chance <= 1)), "its probability is not between 0 and 1")
    require(~_repeated(lists), "its item is in the user's list already")


def _repeated(lists: _Lists) -> NDArray[np.bool_]:
    """(rows,) whether a row's item is in the same list before it."""
    codes = lists.items.dictionary_encode().indices.to_numpy().astype(np.int64)
    pairs = lists.owners * (int(codes.max(initial=0)) + 1) + codes
    order = np.argsort(pairs, kind="stable")
    repeated = np.zeros(len(pairs), bool)
    repeated[order[1:]] = np.diff(pairs[order]) == 0
    return repeated


def _counted(sources: pa.ChunkedArray) -> tuple[list[str], list[int]]:
    counts = pc.value_counts(sources.combine_chunks().cast(pa.string()))
    return counts.field("values").to_pylist(), counts.field("counts").to_pylist()
