"""Ids to numbers, in the order of the ids: integers by value, text by bytes."""

import duckdb
import pyarrow as pa

from recsys_cli.tables.reader import first_row

ID_TABLES = {"user": "user_numbers", "item": "item_numbers"}


def number_ids(
    connection: duckdb.DuckDBPyConnection, entity: str, ids: str, *, may_be_integer: bool
) -> pa.Array:
    """Make the table `(id text, number 1..n)` of the ids that query `ids` (one column, id) gives.

    Ids are integers where every one of them is the text of a 64-bit integer and comes back as it
    came. Returns the ids in the order of their numbers.
    """
    table = ID_TABLES[entity]
    connection.execute(f"CREATE TABLE distinct_{table} AS SELECT DISTINCT id FROM ({ids})")
    as_integer = "TRY_CAST(id AS BIGINT)"
    (all_integers,) = first_row(
        connection,
        f"SELECT coalesce(bool_and({as_integer} IS NOT NULL AND CAST({as_integer} AS VARCHAR) = id), false) "
        f"FROM distinct_{table}",
    )
    integers = may_be_integer and all_integers
    key = "CAST(id AS BIGINT)" if integers else "id"
    connection.execute(
        f"CREATE TABLE {table} AS SELECT id, CAST(row_number() OVER (ORDER BY {key}) AS INTEGER) AS number "
        f"FROM distinct_{table}"
    )
    connection.execute(f"DROP TABLE distinct_{table}")
    ordered = connection.sql(f"SELECT {key} AS id FROM {table} ORDER BY number").to_arrow_table()
    column = ordered["id"].combine_chunks().cast(pa.int64() if integers else pa.string())
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
