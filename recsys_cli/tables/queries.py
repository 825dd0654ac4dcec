"""SQL that reads a file's or a data frame's columns as text; names and literals as SQL."""

import glob
from collections.abc import Collection, Mapping
from typing import Final

from recsys_cli.tables.formats import LONGEST_LINE, LONGEST_OBJECT, Source

LARGEST_WHOLE: Final = 2.0**53  # from here on floats leave whole numbers out


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """A column's name as SQL."""
    return '"' + text.replace('"', '""') + '"'


def scan_of(source: Source, columns: Collection[str]) -> str:
    """The file's rows in SQL; of JSON only some columns, as JSON."""
    path = quoted(glob.escape(str(source.path)))  # or `data[1].csv` would be `data1.csv`
    if source.format == "parquet":
        return f"read_parquet({path}, hive_partitioning = false)"
    if source.format == "jsonl":
        wanted = [column for column in source.names if column in columns] or source.names[:1]
        types = ", ".join(f"{quoted(column)}: 'JSON'" for column in wanted)
        return (  # without `records`, an only column of JSON would hold whole objects
            f"read_json({path}, format = 'newline_delimited', ignore_errors = true, records = true, "
            f"columns = {{{types}}}, maximum_object_size = {LONGEST_OBJECT})"
        )
    types = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in source.names)
    quote = quoted(source.quote)
    return (
        f"read_csv({path}, auto_detect = false, header = {str(source.has_header).lower()}, "
        f"delim = {quoted(source.delimiter)}, quote = {quote}, escape = {quote}, columns = {{{types}}}, "
        f"store_rejects = true, rejects_limit = 0, max_line_size = {LONGEST_LINE})"
    )


def text_query(source: Source, mapping: Mapping[str, str], scan: str) -> str:
    """SQL: the roles whose column of JSON is text in at least one row."""
    texts = ", ".join(
        f"CASE WHEN bool_or(json_type({name(column)}) = 'VARCHAR') THEN {quoted(role)} END"
        for role, column in mapping.items()
        if column in source.names
    )
    return f"SELECT role FROM (SELECT unnest([{texts}]) AS role FROM {scan}) WHERE role IS NOT NULL"


def column_text(source: Source, column: str, separator: str, *, is_single: bool) -> str:
    """A column as text in SQL; a whole number that is stored as a float is written as the number it is."""
    if column in source.partitions:
        value = source.partitions[column]
        return "NULL" if value is None else quoted(value)
    value = name(column)
    if source.format == "jsonl":
        lists = "NULL" if is_single else joined(value, separator)
        objects = "WHEN 'OBJECT' THEN NULL" if is_single else ""
        return f"CASE json_type({value}) WHEN 'ARRAY' THEN {lists} {objects} ELSE {value} ->> '$' END"
    if column in source.list_columns:
        return joined(value, separator) if source.format == "parquet" else _spaced(value, separator)
    if column not in source.float_columns:
        return f"CAST({value} AS VARCHAR)"
    return (
        f"CASE WHEN {value} % 1 = 0 AND abs({value}) < {LARGEST_WHOLE} "
        f"THEN CAST(CAST({value} AS BIGINT) AS VARCHAR) ELSE CAST({value} AS VARCHAR) END"
    )


def _spaced(value: str, separator: str) -> str:
    """Values with spaces between them, with the separator between them."""
    return f"replace(regexp_replace(trim({value}), ' +', ' ', 'g'), ' ', {quoted(separator)})"


def joined(value: str, separator: str) -> str:
    """A list's values as one text, with the separator between them."""
    return f"array_to_string(CAST({value} AS VARCHAR[]), {quoted(separator)})"
