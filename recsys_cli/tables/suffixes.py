"""What a file's name says of its format. Imports nothing heavy: scoring reads lists of ids by it."""

from typing import Final, Literal

Format = Literal["csv", "tsv", "dat", "recbole", "parquet", "jsonl"]
SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".dat": "dat",
    ".inter": "recbole", ".item": "recbole", ".user": "recbole",
}  # fmt: skip
