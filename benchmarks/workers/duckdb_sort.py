"""DuckDB alone: read a CSV and order it by user and time, within 2 GB.

python duckdb_sort.py EVENTS THREADS
"""

import sys

import duckdb

source, threads = sys.argv[1:]
connection = duckdb.connect(config={"memory_limit": "2GB", "threads": int(threads)})
connection.execute(
    "create table ordered as select * from read_csv(?, columns = {'user': 'bigint', 'item': 'bigint', "
    "'rating': 'bigint', 'timestamp': 'bigint'}) order by user, timestamp",
    [source],
)
