"""A seeded mutator of small tables and settings, and what must hold whatever it makes of them."""

import io
import json
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Mutation = Callable[[bytes], bytes]

COLUMNS = ("user_id", "item_id", "rating", "timestamp", "note")
ROWS = 12
ODD_TEXTS = (
    '"', '""', '"""', ",", "\t", "::", "|", "\n", "\r", "\r\n", "\n\n", "\0", "\u2028", "\x85", "\ufeff",
    "\x1a", " ", "\\", "\\n", "'", ";", "{", "}", "[", "]", ":", "null", "é", "😀", "#", "\x0b",
    "\x0c", "x" * 5000,
)  # fmt: skip
ODD_BYTES = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f", b"\xfe\xff", b"\xff\xfe", b"\xe9", b"\x80")
ODD_NUMBERS = (
    "NaN", "inf", "-inf", "Infinity", "1e308", "-1e308", "1e309", "-0", "-0.0", "0", "1" * 400,
    "0." + "3" * 400, "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e18", "2.5e17",
    "0x10", "1_000",
    "+5", "٣", "1,5", "", " ", "true", "null", "-2208988800", "7258118400", "20240131", "20240131120000",
    "2024-02-30", "9999-12-31", "0001-01-01", "infinity", "epoch", "99999-01-01T00:00:00Z",
)  # fmt: skip
ODD_SETTINGS = (
    "nan", "inf", "-inf", "1e400", "-0", "9223372036854775808", "1" * 5000, "true", "[]", "[1, 2]",
    "{}", "{a = 1}",
    '""', '"\\u0000"', "1979-05-27", "[1979-05-27]", "07:32:00", "{a = [07:32:00]}", "[" * 2000 + "]" * 2000,
    "'x'", "0.5", "{model = {model = {}}}", "0x1F", "0x" + "F" * 5000, "[[1], ['a']]", "[{a = 1979-05-27}]",
    '"\\uD800"', "1_000",
)  # fmt: skip
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "latin-1", "utf-8-sig", "utf-7")


class Mutator:
    """Spoils the bytes of a table; the same seed gives the same bytes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def text(self, kind: str) -> bytes:
        """A CSV, TSV or JSON lines file, spoilt one to three times."""
        data = self._jsonl() if kind == "jsonl" else self._separated(kind)
        if self.random.random() < 0.01:
            return b""
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            data = self.random.choice(self._text_mutations(kind))(data)
        return data

    def parquet(self) -> bytes:
        """A Parquet file with columns of other types, or damaged."""
        columns = dict(self._columns())
        table = pa.table({name: self._column(name, values) for name, values in columns.items()})
        if self.random.random() < 0.3:
            table = table.rename_columns([self._odd_name(name) for name in table.column_names])
        if self.random.random() < 0.1:
            table = table.slice(0, self.random.choice((0, 1)))
        file = io.BytesIO()
        pq.write_table(table, file, row_group_size=self.random.choice((3, 100)))
        data = file.getvalue()
        return self.random.choice(self._byte_mutations())(data) if self.random.random() < 0.3 else data

    def toml(self, text: str) -> bytes:
        """A file of settings, spoilt one to three times."""
        data = text.encode()
        mutations = [
            *self._byte_mutations(), self._insert_text, self._insert_bytes, self._encode, self._shuffle_lines,
            self._repeat_line, *[self._odd_setting] * 12,
        ]  # fmt: skip
        for _ in range(self.random.choice((1, 1, 2, 3))):
            data = self.random.choice(mutations)(data)
        return data

    def _odd_setting(self, data: bytes) -> bytes:
        """Another value or key in a random line, or one more line."""
        lines = data.split(b"\n")
        number = self.random.randrange(len(lines))
        key, _, value = lines[number].partition(b" = ")
        odd_value = self.random.choice(ODD_SETTINGS).encode()
        odd_key = self.random.choice(
            (key + b".x", b'""', b"[model]", b"[[model]]", b"model", b'"a.b"', b"Epochs")
        )
        lines[number] = self.random.choice(
            (
                key + b" = " + odd_value,
                key + b" = " + odd_value,
                odd_key + b" = " + (value or odd_value),
                odd_key,
            )
        )
        return b"\n".join(lines)

    # What is spoilt.

    def _columns(self) -> dict[str, list[Any]]:
        draw = self.random
        notes = ("", "plain", "with, comma", 'with "quotes"', "two\nlines", "é")
        times = self._times()
        return {
            "user_id": [f"u{draw.randrange(4)}" for _ in range(ROWS)],
            "item_id": [f"i{n}" for n in range(ROWS)],
            "rating": [draw.choice((1, 2.5, 4, 5)) for _ in range(ROWS)],
            "timestamp": [times(n) for n in range(ROWS)],
            "note": [draw.choice(notes) for _ in range(ROWS)],
        }

    def _times(self) -> Callable[[int], Any]:
        return self.random.choice(
            (
                lambda n: 1_700_000_000 + 100 * n,
                lambda n: 1_700_000_000_000 + 100 * n,
                lambda n: n,
                lambda n: f"2024-02-{n + 1:02}T12:00:00",
            )
        )

    def _separated(self, kind: str) -> bytes:
        columns = self._columns()
        end = self.random.choice(("\n", "\n", "\r\n"))
        rows = list(map(list, zip(*columns.values(), strict=True)))
        if kind == "dat":
            return "".join("::".join(map(str, row[:4])) + end for row in rows).encode()
        header = [f"{name}:token" for name in columns] if kind == "inter" else list(columns)
        delimiter = "," if kind == "csv" else "\t"
        lines = [delimiter.join(self._cell(value, delimiter) for value in row) for row in (header, *rows)]
        return "".join(line + end for line in lines).encode()

    @staticmethod
    def _cell(value: Any, delimiter: str) -> str:
        text = str(value)
        return '"' + text.replace('"', '""') + '"' if set(text) & {delimiter, '"', "\n"} else text

    def _jsonl(self) -> bytes:
        columns = self._columns()
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return "".join(
            json.dumps(row, ensure_ascii=self.random.random() < 0.5) + "\n" for row in rows
        ).encode()

    # How.

    def _text_mutations(self, kind: str) -> list[Mutation]:
        common = [
            *self._byte_mutations(), *[self._insert_text] * 3, self._insert_bytes,
            self._shuffle_lines, self._repeat_line, self._drop_line, self._encode, self._change_ends,
            self._odd_number, self._odd_number, self._odd_number, self._only_header, self._blank_lines,
        ]  # fmt: skip
        return common + ([self._odd_value] * 6 if kind == "jsonl" else [self._odd_header] * 4)

    def _byte_mutations(self) -> list[Mutation]:
        return [*[self._flip] * 4, self._cut, self._cut, self._drop_span, self._repeat_span]

    def _flip(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.random.choice((1, 1, 3)) if data else 0):
            changed[self.random.randrange(len(data))] = self.random.randrange(256)
        return bytes(changed)

    def _cut(self, data: bytes) -> bytes:
        return data[: self.random.randrange(len(data) + 1)]

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self.random.randrange(len(data) + 1)
        return start, min(len(data), start + self.random.choice((1, 2, 10, 80)))

    def _drop_span(self, data: bytes) -> bytes:
        start, stop = self._span(data)
        return data[:start] + data[stop:]

    def _repeat_span(self, data: bytes) -> bytes:
        start, stop = self._span(data)
        return data[:stop] + data[start:]

    def _insert_text(self, data: bytes) -> bytes:
        text = self.random.choice(ODD_TEXTS)
        return self._inserted(data, text.encode(self.random.choice(("utf-8", "utf-8", "utf-8", "utf-16"))))

    def _insert_bytes(self, data: bytes) -> bytes:
        return self._inserted(data, self.random.choice(ODD_BYTES))

    def _inserted(self, data: bytes, piece: bytes) -> bytes:
        place = self.random.choice((0, len(data), *[self.random.randrange(len(data) + 1)] * 8))
        return data[:place] + piece + data[place:]

    def _shuffle_lines(self, data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        self.random.shuffle(lines)
        return b"".join(lines)

    def _repeat_line(self, data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        return b"".join([*lines, *lines[:1]]) if self.random.random() < 0.3 else b"".join(lines + lines[-1:])

    def _drop_line(self, data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        if lines:
            lines.pop(self.random.randrange(len(lines)))
        return b"".join(lines)

    def _encode(self, data: bytes) -> bytes:
        return data.decode("utf-8", "replace").encode(self.random.choice(ENCODINGS), "replace")

    def _change_ends(self, data: bytes) -> bytes:
        end = self.random.choice((b"\r", b"\r\n", b"\n", b"\n\r", b"\n\n", b"\r\r\n", b"\x1e"))
        lines = data.replace(b"\r\n", b"\n").split(b"\n")
        if self.random.random() < 0.5:
            return end.join(lines)
        return b"".join(line + self.random.choice((end, b"\n")) for line in lines)

    def _odd_number(self, data: bytes) -> bytes:
        """Another number in place of one that is there."""
        places = [place for place, byte in enumerate(data) if chr(byte).isdigit()]
        if not places:
            return data
        stop = start = self.random.choice(places)
        while stop < len(data) and chr(data[stop]) in "0123456789.":
            stop += 1
        while start and chr(data[start - 1]) in "0123456789.":
            start -= 1
        return data[:start] + self.random.choice(ODD_NUMBERS).encode() + data[stop:]

    def _only_header(self, data: bytes) -> bytes:
        head = data.splitlines(keepends=True)[:1]
        return b"".join(head).rstrip(b"\r\n" if self.random.random() < 0.5 else b"")

    def _blank_lines(self, data: bytes) -> bytes:
        return self._inserted(
            data, self.random.choice((b"\n", b"\r\n", b" \n", b",,,,\n", b"\t\t\t\t\n")) * 3
        )

    def _odd_header(self, data: bytes) -> bytes:
        head, end, rest = data.partition(b"\n")
        delimiter = b"\t" if b"\t" in head else b","
        names = [
            self._odd_name(name).encode()
            for name in head.decode("utf-8", "replace").split(delimiter.decode())
        ]
        if self.random.random() < 0.3:
            names.pop(self.random.randrange(len(names)))
        if self.random.random() < 0.2:
            names = []
        return delimiter.join(names) + end + rest

    def _odd_name(self, name: str) -> str:
        if self.random.random() < 0.6:
            return name
        odd = (
            name.upper(), f" {name}", f'"{name}"', "user_id", "rowid", "", "place", "é", 'a"b',
            "x" * 300, "reason",
            "id", "row", "timestamp",
        )  # fmt: skip
        return self.random.choice(odd)

    def _odd_value(self, data: bytes) -> bytes:
        """Another JSON value in place of one of a random line."""
        lines = data.split(b"\n")
        number = self.random.randrange(len(lines))
        try:
            row = json.loads(lines[number])
            key = self.random.choice(list(row))
        except (ValueError, IndexError, TypeError):
            return data
        odd = (
            "[]", '["a","b"]', "{}", '{"k": [1]}', "null", "true", "1.5", "1e308", "-0", "NaN", '"\\u0000"',
            '"\\ud800"', '"\\"', "[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300, "1" * 400, '""',
            '" "', '"[1]"',
        )  # fmt: skip
        value = self.random.choice(odd)
        pairs = [
            f"{json.dumps(name)}: {value if name == key else json.dumps(entry)}"
            for name, entry in row.items()
        ]
        pairs += self.random.choice(
            ([], [], [f'"{key}": 3'], ['"extra": 1'], ['"": 1'], [f'"{key.upper()}": 3'])
        )
        lines[number] = ("{" + ", ".join(pairs) + "}").encode()
        return b"\n".join(lines)

    def _column(self, name: str, values: list[Any]) -> pa.Array:
        array = pa.array(values)
        if self.random.random() < 0.55:
            return array
        count = len(values)
        numbers = pa.array(range(count), pa.int64())
        return self.random.choice(
            (
                lambda: pa.array([[value] for value in values]),
                lambda: pa.array([[]] * count, pa.list_(pa.int32())),
                lambda: pa.array([{"a": value, "b": [1]} for value in values]),
                lambda: pa.array([[("k", 1)]] * count, pa.map_(pa.string(), pa.int32())),
                lambda: pa.nulls(count),
                lambda: pa.nulls(count, pa.string()),
                array.dictionary_encode,
                lambda: numbers.cast(pa.decimal128(38, 10)),
                lambda: numbers.cast(pa.decimal256(60, 10)),
                lambda: numbers.cast(pa.timestamp("ns", "Asia/Tokyo")),
                lambda: numbers.cast(pa.timestamp("ms")),
                lambda: pa.array([86_400 * n for n in range(count)], pa.int32()).cast(pa.time32("ms")),
                lambda: pa.array(range(count), pa.int32()).cast(pa.date32()),
                lambda: pa.array([n % 2 == 0 for n in range(count)]),
                lambda: pa.array([b"\xff\x00%d" % n for n in range(count)]),
                lambda: pa.array([None if n % 3 else str(value) for n, value in enumerate(values)]),
                lambda: pa.array([float("nan"), float("inf"), 1e308, -0.0] * (count // 4)),
                lambda: pa.array([2**64 - 1 - n for n in range(count)], pa.uint64()),
                lambda: pa.array([n / 8 for n in range(count)], pa.float32()).cast(pa.float16()),
                lambda: pa.array([b"0123456789abcdef"] * count, pa.binary(16)),
                lambda: pa.array(range(count), pa.duration("s")),
                lambda: pa.array([f"{value}\0x" for value in values]),
            )
        )()


@pytest.fixture(scope="session")
def mutator() -> Callable[[int], Mutator]:
    """Makes the mutator of a seed."""
    return Mutator
