"""Inputs as they are given (globs, folders, pipes, partitions) to the files that hold them."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote

from recsys_cli.errors import DataError, UsageError
from recsys_cli.tables.formats import Source, open_source
from recsys_cli.tables.text_files import PACKED, UTF_8

STANDARD_INPUT: Final = "-"
BLANK_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"


def find_sources(
    inputs: Sequence[Path | str],
    chosen: str,
    scratch: Path,
    *,
    encoding: str = UTF_8,
    table: str = "interactions",
) -> list[Source]:
    """Files in the order given, a glob's and a folder's in byte order.

    `chosen` is a format, or "auto" to tell by the suffix; `encoding` is that of texts;
    `table` says what the columns of a file without a header are. Standard input (`-`) is spooled into
    `scratch`. Raises DataError for a file that is missing, empty or not what it seems to be,
    UsageError for a format that cannot be told.
    """
    return [
        _with_partitions(
            open_source(path, label, chosen=chosen, encoding=encoding, table=table, scratch=scratch),
            given,
            label,
        )
        for given in inputs
        for path, label in _files(given, chosen, scratch)
    ]


def _with_partitions(source: Source, given: Path | str, label: str) -> Source:
    """Adds `key=value` of the folders between what was given and the file; a column of the file wins."""
    own = {name.casefold() for name in source.names}
    outside = Path(given).parts
    pairs = [part.split("=", 1) for part in Path(label).parts[:-1] if "=" in part and part not in outside]
    partitions = {
        unquote(key): None if value == BLANK_PARTITION else unquote(value)
        for key, value in pairs
        if unquote(key).casefold() not in own
    }
    return replace(source, partitions=partitions)


def _files(given: Path | str, chosen: str, scratch: Path) -> list[tuple[Path, str]]:
    text = str(given)
    if text == STANDARD_INPUT:
        return [(_spool(sys.stdin.buffer, chosen, scratch), "standard input")]
    if not text:
        raise UsageError("The name of a file is empty.", hint="Check the variable that should hold it.")
    path = Path(text)
    if path.is_fifo():  # such as `<(zcat events.gz)`
        with path.open("rb") as stream:
            return [(_spool(stream, chosen, scratch), text)]
    if path.is_dir():
        inside = sorted(str(file) for file in path.rglob("*") if _is_part(file, path))
        if not inside:
            raise DataError(f"{path} has no files in it.", hint="Give a folder of Parquet or CSV files.")
        return [(Path(file), file) for file in inside]
    if path.exists():
        return [(path, text)]
    matches = sorted(glob(text, recursive=True))
    if not matches:
        what = "matches no file" if any(mark in text for mark in "*?[") else "does not exist"
        raise DataError(f"{text} {what}.", hint="Check the path.")
    return [(Path(match), match) for match in matches]


def _spool(stream: IO[bytes], chosen: str, scratch: Path) -> Path:
    """Copy what can be read only once into a file of its own."""
    suffix = ".csv" if chosen == "auto" else f".{chosen}"
    with tempfile.NamedTemporaryFile("wb", dir=scratch, suffix=suffix, delete=False) as file:
        shutil.copyfileobj(stream, file)
    path = Path(file.name)
    with path.open("rb") as spooled:
        start = spooled.read(4)
    suffix = next((suffix for magic, suffix in PACKED.items() if start.startswith(magic)), "")
    return path.rename(f"{path}{suffix}")


def _is_part(path: Path, folder: Path) -> bool:
    """Whether a file below a folder holds data; engines put `_SUCCESS` and `_temporary/` beside it."""
    below = path.relative_to(folder).parts
    return path.is_file() and not any(part[0] in "_." and "=" not in part for part in below)
