"""Tables to a dataset: read, validate, drop by rule, number, encode attributes, order, split."""

import errno
import os
import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from recsys_cli.artifacts.atomic import clear_left
from recsys_cli.artifacts.manifest import ArtifactWriter, open_artifact, writing_artifact
from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.errors import ArtifactError, DataError, SystemRefusedError, UsageError
from recsys_cli.schemas import REJECTS, Entity
from recsys_cli.sequences.build import Written, write_sequences
from recsys_cli.sequences.entities import ENTITIES, title_field, write_attributes, write_entity
from recsys_cli.sequences.numbering import number_entity
from recsys_cli.sequences.rules import apply_rules
from recsys_cli.sequences.split import Split, make_split
from recsys_cli.stages.results import PreprocessResult
from recsys_cli.tables.entities import EntityTable
from recsys_cli.tables.fields import FieldEncoder, fit_encoders
from recsys_cli.tables.intake import Intake
from recsys_cli.tables.interactions import EVENTS, Validated
from recsys_cli.tables.load import Table
from recsys_cli.tables.reader import connect, first_row


def preprocess(
    interactions: Table | Sequence[Path | str],
    output: Path,
    *,
    items: Table | None = None,
    users: Table | None = None,
    settings: PreprocessSettings | None = None,
    overwrite: bool = False,
    wait: float = 0.0,
    encoders: Path | None = None,
) -> PreprocessResult:
    """Make the dataset at the directory `output` from tables of interactions, items and users.

    Tables are paths (globs, folders and `-` for standard input too) or data frames. `encoders` is a
    dataset or model whose kinds of fields and bins of numbers are used again. Another run on the same
    output is waited for, at most `wait` seconds. Raises UsageError, DataError (more rejected rows than
    allowed, too), ArtifactError, LockedError, SystemRefusedError.
    """
    started = time.monotonic()
    settings = settings or PreprocessSettings()
    known = None if encoders is None else read_encoders(encoders, settings)
    with (
        writing_artifact(output, "dataset", overwrite=overwrite, wait=wait) as writer,
        _database(writer, settings) as (connection, scratch),
    ):
        intake = Intake(connection, settings, scratch, _rejects_file(output))
        clear_left(intake.rejects_file)
        events = intake.interactions(interactions)
        tables: dict[Entity, EntityTable] = {
            "item": intake.entities("item", items),
            "user": intake.entities("user", users),
        }
        dropped = apply_rules(connection, settings)
        built = _build(intake, writer, events, tables, dropped, known)
        artifact = writer.commit(
            configuration=settings.model_dump(mode="json"),
            inputs=intake.fingerprints,
            counts=built.counts,
            details=_details(built, intake),
            run={"seconds": time.monotonic() - started},
        )
        intake.rejects_file.unlink(missing_ok=True)  # of a run before, that had too many
    return _result(built, intake, output, artifact.fingerprint)


def _rejects_file(output: Path) -> Path:
    """Beside the output, also where that is given as `.`."""
    named = output if output.name not in ("", "..") else output.resolve()
    return named.with_name(f"{named.name}.rejects.csv")


def read_encoders(path: Path, settings: PreprocessSettings) -> list[FieldEncoder]:
    """The field encoders that a dataset or a model keeps. Raises ArtifactError, UsageError."""
    if settings.item_fields or settings.user_fields:
        raise UsageError(
            f"The kinds of fields are those of {path}, and none can be chosen beside them.",
            hint="Leave --item-field and --user-field out, or --encoders.",
        )
    fields = open_artifact(path).manifest.details.get("fields")
    try:
        return TypeAdapter(list[FieldEncoder]).validate_python(fields)
    except ValidationError as error:
        raise ArtifactError(
            f"{path} holds no field encoders.", hint="Give a dataset or a model to --encoders."
        ) from error


@contextmanager
def _database(
    writer: ArtifactWriter, settings: PreprocessSettings
) -> Generator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """DuckDB in a scratch folder inside the output, gone when the block ends."""
    scratch = writer.folder("work")
    connection = connect(scratch, memory_limit=settings.memory_limit, threads=settings.threads)
    try:
        yield connection, scratch
    except duckdb.OutOfMemoryException as error:
        raise SystemRefusedError(
            f"memory_limit={settings.memory_limit} is too little for this table.",
            hint="Give a higher --memory-limit.",
        ) from error
    except duckdb.Error as error:
        if not isinstance(error, duckdb.IOException) and os.strerror(errno.ENOSPC) not in str(error):
            raise
        raise SystemRefusedError(
            f"{scratch} could not be written: {str(error).splitlines()[0]}.", hint="Free space on this disk."
        ) from error
    finally:
        connection.close()
        shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True)
class Built:
    """What came of the rows, once the files of the dataset are written."""

    events: Validated
    dropped: dict[str, int]  # rule -> events
    used: int
    not_positive: int
    attributes: int
    id_types: dict[str, str]
    encoders: list[FieldEncoder]
    split: Split
    counts: dict[str, int]


def _build(
    intake: Intake,
    writer: ArtifactWriter,
    events: Validated,
    tables: Mapping[Entity, EntityTable],
    dropped: dict[str, int],
    known: list[FieldEncoder] | None,
) -> Built:
    """Number, encode, order and write the events that are left."""
    used = first_row(intake.connection, f"SELECT count(*) FROM {EVENTS}")[0]
    _require_every_row(events, used, dropped)
    ids: dict[Entity, pa.Array] = {
        entity: number_entity(intake, entity, tables[entity]) for entity in ENTITIES
    }
    encoders = _encoders(intake, tables) if known is None else _known_encoders(intake, tables, known)
    for entity in ENTITIES:
        write_entity(
            intake.connection, writer, entity, ids[entity], tables[entity], encoders, events.timestamps
        )
    attributes = write_attributes(writer, ids, tables, encoders)
    split = make_split(intake.settings, events.timestamps)
    written = write_sequences(
        intake.connection,
        writer.file("sequences.parquet"),
        num_users=len(ids["user"]),
        split=split,
        timestamps=events.timestamps,
        has_rating=events.has_rating,
        positive_rating=intake.settings.positive_rating,
    )
    _note_empty_parts(intake, split, written)
    rejects = pa.Table.from_pandas(intake.rejects.frame(), schema=REJECTS, preserve_index=False)
    pq.write_table(rejects, writer.file("rejects.parquet"), compression="zstd")
    sizes = {f"{entity}s": len(values) for entity, values in ids.items()}
    return Built(
        events=events,
        dropped=dropped,
        used=used,
        not_positive=written.not_positive,
        attributes=attributes,
        id_types={entity: str(values.type) for entity, values in ids.items()},
        encoders=encoders,
        split=split,
        counts={"rows": events.rows, "events": used, "attributes": attributes, **sizes},
    )


def _note_empty_parts(intake: Intake, split: Split, written: Written) -> None:
    if split.kind == "none":
        return
    for part in ("training", "validation", "test"):
        if not getattr(written, part):
            intake.note(f"No event is in the {part} part: {split.in_words()}.")


def _require_every_row(events: Validated, used: int, dropped: dict[str, int]) -> None:
    """A row that is neither used nor dropped nor rejected is a bug, and must not go unnoticed."""
    rejected = sum(events.rejected.values())
    if used + sum(dropped.values()) + rejected != events.rows:
        raise AssertionError(f"{events.rows=} but {used=}, {dropped=}, {rejected=}")
    if used:
        return
    if sum(dropped.values()):
        raise DataError("No event is left.", hint="Lower --min-user-events and --min-item-events.")
    raise DataError(
        f"No event is left: {rejected} of {events.rows} rows are rejected.",
        hint="Lower --max-rejects, to be told why.",
    )


def _encoders(intake: Intake, tables: Mapping[Entity, EntityTable]) -> list[FieldEncoder]:
    settings = intake.settings
    chosen = {"item": settings.item_fields, "user": settings.user_fields}
    encoders: list[FieldEncoder] = []
    for entity in ENTITIES:
        encoders += fit_encoders(
            tables[entity].frame,
            entity,
            chosen=chosen[entity],
            separator=settings.value_separator,
            bins=settings.number_bins,
        )
    _recognise(intake, encoders)
    return encoders


def _known_encoders(
    intake: Intake, tables: Mapping[Entity, EntityTable], known: list[FieldEncoder]
) -> list[FieldEncoder]:
    for entity in ENTITIES:
        fields = {encoder.field for encoder in known if encoder.entity == entity}
        new = [str(field) for field in tables[entity].frame.columns if field not in fields]
        if new:
            intake.note(f"The {entity}s' fields {', '.join(new)} are new to the encoders and left out.")
    _recognise(intake, [each for each in known if each.field in tables[each.entity].frame])
    return known


def _recognise(intake: Intake, encoders: Sequence[FieldEncoder]) -> None:
    if encoders:
        intake.recognise({f"{each.entity}s' {each.field}": each.kind for each in encoders})


def _details(built: Built, intake: Intake) -> dict[str, Any]:
    """What readers of the dataset need, and what a person may ask of it later."""
    return {
        "split": built.split.as_dict(),
        "timestamps": built.events.timestamps,
        "title_field": title_field(built.encoders),
        "id_types": built.id_types,
        "fields": [encoder.as_dict() for encoder in built.encoders],
        "recognised": intake.recognised,
        "rating": built.events.has_rating,
        "positive_rating": intake.settings.positive_rating,
        "summary": {
            "dropped": built.dropped,
            "rejected": built.events.rejected,
            "not_positive": built.not_positive,
            "notes": intake.notes,
        },
    }


def _result(built: Built, intake: Intake, output: Path, fingerprint: str) -> PreprocessResult:
    return PreprocessResult(
        output=output,
        fingerprint=fingerprint,
        rows=built.events.rows,
        used=built.used,
        dropped=built.dropped,
        rejected=built.events.rejected,
        users=built.counts["users"],
        items=built.counts["items"],
        attributes=built.attributes,
        not_positive=built.not_positive,
        split=built.split.kind,
        recognised=intake.recognised,
        notes=intake.notes,
    )
