"""Where the rows of a text file stand in it: lines from 1, past blank ones and newlines inside quotes.

A file is looked through only when a line is to be named.
"""

import csv
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recsys_cli.tables.sources import Source, open_bytes

LONGEST_CELL = 2**31 - 1


def row_lines(source: Source) -> NDArray[np.int64]:
    """(rows,) the line on which each row begins, a header's too; negative where a reader passes it over."""
    with open_bytes(source.path) as stream:
        if source.format == "jsonl":
            lines = (number if line.strip() else -number for number, line in enumerate(stream, 1))
            return np.fromiter(lines, np.int64)
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
        return np.fromiter(_csv_lines(text, source), np.int64)


def _csv_lines(text: io.TextIOWrapper, source: Source) -> Iterator[int]:
    """The reader in DuckDB passes over empty lines, but for those that may be a blank in an only column."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        rows = csv.reader(text, delimiter=source.delimiter)
        passed = 0
        for row in rows:
            yield passed + 1 if row or len(source.names) == 1 else -(passed + 1)
            passed = rows.line_num
    finally:
        csv.field_size_limit(before)
