"""A table of an artifact, and how to say which of its rows breaks a rule."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from recsys_cli.artifacts.manifest import REMAKE, Artifact
from recsys_cli.errors import ArtifactError
from recsys_cli.schemas import NUMBER
from recsys_cli.sequences.ragged import Ragged

pc: Any = pyarrow.compute  # most of its functions are made at import: checkers do not see them


@dataclass(frozen=True)
class TableFile:
    """A table, and how to say what is wrong with it."""

    table: pa.Table
    place: str

    @classmethod
    def read(cls, artifact: Artifact, name: str, fields: Iterable[pa.Field] = ()) -> "TableFile":
        """The table with these columns (none named: all). Raises ArtifactError where it has others."""
        return cls(artifact.table(name, fields), str(artifact.file(name)))

    def numbers(self, column: str) -> NDArray[Any]:
        return self.table[column].combine_chunks().to_numpy(zero_copy_only=False)

    def wrong(self, what: str) -> ArtifactError:
        return ArtifactError(f"{self.place}: {what}.", hint=REMAKE)

    def require(self, holds: NDArray[np.bool_], what: str) -> None:
        """Raise with the first row (from 1) where it does not hold."""
        if not holds.all():
            raise self.wrong(f"row {int(np.argmin(holds)) + 1}: {what}")

    def require_numbered(self) -> None:
        """Numbers count 1, 2, 3 … as the rows do."""
        wanted = np.arange(1, len(self.table) + 1)
        self.require(self.numbers(NUMBER) == wanted, "its number is not the row's")

    def require_ascending_ids(self, column: str) -> None:
        """Integers ascend by value, text by bytes; so none is there twice."""
        ids = self.table[column].combine_chunks()
        above = pc.greater(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False).astype(bool)
        self.require(np.append(np.ones(min(1, len(ids)), bool), above), f"its {column} is not above the last")

    def require_attributes(self) -> NDArray[np.bool_]:
        """Of a table of attributes: numbered, items' before users'. (attributes,) whether it is a user's."""
        self.require_numbered()
        entity = np.asarray(self.table["entity"].to_pylist(), object)
        self.require(np.isin(entity, ["item", "user"]), "its entity is neither item nor user")
        of_user = entity == "user"
        self.require(
            np.diff(of_user.astype(np.int8), prepend=0) >= 0, "an item's attribute is after a user's"
        )
        return of_user

    def lists(self, column: str, *, low: int, high: int) -> Ragged:
        """The lists of a column, each value of which is in [low, high]."""
        lists = self._ragged(column)
        outside = (lists.values < low) | (lists.values > high)
        if outside.any():
            place = int(np.argmax(outside))
            row = int(np.searchsorted(lists.offsets, place, side="right"))
            raise self.wrong(f"row {row}: {lists.values[place]} in {column} is not in {low} to {high}")
        return lists

    def _ragged(self, column: str) -> Ragged:
        lists = self.table[column].combine_chunks()
        values = lists.flatten()
        if values.null_count:
            raise self.wrong(f"a list of column {column} has nulls")
        offsets = lists.offsets.to_numpy().astype(np.int64)
        return Ragged(values.to_numpy(zero_copy_only=False), offsets - offsets[0])

    def require_steps(self, lists: Ragged, holds: NDArray[np.bool_], what: str) -> None:
        """`holds` (total - 1,) of each value and the next; from one row to the next it need not."""
        holds = holds | (np.diff(lists.owners()) > 0)
        if not holds.all():
            raise self.wrong(f"row {int(lists.owners()[int(np.argmin(holds))]) + 1}: {what}")
