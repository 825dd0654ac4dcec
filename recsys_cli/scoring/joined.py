"""A model and a dataset joined by id: whose numbers are whose."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recsys_cli.batches.batch import EventArrays
from recsys_cli.batches.events import rating_levels
from recsys_cli.models.store import InputSpec
from recsys_cli.schemas import NUMBER, Part
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Dataset
from recsys_cli.sequences.vocabulary import numbers_of, tie_order


@dataclass(frozen=True)
class Joined:
    """The dataset's users and items in the model's numbers. The dataset may be newer than the model."""

    spec: InputSpec
    dataset: Dataset

    @cached_property
    def model_numbers(self) -> NDArray[np.int32]:
        """(items + 1,) the model's number of each item number of the dataset; 0 where unknown."""
        return np.append(np.int32(0), numbers_of(self.dataset.item_ids, self.spec.item_ids))

    @property
    def unknown_items(self) -> int:
        return int((self.model_numbers[1:] == 0).sum())

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """(columns,) item numbers of the dataset that the model knows, in the order that breaks ties."""
        numbers = tie_order(self.dataset.item_ids) + 1
        return numbers[self.model_numbers[numbers] > 0]

    @cached_property
    def column_of(self) -> NDArray[np.int64]:
        """(items + 1,) the column of each item number of the dataset; -1 where it has none."""
        column_of = np.full(self.dataset.num_items + 1, -1, np.int64)
        column_of[self.columns] = np.arange(len(self.columns))
        return column_of

    @cached_property
    def _known_events(self) -> NDArray[np.int64]:
        """(events + 1,) how many events before each position the model can read."""
        known = self.model_numbers[self.dataset.sequences.items] > 0
        return np.append(0, np.cumsum(known))

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """(users + 1,) spans of each user in `events`."""
        return self._known_events[self.dataset.sequences.offsets]

    def cut(self, before: Part | None) -> NDArray[np.int64]:
        """(users,) position in `events` where each history ends."""
        return self._known_events[self.dataset.sequences.cut(before)]

    @cached_property
    def events(self) -> EventArrays:
        """The events whose items the model knows, in its numbers."""
        sequences, spec = self.dataset.sequences, self.spec
        numbers = self.model_numbers[sequences.items]
        levels = rating_levels(
            sequences.ratings if spec.rating_levels else None, spec.rating_edges, len(numbers)
        )
        known = numbers > 0
        return EventArrays(
            items=numbers[known],
            rating_levels=levels[known],
            next_positive=np.zeros(int(known.sum()), np.int32),
            user_attributes=self.user_attributes,
        )

    @cached_property
    def user_attributes(self) -> Ragged:
        """The users' attributes in the model's numbers; those it does not know are left out."""
        ours, theirs = _user_values(self.dataset.attributes), _user_values(self.spec.attributes)
        joined = ours.merge(theirs, on=["field", "value"], suffixes=("_ours", "_theirs"))
        number_of = np.zeros(len(self.dataset.attributes) + 1, np.int32)
        number_of[joined["number_ours"]] = joined["number_theirs"]
        return _translated(self.dataset.user_attributes, number_of)


def _user_values(attributes: pa.Table) -> pd.DataFrame:
    """Number, field and value of the users' attributes; a blank value joins a blank value."""
    frame = attributes.select([NUMBER, "entity", "field", "value"]).to_pandas()
    return frame[frame["entity"] == "user"]


def _translated(lists: Ragged, number_of: NDArray[np.int32]) -> Ragged:
    """Lists with each number replaced, and dropped where its replacement is 0."""
    numbers = number_of[lists.values]
    kept = np.append(0, np.cumsum(numbers > 0))
    return Ragged(numbers[numbers > 0], kept[lists.offsets])
