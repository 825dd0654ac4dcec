"""Made interactions with every item and user: python scale_events.py EVENTS ITEMS USERS FILE."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

events, items, users = map(int, sys.argv[1:4])
random = np.random.default_rng(0)
popular = (items ** random.random(events - items)).astype(np.int64)  # density 1 / item: Zipf's law
item = random.permutation(np.concatenate([np.arange(1, items + 1), popular]))
user = random.permutation(np.arange(events) % users) + 1
table = pa.table({"user_id": user, "item_id": item, "timestamp": 1_700_000_000 + np.arange(events)})
pa_csv.write_csv(table, sys.argv[4])
