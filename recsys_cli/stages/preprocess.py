"""Tables to a dataset: read, validate, drop by rule, number, encode attributes, order, split."""

import json
import logging
import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cli.artifacts.manifest import MANIFEST, ArtifactWriter, writing_artifact
from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.errors import ArtifactError, DataError, SystemRefusedError
from recsys_cli.schemas import REJECTS, Entity
from recsys_cli.sequences.build import write_sequences
from recsys_cli.sequences.entities import ENTITIES, title_field, write_attributes, write_entity
from recsys_cli.sequences.numbering import number_ids
from recsys_cli.sequences.rules import apply_rules
from recsys_cli.sequences.split import make_split
from recsys_cli.stages.results import PreprocessResult
from recsys_cli.tables.columns import ENTITY_ID, find_columns, find_entity_columns
from recsys_cli.tables.entities import EntityTable, no_entities, read_entities
from recsys_cli.tables.fields import FieldEncoder, fit_encoders
from recsys_cli.tables.interactions import EVENTS, Validated, validate
from recsys_cli.tables.load import Given, Table, load_table
from recsys_cli.tables.reader import Rejects, connect, first_row

LOGGER: Final = logging.getLogger("recsys")
ROLES: Final = ("user", "item", "timestamp", "rating")
SHOWN_REASONS: Final = 3


def preprocess(
    interactions: Sequence[Path | str] | pd.DataFrame,
    output: Path,
    *,
    items: Table | None = None,
    users: Table | None = None,
    settings: PreprocessSettings | None = None,
    overwrite: bool = False,
    encoders: Path | None = None,
) -> PreprocessResult:
    """Make the dataset at the directory `output` from tables of interactions, items and users.

    Tables are paths (globs, folders and `-` for standard input too) or data frames. `encoders` is a
    dataset or model whose kinds of fields and bins of numbers are used again. Raises UsageError,
    DataError (more rejected rows than allowed, too), ArtifactError, LockedError, SystemRefusedError.
    """
    started = time.monotonic()
    settings = settings or PreprocessSettings()
    known = None if encoders is None else read_encoders(encoders)
    with (
        writing_artifact(output, "dataset", overwrite=overwrite) as writer,
        _database(writer, settings) as work,
    ):
        connection, scratch = work
        build = Build(connection, writer, settings, scratch)
        events = build.read_interactions(interactions)
        tables: dict[Entity, EntityTable] = {
            "item": build.read_entities("item", items),
            "user": build.read_entities("user", users),
        }
        dropped = apply_rules(connection, settings)
        return build.finish(events, tables, dropped, known, started)


def read_encoders(path: Path) -> list[FieldEncoder]:
    """The field encoders that a dataset or a model keeps. Raises ArtifactError."""
    try:
        fields = json.loads((path / MANIFEST).read_bytes())["details"]["fields"]
        return [FieldEncoder.from_dict(entry) for entry in fields]
    except (OSError, ValueError, KeyError, TypeError) as error:
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
    except duckdb.IOException as error:
        raise SystemRefusedError(
            f"{scratch} could not be written: {str(error).splitlines()[0]}.", hint="Free space on this disk."
        ) from error
    finally:
        connection.close()
        shutil.rmtree(scratch, ignore_errors=True)


class Build:
    """One dataset in the making: what the steps share, and the notes they leave."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        writer: ArtifactWriter,
        settings: PreprocessSettings,
        scratch: Path,
    ) -> None:
        self.connection, self.writer, self.settings, self.scratch = connection, writer, settings, scratch
        self.rejects = Rejects()
        self.notes: list[str] = []
        self.recognised: dict[str, str] = {}
        self.fingerprints: dict[str, str] = {}
        self.text_ids: set[str] = set()  # "user", "item": where a file itself says that ids are text

    def read_interactions(self, interactions: Sequence[Path | str] | pd.DataFrame) -> Validated:
        """Load and check the interactions; stops where too many rows are rejected."""
        settings = self.settings
        named = {role: getattr(settings, f"{role}_column") for role in ROLES}
        given = self._load(
            "interactions", interactions, lambda label, names: find_columns(label, names, ROLES, named)
        )
        self.text_ids |= given.text_roles & {"user", "item"}
        events = validate(
            self.connection,
            given.loaded,
            self.rejects,
            roles=set(given.columns),
            unit=settings.timestamp_unit,
        )
        if events.rows == 0:
            raise DataError(f"{', '.join(given.loaded.sources)} has no rows.", hint="Give a file with rows.")
        self.recognised = {**given.columns, "timestamps": events.timestamp_words}
        LOGGER.info("recognised: %s", ", ".join(f"{role} = {what}" for role, what in self.recognised.items()))
        swallowed = given.loaded.swallowed
        self._require_few_rejects(sum(events.rejected.values()) + swallowed, events.rows + swallowed)
        return events

    def read_entities(self, entity: Entity, table: Table | None) -> EntityTable:
        """Load the table of items or users; empty where there is none."""
        if table is None:
            return no_entities()
        named = getattr(self.settings, f"{entity}_column")
        given = self._load(
            f"{entity}s",
            table if isinstance(table, pd.DataFrame) else [table],
            lambda label, names: find_entity_columns(label, names, entity, named),
        )
        if ENTITY_ID in given.text_roles:
            self.text_ids.add(entity)
        read = read_entities(self.connection, given.loaded, self.rejects, entity)
        self._require_few_rejects(read.rejected, len(read.frame) + read.rejected + read.repeated)
        if read.repeated or read.rejected:
            self.notes.append(
                f"{entity}s: {read.repeated} repeated rows merged, {read.rejected} rows rejected."
            )
        return read

    def _load(self, table: str, given: Sequence[Path | str] | pd.DataFrame, choose: Any) -> Given:
        loaded = load_table(
            self.connection,
            table,
            given,
            choose=choose,
            chosen_format=self.settings.format if table == "interactions" else "auto",
            scratch=self.scratch,
            rejects=self.rejects,
        )
        for label, digest in loaded.fingerprints.items():
            self.fingerprints[f"{len(self.fingerprints):03}-{Path(label).name}"] = digest
        return loaded

    def _require_few_rejects(self, rejected: int, rows: int) -> None:
        if not rejected or rejected <= self.settings.max_rejects * rows:
            return
        path = self.writer.path.with_name(f"{self.writer.path.name}.rejects.csv")
        frame = self.rejects.frame()
        frame.to_csv(path, index=False)
        reasons = frame["reason"].value_counts().head(SHOWN_REASONS)
        first = frame.iloc[0]
        raise DataError(
            f"{rejected} of {rows} rows are rejected, more than max-rejects={self.settings.max_rejects:g}: "
            + ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
            + f"; the first is {first['file']} line {first['line']}.",
            hint=f"Look at {path}, then mend the file or raise --max-rejects.",
        )

    def finish(
        self,
        events: Validated,
        tables: Mapping[Entity, EntityTable],
        dropped: dict[str, int],
        known: list[FieldEncoder] | None,
        started: float,
    ) -> PreprocessResult:
        """Number, encode, order and write what is left, and commit it."""
        ids: dict[Entity, pa.Array] = {
            "user": self._number("user", tables["user"]),
            "item": self._number("item", tables["item"]),
        }
        if len(ids["item"]) == 0:
            raise DataError("No event is left.", hint="Lower --min-user-events and --min-item-events.")
        encoders = self._encoders(tables, known)
        attributes = write_attributes(self.writer, ids, tables, encoders)
        split = make_split(self.settings, events.timestamps)
        not_positive = write_sequences(
            self.connection,
            self.writer.file("sequences.parquet"),
            num_users=len(ids["user"]),
            split=split,
            timestamps=events.timestamps,
            has_rating=events.has_rating,
            positive_rating=self.settings.positive_rating,
        )
        used = self._used()
        rejected = sum(events.rejected.values())
        if used + sum(dropped.values()) + rejected != events.rows:
            raise AssertionError(f"{events.rows=} but {used=}, {dropped=}, {rejected=}")
        for entity in ENTITIES:
            write_entity(
                self.connection, self.writer, entity, ids[entity], tables[entity], encoders, events.timestamps
            )
        pq.write_table(
            _rejects_table(self.rejects.frame()), self.writer.file("rejects.parquet"), compression="zstd"
        )
        summary: dict[str, Any] = {
            "rows": events.rows,
            "used": used,
            "dropped": dropped,
            "rejected": events.rejected,
            "not_positive": not_positive,
            "notes": self.notes,
        }
        counts = {"rows": events.rows, "events": used, "attributes": attributes} | {
            f"{entity}s": len(values) for entity, values in ids.items()
        }
        artifact = self.writer.commit(
            configuration=self.settings.model_dump(mode="json"),
            inputs=self.fingerprints,
            counts=counts,
            details={
                "split": split.as_dict(),
                "timestamps": events.timestamps,
                "title_field": title_field(encoders),
                "id_types": {entity: str(values.type) for entity, values in ids.items()},
                "fields": [encoder.as_dict() for encoder in encoders],
                "recognised": self.recognised,
                "rating": events.has_rating,
                "positive_rating": self.settings.positive_rating,
                "summary": summary,
            },
            run={"seconds": time.monotonic() - started},
        )
        return PreprocessResult(
            output=self.writer.path,
            fingerprint=artifact.fingerprint,
            rows=events.rows,
            used=used,
            dropped=dropped,
            rejected=events.rejected,
            users=len(ids["user"]),
            items=len(ids["item"]),
            attributes=attributes,
            not_positive=not_positive,
            split=split.kind,
            recognised=self.recognised,
            notes=self.notes,
        )

    def _number(self, entity: Entity, table: EntityTable) -> pa.Array:
        """Number the ids that have an event and, for users, those that are only in their table."""
        ids = f'SELECT "{entity}" AS id FROM {EVENTS}'
        with_events = self._count(f"SELECT count(DISTINCT id) FROM ({ids})")
        listed = pd.DataFrame({"id": table.frame.index.astype(object)})
        self.connection.register("listed", listed)
        unseen = self._count(f"SELECT count(*) FROM listed WHERE id NOT IN ({ids})")
        missing = with_events - (len(listed) - unseen)
        if len(listed) and unseen:
            kept = "they are kept, without a history" if entity == "user" else "they are left out"
            self._note(f"{unseen} {entity}s of the {entity}s table have no event; {kept}.")
        if len(listed) and missing:
            self._note(
                f"{missing} {entity}s with events are not in the {entity}s table; their fields are blank."
            )
        if entity == "user" and len(listed):
            ids = f"{ids} UNION ALL SELECT CAST(id AS VARCHAR) FROM listed"
        numbered = number_ids(self.connection, entity, ids, may_be_integer=entity not in self.text_ids)
        self.connection.unregister("listed")
        return numbered

    def _encoders(
        self, tables: Mapping[Entity, EntityTable], known: list[FieldEncoder] | None
    ) -> list[FieldEncoder]:
        if known is not None:
            return self._known_encoders(tables, known)
        settings = self.settings
        chosen = {"item": settings.item_fields, "user": settings.user_fields}
        encoders = [
            encoder
            for entity in ENTITIES
            for encoder in fit_encoders(
                tables[entity].frame,
                entity,
                chosen=chosen[entity],
                separator=settings.value_separator,
                bins=settings.number_bins,
            )
        ]
        for encoder in encoders:
            self.recognised[f"{encoder.entity}s' {encoder.field}"] = encoder.kind
        if encoders:
            LOGGER.info("fields: %s", ", ".join(f"{e.entity}s' {e.field} = {e.kind}" for e in encoders))
        return encoders

    def _known_encoders(
        self, tables: Mapping[Entity, EntityTable], known: list[FieldEncoder]
    ) -> list[FieldEncoder]:
        for entity in ENTITIES:
            fields = {encoder.field for encoder in known if encoder.entity == entity}
            new = [str(field) for field in tables[entity].frame.columns if field not in fields]
            if new:
                self._note(f"The {entity}s' fields {', '.join(new)} are new to the encoders and left out.")
        return known

    def _used(self) -> int:
        return self._count(f"SELECT count(*) FROM {EVENTS}")

    def _count(self, query: str) -> int:
        return first_row(self.connection, query)[0]

    def _note(self, sentence: str) -> None:
        self.notes.append(sentence)
        LOGGER.warning(sentence)


def _rejects_table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, schema=REJECTS, preserve_index=False)
