"""Arrow tables to JSON lines, column by column: no loop over rows."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute  # most of its functions are made at import: checkers do not see them
_SHORT: Final = {'"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CONTROL: Final = {chr(code): f"\\u{code:04x}" for code in range(32)} | _SHORT
_NEEDS_ESCAPE: Final = r'["\\\x00-\x1f]'


def json_lines(table: pa.Table) -> bytes:
    """One JSON object a row, in UTF-8, each with its line end. A float32 has the digits it needs, no more."""
    if table.num_rows == 0:
        return b""
    pieces: list[Any] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        before = ", " if pieces else "{"
        pieces += [f'{before}"{name}": ', json_values(column.combine_chunks())]
    lines = _joined(*pieces, "}\n")
    return memoryview(lines.buffers()[2])[: pc.sum(pc.binary_length(lines)).as_py()].tobytes()


def json_values(values: pa.Array) -> pa.Array:
    """The JSON text of each value: text, finite numbers, lists of these, and null."""
    if pa.types.is_dictionary(values.type):
        return json_values(values.dictionary_decode())
    if pa.types.is_list(values.type):
        inside = pa.ListArray.from_arrays(values.offsets, json_values(values.values))
        return _joined("[", pc.binary_join(inside, pa.scalar(", ", pa.large_string())), "]")
    text = values.cast(pa.large_string())
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        text = _joined('"', _escaped(text), '"')
    return text.fill_null("null")


def _escaped(text: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(text, _NEEDS_ESCAPE)).as_py():
        return text
    text = pc.replace_substring(text, "\\", "\\\\")  # first, or the escapes would be escaped
    for character, escape in _CONTROL.items():
        text = pc.replace_substring(text, character, escape)
    return text


def _joined(*pieces: Any) -> pa.Array:
    """Texts and columns of text, side by side; null where a column is null."""
    texts = [pa.scalar(piece, pa.large_string()) if isinstance(piece, str) else piece for piece in pieces]
    return pc.binary_join_element_wise(*texts, pa.scalar("", pa.large_string()))
