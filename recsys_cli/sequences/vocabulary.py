"""Ids and numbers: number n names `ids[n - 1]`; and the order that breaks ties."""

from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

TIE_BREAK_KEY: Final = "recsys tie-break"  # the seed of the hash; 16 bytes


def numbers_of(ids: pa.Array, vocabulary: pa.Array) -> NDArray[np.int32]:
    """The number of each id in `vocabulary`, 0 where it is not there. Shapes: (n,) -> (n,).

    Integer and text ids meet as text, so that a model trained on "7" knows 7.
    """
    if ids.type != vocabulary.type:
        ids, vocabulary = ids.cast(pa.string()), vocabulary.cast(pa.string())
    positions = pc.index_in(ids, value_set=vocabulary)  # pyright: ignore[reportAttributeAccessIssue]
    return positions.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32) + np.int32(1)


def tie_order(ids: pa.Array) -> NDArray[np.int64]:
    """Positions of `ids` in the order that breaks ties: by a fixed seeded hash of the id's text.

    It depends on the ids alone, so every command and every dataset agrees. Shape (n,).
    """
    text = np.asarray(ids.cast(pa.string()).to_pandas(), dtype=object)
    hashes = pd.util.hash_array(text, hash_key=TIE_BREAK_KEY, categorize=False)
    return np.lexsort((np.arange(len(text)), hashes))
