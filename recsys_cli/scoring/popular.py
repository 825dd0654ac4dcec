"""Popular items for users without a history that the model can read."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_cli.evaluation.full_ranking import first_remaining
from recsys_cli.evaluation.popularity import last_days, popularity
from recsys_cli.schemas import Part
from recsys_cli.scoring.ranker import Ranked
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Dataset
from recsys_cli.sequences.vocabulary import tie_order


class Popular(NamedTuple):
    """One order of items for everybody, best first; items that nobody has met are not in it."""

    items: NDArray[np.int32]  # (popular,) item numbers
    events: NDArray[np.int64]  # (popular,) events of the last period

    def rank(self, exclude: Ragged, *, top_k: int) -> Ranked:
        """The `top_k` first items of each row of `exclude` that are not among its item numbers."""
        places = first_remaining(self._excluded_places(exclude), top_k)
        ended = places >= len(self.items)
        places[ended] = len(self.items)
        items = np.append(self.items, np.int32(0))[places]
        scores = np.append(self.events.astype(np.float32), -np.inf)[places].astype(np.float32)
        return Ranked(items, scores, np.full(items.shape, np.nan, np.float32))

    def _excluded_places(self, exclude: Ragged) -> Ragged:
        """The places of each row's items in the order, once, rising."""
        place_of = np.full(max(self.items.max(initial=0), exclude.values.max(initial=0)) + 1, -1, np.int64)
        place_of[self.items] = np.arange(len(self.items))
        places, size = place_of[exclude.values], max(1, len(self.items))
        keys = np.unique(exclude.owners()[places >= 0] * size + places[places >= 0])
        counts = np.bincount(keys // size, minlength=len(exclude))
        return Ragged((keys % size).astype(np.int32), np.append(0, np.cumsum(counts)))


def popular_items(
    dataset: Dataset, *, before: Part | None, days: int, allowed: NDArray[np.bool_] | None
) -> Popular:
    """Items by their events in the last `days` of what is known before a part; those without, by all events.

    Where timestamps are only an order, all events count. Equal items stand in the order that
    breaks ties. `allowed` (items,) is true at item number - 1 where an item may be recommended.
    """
    sequences = dataset.sequences
    stops = sequences.cut(before)
    ever = _per_item(popularity(sequences, stops), dataset.num_items)
    recent = ever
    if dataset.timestamp_kind == "seconds":
        recent = _per_item(popularity(sequences, stops, last_days(sequences, stops, days)), dataset.num_items)
    order = tie_order(dataset.item_ids)
    fill = np.where(recent > 0, 0, ever)
    order = order[np.lexsort((-fill[order], -recent[order]))]
    kept = ever > 0 if allowed is None else (ever > 0) & allowed
    order = order[kept[order]]
    return Popular((order + 1).astype(np.int32), recent[order])


def _per_item(counts: NDArray[np.int64], num_items: int) -> NDArray[np.int64]:
    """Counts up to the last item that was met, as counts of the whole catalogue."""
    return np.pad(counts, (0, num_items - len(counts)))
