"""A table of events as RecTools names its columns."""

import pandas as pd
from rectools import Columns


def read_events(path: str) -> pd.DataFrame:
    """Events of a CSV with user_id, item_id and timestamp in seconds, each of weight 1."""
    events = pd.read_csv(path).rename(
        columns={"user_id": Columns.User, "item_id": Columns.Item, "timestamp": Columns.Datetime}
    )
    events[Columns.Datetime] = pd.to_datetime(events[Columns.Datetime], unit="s")
    return events.assign(**{Columns.Weight: 1})
