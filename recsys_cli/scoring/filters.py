"""Lists of ids as a person gives them -> which users are scored, and which items they may get."""

import logging
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from recsys_cli.errors import DataError, UsageError
from recsys_cli.scoring.id_tables import IdTable, name_of, read_ids, read_pairs
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Dataset
from recsys_cli.sequences.vocabulary import numbers_of

pc: Any = pyarrow.compute  # most of its functions are made at import: checkers do not see them
LOGGER: Final = logging.getLogger("recsys")
UNKNOWN: Final = -1


@dataclass(frozen=True)
class Requested:
    """The users to score, sorted by id: integers by value, text by bytes."""

    ids: pa.Array  # (users,)
    positions: NDArray[np.int64]  # (users,) user number - 1; `UNKNOWN` where the dataset has no such user

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def unknown(self) -> int:
        return int((self.positions == UNKNOWN).sum())


def requested_users(dataset: Dataset, users: IdTable | None) -> Requested:
    """Every user of the dataset; or those of a list, each once, known or not.

    Raises DataError when the list is empty or cannot be read.
    """
    if users is None:
        return Requested(dataset.user_ids, np.arange(dataset.num_users))
    given = read_ids(users, "user", dataset.user_ids)
    if not len(given):
        raise DataError(
            f"{name_of(users)} has no user ids in it.", hint="Name the users, or leave --users out."
        )
    ids = _in_type(given.unique(), dataset.user_ids.type)
    ids = ids.take(pc.sort_indices(ids))
    positions = numbers_of(ids, dataset.user_ids).astype(np.int64) - 1
    requested = Requested(ids, positions)
    if requested.unknown:
        LOGGER.warning("users: %s of %s are not in the dataset.", f"{requested.unknown:,}", f"{len(ids):,}")
    return requested


def allowed_items(dataset: Dataset, allow: IdTable | None, deny: IdTable | None) -> NDArray[np.bool_] | None:
    """(items,) true at item number - 1 where an item may be recommended; None without such lists.

    Raises UsageError when nothing is left.
    """
    if allow is None and deny is None:
        return None
    allowed = np.ones(dataset.num_items, bool)
    if allow is not None:
        allowed &= _listed(dataset, allow, "allow-items")
    if deny is not None:
        allowed &= ~_listed(dataset, deny, "deny-items")
    if not allowed.any():
        raise UsageError(
            f"None of the {dataset.num_items:,} items of {dataset.path} may be recommended.",
            hint="Check the ids of --allow-items and --deny-items against those of the dataset.",
        )
    return allowed


def denied_items(dataset: Dataset, users: Requested, pairs: IdTable | None) -> Ragged:
    """Item numbers that each requested user must not get; a user may be unknown to the dataset."""
    if pairs is None:
        return Ragged(np.zeros(0, np.int32), np.zeros(len(users) + 1, np.int64))
    user_ids, item_ids = read_pairs(pairs)
    owners, items = numbers_of(user_ids, users.ids) - 1, numbers_of(item_ids, dataset.item_ids)
    _warn_unknown("deny-pairs", int((items == 0).sum()), len(items))
    kept = (owners >= 0) & (items > 0)
    return rows_of(owners[kept], items[kept], len(users))


def rows_of(owners: NDArray[np.integer], values: NDArray[np.int32], count: int) -> Ragged:
    """`count` rows, each with the values of its owner, in their order."""
    order = np.argsort(owners, kind="stable")
    return Ragged(values[order], np.append(0, np.cumsum(np.bincount(owners, minlength=count))))


def _listed(dataset: Dataset, items: IdTable, name: str) -> NDArray[np.bool_]:
    ids = read_ids(items, "item", dataset.item_ids).unique()
    numbers = numbers_of(ids, dataset.item_ids)
    _warn_unknown(name, int((numbers == 0).sum()), len(numbers))
    listed = np.zeros(dataset.num_items + 1, bool)
    listed[numbers] = True
    return listed[1:]


def _warn_unknown(name: str, unknown: int, total: int) -> None:
    if unknown:
        LOGGER.warning("%s: %s of %s items are not in the dataset.", name, f"{unknown:,}", f"{total:,}")


def _in_type(ids: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Ids in the dataset's type, so that the table's column has it; as text where one cannot be."""
    if ids.type == wanted:
        return ids
    if pa.types.is_integer(wanted):
        integers = _canonical_integers(ids)
        if integers is not None:
            return integers
        LOGGER.warning("users: some ids are no integers, so user_id is text in the table.")
    return ids.cast(pa.string()).unique()


def _canonical_integers(ids: pa.Array) -> pa.Array | None:
    """Texts as integers, if each is written as that integer would be: "007" is not 7."""
    try:
        integers = ids.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return integers if integers.cast(pa.string()).equals(ids.cast(pa.string())) else None
