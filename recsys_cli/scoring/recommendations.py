"""Lists of a batch of users to Arrow: one row a user and rank, or one row a user."""

from typing import Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys_cli.schemas import USER_ID, recommendations_schema
from recsys_cli.scoring.ranker import Ranked

Layout = Literal["rows", "lists"]

SOURCES: Final = ("model", "popular")
MODEL: Final = 0  # index into `SOURCES`
POPULAR: Final = 1


class Lists(NamedTuple):
    """What is recommended to a batch of users."""

    user_ids: pa.Array  # (users,)
    ranked: Ranked  # (users, k) each
    sources: NDArray[np.int8]  # (users,) `MODEL` or `POPULAR`

    def lengths(self) -> NDArray[np.int64]:
        """(users,) items of each list."""
        return (self.ranked.items > 0).sum(axis=1)


def recommendations_table(lists: Lists, item_ids: pa.Array, layout: Layout) -> pa.Table:
    """The lists as a table of `table_schema`; `item_ids[number - 1]` names an item.

    With rows, a user for whom nothing is left has none; with lists, such a user has empty lists.
    """
    users, places = np.nonzero(lists.ranked.items > 0)
    columns = [
        item_ids.take(pa.array(lists.ranked.items[users, places] - 1)),
        pa.array(places + 1, pa.int32()),
        pa.array(lists.ranked.scores[users, places], pa.float32()),
        pa.array(lists.ranked.probabilities[users, places], pa.float32(), from_pandas=True),
    ]
    user_ids, sources = lists.user_ids, lists.sources
    if layout == "rows":
        user_ids, sources = user_ids.take(pa.array(users)), sources[users]
    else:
        offsets = pa.array(np.append(0, np.cumsum(lists.lengths())), pa.int32())
        columns = [pa.ListArray.from_arrays(offsets, column) for column in columns]
    schema = table_schema(user_ids.type, item_ids.type, layout)
    return pa.Table.from_arrays([user_ids, *columns, _named(sources)], schema=schema)


def table_schema(user_type: pa.DataType, item_type: pa.DataType, layout: Layout) -> pa.Schema:
    """`schemas.recommendations_schema`; with lists, what differs by rank is a list, best item first."""
    rows = recommendations_schema(user_type, item_type)
    if layout == "rows":
        return rows
    one_a_user = {USER_ID, "source"}
    return pa.schema(
        [
            field if field.name in one_a_user else pa.field(field.name, pa.list_(field.type), nullable=False)
            for field in rows
        ]
    )


def _named(sources: NDArray[np.int8]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(sources, pa.int8()), pa.array(SOURCES))
