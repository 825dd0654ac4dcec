"""Who is measured on which items: users with a target in a part of the split and an earlier event."""

from dataclasses import dataclass, replace

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
    excluded: Ragged  # different item numbers that may not be recommended, rising: those met before, or none
    unreachable: NDArray[np.bool_]  # (targets,) excluded ones
    without_history: int  # users with a target, but no earlier event

    def span(self, first: int, last: int) -> "Judged":
        """The measured users from `first` up to `last`."""
        rows = np.arange(first, last)
        begin, end = self.targets.offsets[[first, last]]
        return replace(
            self,
            users=self.users[first:last],
            targets=self.targets.take(rows),
            excluded=self.excluded.take(rows),
            unreachable=self.unreachable[begin:end],
        )


def judged_users(sequences: Sequences, part: Part, *, include_seen: bool) -> Judged:
    """The users measured on a part; a target that a user meets several times is one target."""
    targets, history = sequences.targets(part), sequences.history(part)
    aimed, met = targets.lengths() > 0, history.lengths() > 0
    users = np.flatnonzero(aimed & met)
    targets = distinct(targets.take(users))
    excluded = Ragged(history.values[:0], np.zeros(len(users) + 1, np.int64))
    if not include_seen:
        excluded = _distinct_rising(history.take(users))
    return Judged(users, targets, excluded, contained(targets, excluded), int((aimed & ~met).sum()))


def distinct(lists: Ragged) -> Ragged:
    """Each list with only the first of equal numbers."""
    _, first = np.unique(_pairs(lists, _width(lists)), return_index=True)
    kept = np.sort(first)
    lengths = np.bincount(lists.owners()[kept], minlength=len(lists))
    return Ragged(lists.values[kept], np.append(0, np.cumsum(lengths)))


def _distinct_rising(lists: Ragged) -> Ragged:
    """Each list with its different numbers, sorted."""
    width = _width(lists)
    pairs = np.sort(_pairs(lists, width))
    pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])] if len(pairs) else pairs
    lengths = np.bincount(pairs // width, minlength=len(lists))
    return Ragged((pairs % width).astype(np.int32), np.append(0, np.cumsum(lengths)))


def contained(lists: Ragged, others: Ragged) -> NDArray[np.bool_]:
    """Flat, one a number of `lists`: whether the other list of the same row has it too."""
    width = max(_width(lists), _width(others))
    wanted, there = _pairs(lists, width), np.sort(_pairs(others, width))
    there = np.append(there, len(others) * width)  # beyond all that can be wanted
    return there[np.searchsorted(there, wanted)] == wanted


def _width(lists: Ragged) -> int:
    return int(lists.values.max(initial=0)) + 1


def _pairs(lists: Ragged, width: int) -> NDArray[np.int64]:
    """One number for each pair of row and value; different pairs, different numbers."""
    return lists.owners() * width + lists.values
