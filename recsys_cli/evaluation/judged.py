"""Who is measured on which items: users with a target in a part of the split and an earlier event."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_cli.schemas import Part
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Sequences


@dataclass(frozen=True)
class Judged:
    """The measured users; rows of `targets` and `excluded` are theirs, in order."""

    users: NDArray[np.int64]  # positions (user number - 1), ascending
    targets: Ragged  # different item numbers, in the order they were met; at least one a user
    excluded: Ragged  # item numbers that may not be recommended: those met before, or none
    unreachable: NDArray[np.bool_]  # (targets,) excluded ones
    without_history: int  # users with a target, but no earlier event


def judged_users(sequences: Sequences, part: Part, *, include_seen: bool) -> Judged:
    """The users measured on a part; a target that a user meets several times is one target."""
    targets, history = sequences.targets(part), sequences.history(part)
    aimed, met = targets.lengths() > 0, history.lengths() > 0
    users = np.flatnonzero(aimed & met)
    targets, history = distinct(targets.take(users)), history.take(users)
    excluded = Ragged(history.values[:0], np.zeros_like(history.offsets)) if include_seen else history
    return Judged(users, targets, excluded, contained(targets, excluded), int((aimed & ~met).sum()))


def distinct(lists: Ragged) -> Ragged:
    """Each list with only the first of equal numbers."""
    owners = np.repeat(np.arange(len(lists)), lists.lengths())
    _, first = np.unique(_pairs(lists, _width(lists)), return_index=True)
    kept = np.sort(first)
    lengths = np.bincount(owners[kept], minlength=len(lists))
    return Ragged(lists.values[kept], np.concatenate([[0], np.cumsum(lengths)]))


def contained(lists: Ragged, others: Ragged) -> NDArray[np.bool_]:
    """Flat, one a number of `lists`: whether the other list of the same row has it too."""
    width = max(_width(lists), _width(others))
    return np.isin(_pairs(lists, width), _pairs(others, width))


def _width(lists: Ragged) -> int:
    return int(lists.values.max(initial=0)) + 1


def _pairs(lists: Ragged, width: int) -> NDArray[np.int64]:
    """One number for each pair of row and value; different pairs, different numbers."""
    return np.repeat(np.arange(len(lists)), lists.lengths()) * width + lists.values
