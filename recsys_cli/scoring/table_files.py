"""Tables of one schema, part by part, to one file: Parquet, CSV or JSON lines, by its ending."""

import contextlib
import json
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from recsys_cli.artifacts.atomic import HeldFile
from recsys_cli.errors import UsageError
from recsys_cli.evaluation.recommendations import METADATA_KEY
from recsys_cli.scoring.json_text import json_lines
from recsys_cli.scoring.recommendations import Layout

ITEMS_PER_GROUP: Final = 1 << 17  # recommended items in a row group of Parquet

Write = Callable[[pa.Table], object]


def check_format(output: Path, layout: Layout) -> None:
    """Raise UsageError when the ending of `output` names no format, or one without lists."""
    suffix = output.suffix.lower()
    if suffix not in _WRITERS:
        raise UsageError(
            f"{output} does not end in .parquet, .csv or .jsonl.",
            hint="Let the ending of --output say the format.",
        )
    if suffix == ".csv" and layout == "lists":
        raise UsageError(
            f"{output} cannot have layout=lists: CSV has no lists.",
            hint="Let --output end in .parquet or .jsonl, or choose --layout rows.",
        )


@contextlib.contextmanager
def writing_table(
    file: HeldFile, schema: pa.Schema, *, metadata: Mapping[str, Any], rows_per_group: int
) -> Generator[Write]:
    """Yield a function that adds a table of `schema` to the file, which is replaced when all is well.

    Its bytes depend on the rows alone, not on the parts that they come in. `metadata` goes into
    Parquet only. Raises SystemRefusedError when the system refuses.
    """
    writing = _WRITERS[file.path.suffix.lower()]
    with file.replaced() as scratch, writing(scratch, schema, metadata, rows_per_group) as write:
        yield write


@contextlib.contextmanager
def _writing_parquet(
    path: Path, schema: pa.Schema, metadata: Mapping[str, Any], rows_per_group: int
) -> Generator[Write]:
    document = json.dumps(metadata, sort_keys=True, ensure_ascii=False).encode()
    schema = schema.with_metadata({METADATA_KEY: document})
    waiting = schema.empty_table()
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:

        def write(table: pa.Table) -> None:
            nonlocal waiting
            waiting = pa.concat_tables([waiting, table.cast(schema)])
            full = waiting.num_rows // rows_per_group * rows_per_group
            if full:
                writer.write_table(waiting.slice(0, full).combine_chunks(), row_group_size=rows_per_group)
                waiting = waiting.slice(full)

        yield write
        if waiting.num_rows:
            writer.write_table(waiting.combine_chunks())


@contextlib.contextmanager
def _writing_csv(path: Path, schema: pa.Schema, *_: object) -> Generator[Write]:
    with pyarrow.csv.CSVWriter(path, schema) as writer:
        yield writer.write_table


@contextlib.contextmanager
def _writing_json_lines(path: Path, *_: object) -> Generator[Write]:
    with path.open("wb") as stream:
        yield lambda table: stream.write(json_lines(table))


_WRITERS: Final = {".parquet": _writing_parquet, ".csv": _writing_csv, ".jsonl": _writing_json_lines}
