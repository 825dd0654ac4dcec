"""A Parquet file of an artifact -> a table in memory; what it declares is looked at before it is read."""

import contextlib
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cli.errors import ArtifactError

# A few bytes of Parquet can stand for billions of equal rows. More than this many rows or unpacked bytes,
# and more than so many a byte of the file, is no table that we have written.
PLENTY: Final = 1 << 26
TIMES: Final = 128
ID_TYPES: Final = (pa.int64(), pa.string())


def read_parquet(path: Path, fields: Iterable[pa.Field] = (), *, hint: str) -> pa.Table:
    """These columns (none named: all) of a file. Raises ArtifactError, naming it, where it is damaged."""
    fields = list(fields)
    with open_parquet(path, hint=hint) as source:
        require_fields(source.schema_arrow, fields, path, hint=hint)
        table = source.read([field.name for field in fields] or None)
    for field in fields:
        if not field.nullable and table[field.name].null_count:
            raise ArtifactError(f"{path}: column {field.name} has nulls.", hint=hint)
    return table


def require_fields(found: pa.Schema, wanted: Iterable[pa.Field], path: Path, *, hint: str) -> None:
    """Raise ArtifactError unless the columns are there, once, and of their types."""
    for field in wanted:
        if found.names.count(field.name) != 1:
            raise ArtifactError(f"{path} has no column {field.name}, or several.", hint=hint)
        if found.field(field.name).type != field.type:
            kind = found.field(field.name).type
            raise ArtifactError(f"{path}: column {field.name} has {kind}, not {field.type}.", hint=hint)


def require_id_type(found: pa.Schema, column: str, path: Path, *, hint: str) -> pa.DataType:
    """The type of a column of ids. Raises ArtifactError unless it is text or a 64-bit integer."""
    kind = found.field(column).type if found.names.count(column) == 1 else None
    if kind not in ID_TYPES:
        raise ArtifactError(f"{path}: column {column} has {kind}, neither text nor int64.", hint=hint)
    return kind


@contextlib.contextmanager
def open_parquet(path: Path, *, hint: str) -> Generator[pq.ParquetFile]:
    """An opened file; what Arrow cannot read within the block becomes an ArtifactError that names it."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as source:
            _require_plausible(source.metadata, path, hint)
            yield source
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ArtifactError(f"{path} cannot be read as Parquet: {reason}.", hint=hint) from error


def _require_plausible(metadata: pq.FileMetaData, path: Path, hint: str) -> None:
    """The footer's columns are not looked at: Arrow aborts the process where these are damaged."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if metadata.num_rows != sum(group.num_rows for group in groups):
        raise ArtifactError(f"{path} is damaged: its parts do not have the rows that it declares.", hint=hint)
    declared = max(metadata.num_rows, sum(group.total_byte_size for group in groups))
    if declared > PLENTY and declared > TIMES * path.stat().st_size:
        raise ArtifactError(f"{path} declares more than it can hold: {declared:,} rows or bytes.", hint=hint)
