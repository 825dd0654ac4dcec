"""The least that pandas must do: read, number, order by user and time, sequences as lists, Parquet.

python pandas_preprocess.py EVENTS OUTPUT
"""

import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

source, output = sys.argv[1:]
events = pd.read_csv(source)
events["user"], users = events["user"].factorize(sort=True)
events["item"], items = events["item"].factorize(sort=True)
events = events.sort_values(["user", "timestamp"], kind="stable")
offsets = np.concatenate([[0], events.groupby("user").size().cumsum()]).astype(np.int32)
columns = {"user": pa.array(users)}
for name in ("item", "rating", "timestamp"):
    columns[name] = pa.ListArray.from_arrays(offsets, pa.array(events[name].to_numpy()))
pq.write_table(pa.table(columns), output)
