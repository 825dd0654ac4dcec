"""Where the rows of a text file stand in it: lines from 1, past blank ones and newlines inside quotes.

A file is looked through only when a line is to be named.
"""

import csv
from collections.abc import Iterator
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from recsys_cli.tables.formats import Source
from recsys_cli.tables.text_files import open_bytes, open_text

LONGEST_CELL: Final = 2**31 - 1
BYTES_AT_A_TIME: Final = 1 << 24


def row_lines(source: Source) -> NDArray[np.int64]:
    """(rows,) the line on which each row begins, a header's too; negative where a reader passes it over."""
    if source.format != "jsonl":
        with open_bytes(source.path, source.encoding) as stream:
            lines = _unquoted_lines(stream, source)
        return lines if lines is not None else _quoted_lines(source)
    with open_bytes(source.path, source.encoding) as stream:
        numbers = (number if line.strip() else -number for number, line in enumerate(stream, 1))
        return np.fromiter(numbers, np.int64)


def named_lines(lines: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lines of some rows (from 0); the last line for rows past the end.

    DuckDB counts a line twice that ends in another way than the first, so its rows may go further.
    """
    return lines[np.minimum(rows, len(lines) - 1)]


def line_texts(source: Source, numbers: NDArray[np.int64]) -> list[str]:
    """The texts of some lines, numbered from 1, ascending; bytes that are not UTF-8 are replaced."""
    wanted = set(numbers.tolist())
    with open_text(source.path, source.encoding, newline="\n") as text:
        found = {number: line.rstrip("\r\n") for number, line in enumerate(text, 1) if number in wanted}
    return [found[number] for number in numbers.tolist()]


def _unquoted_lines(stream: IO[bytes], source: Source) -> NDArray[np.int64] | None:
    """What `row_lines` gives of a file in which every line is a row; None where it may not be so."""
    empty: list[NDArray[np.bool_]] = []
    while block := stream.read(BYTES_AT_A_TIME):
        block += stream.readline()
        if (source.quote and b'"' in block) or block.count(b"\r") != block.count(b"\r\n"):
            return None
        marks = np.frombuffer(block.replace(b"\r\n", b"\n"), np.uint8)
        ends = np.flatnonzero(marks == ord("\n"))
        ends = ends if block.endswith(b"\n") else np.append(ends, len(marks))
        empty.append(np.diff(ends, prepend=-1) == 1)
    is_empty = np.concatenate([np.zeros(0, np.bool_), *empty])
    numbers = np.arange(1, len(is_empty) + 1)
    return numbers if len(source.names) == 1 else np.where(is_empty, -numbers, numbers)


def _quoted_lines(source: Source) -> NDArray[np.int64]:
    with open_text(source.path, source.encoding) as text:
        return np.fromiter(_csv_lines(text, source), np.int64)


def _csv_lines(text: IO[str], source: Source) -> Iterator[int]:
    """The reader in DuckDB passes over empty lines, but for those that may be a blank in an only column."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        rows = csv.reader(
            text,
            delimiter=source.delimiter[0],
            quoting=csv.QUOTE_MINIMAL if source.quote else csv.QUOTE_NONE,
        )
        passed = 0
        for row in rows:
            yield passed + 1 if row or len(source.names) == 1 else -(passed + 1)
            passed = rows.line_num
    finally:
        csv.field_size_limit(before)
