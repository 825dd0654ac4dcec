"""The items' and the users' tables: one row an id, as text, with rows that contradict it rejected."""

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from recsys_cli.schemas import Entity
from recsys_cli.tables.columns import ENTITY_ID
from recsys_cli.tables.reader import NOTHING, Loaded, Rejects


@dataclass(frozen=True)
class EntityTable:
    """Fields of items or users as text; `frame` is indexed by the id as text, blanks are None."""

    frame: pd.DataFrame
    repeated: int  # rows equal to an earlier one, merged
    rejected: int


def no_entities() -> EntityTable:
    """What stands for a table that was not given."""
    return EntityTable(pd.DataFrame(index=pd.Index([], dtype=object, name=ENTITY_ID)), 0, 0)


def read_entities(
    connection: duckdb.DuckDBPyConnection, loaded: Loaded, rejects: Rejects, entity: Entity
) -> EntityTable:
    """One row an id: an equal repeat is merged, a row that says something else is rejected."""
    # In the order of the input; not by rowid, which may be a field's name.
    frame = connection.execute(f"SELECT * FROM {loaded.table}").df()
    frame = frame.astype("string")
    frame = frame.mask(frame.apply(lambda column: column.str.strip() == "").fillna(False))
    blank = frame[ENTITY_ID].isna().to_numpy(dtype=bool)
    repeated = frame.duplicated().to_numpy(dtype=bool) & ~blank
    contradicts = frame.duplicated(subset=ENTITY_ID).to_numpy(dtype=bool) & ~repeated & ~blank
    nothing = frame.isna().all(axis=1).to_numpy(dtype=bool)
    _reject(frame, blank & nothing, NOTHING, loaded, rejects)
    _reject(frame, blank & ~nothing, f"the {entity} is blank", loaded, rejects)
    _reject(frame, contradicts, f"the {entity} is there before, with other values", loaded, rejects)
    kept = frame[~(blank | repeated | contradicts)].set_index(ENTITY_ID)
    return EntityTable(kept, int(repeated.sum()), int((blank | contradicts).sum()) + loaded.num_refused)


def _reject(frame: pd.DataFrame, which: np.ndarray, reason: str, loaded: Loaded, rejects: Rejects) -> None:
    rowids = np.flatnonzero(which)
    if len(rowids):
        raw = frame.iloc[rowids].fillna("").agg(",".join, axis=1).tolist()
        loaded.reject(rejects, rowids, [reason] * len(rowids), raw)
