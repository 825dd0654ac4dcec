"""Every table of one dataset, read and checked: what was recognised, rejected and worth a note."""

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb
import pandas as pd

from recsys_cli.artifacts.atomic import atomic_file
from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.errors import DataError, UsageError
from recsys_cli.schemas import Entity
from recsys_cli.tables.columns import ENTITY_ID, find_columns, find_entity_columns
from recsys_cli.tables.entities import EntityTable, no_entities, read_entities
from recsys_cli.tables.interactions import Validated, validate
from recsys_cli.tables.load import Choose, Given, Table, open_table
from recsys_cli.tables.reader import NOT_UTF_8, Loaded, Rejects, load_parts

LOGGER: Final = logging.getLogger("recsys")
ROLES: Final = ("user", "item", "timestamp", "rating")
SHOWN_REASONS: Final = 3
ENCODING_HINT: Final = "If the file is in another encoding, name it, for example --encoding latin-1."


@dataclass
class Intake:
    """Reads tables into `connection`; spools standard input into `scratch`."""

    connection: duckdb.DuckDBPyConnection
    settings: PreprocessSettings
    scratch: Path
    rejects_file: Path  # where the rejects go when there are too many
    rejects: Rejects = field(default_factory=Rejects)
    notes: list[str] = field(default_factory=list[str])  # a sentence each, for the person
    recognised: dict[str, str] = field(default_factory=dict[str, str])  # role -> column, field -> kind
    fingerprints: dict[str, str] = field(default_factory=dict[str, str])  # input -> SHA-256
    text_ids: set[str] = field(default_factory=set[str])  # entities whose ids the files say are text

    def interactions(self, given: Table | Sequence[Path | str]) -> Validated:
        """Valid events, in table `events`. Raises DataError where too many rows are rejected."""
        named = {role: getattr(self.settings, f"{role}_column") for role in ROLES}
        with self._opened(
            "interactions",
            given,
            lambda label, names: find_columns(label, names, ROLES, named),
            self.settings.format,
            single=ROLES,
        ) as table:
            events = validate(
                self.connection,
                table.parts,
                self.rejects,
                roles=list(table.columns),
                unit=self.settings.timestamp_unit,
                as_of=self.settings.as_of,
            )
        self.text_ids |= events.loaded.text_roles & {"user", "item"}
        _require_rows(events.loaded, events.rows)
        self.recognise({**table.columns, "timestamps": events.timestamp_words})
        self._require_few_rejects(events.loaded, sum(events.rejected.values()), events.rows)
        if self.settings.positive_rating is not None and not events.has_rating:
            raise UsageError(
                f"positive-rating={self.settings.positive_rating:g} needs ratings, and "
                f"{', '.join(events.loaded.sources)} has none.",
                hint="Name their column with --rating-column, or leave --positive-rating out.",
            )
        return events

    def entities(self, entity: Entity, given: Table | None) -> EntityTable:
        """The fields of items or users; none where there is no such table."""
        if given is None:
            return no_entities()
        named = getattr(self.settings, f"{entity}_column")
        with self._opened(
            f"{entity}s",
            given,
            lambda label, names: find_entity_columns(label, names, entity, named),
            "auto",
            single=(ENTITY_ID,),
        ) as table:
            loaded = load_parts(self.connection, f"{entity}s", table.parts, self.rejects)
        if ENTITY_ID in loaded.text_roles:
            self.text_ids.add(entity)
        read = read_entities(self.connection, loaded, self.rejects, entity)
        rows = len(read.frame) + read.rejected + read.repeated
        _require_rows(loaded, rows)
        self._require_few_rejects(loaded, read.rejected, rows)
        if read.repeated or read.rejected:
            self.note(f"{entity}s: {read.repeated} repeated rows merged, {read.rejected} rows rejected.")
        return read

    def note(self, sentence: str) -> None:
        """Keep a sentence for the result, and say it now."""
        self.notes.append(sentence)
        LOGGER.warning(sentence)

    def recognise(self, what: dict[str, str]) -> None:
        """Keep what was recognised as what, and say it now."""
        self.recognised |= what
        LOGGER.info("recognised: %s", ", ".join(f"{name} = {found}" for name, found in what.items()))

    @contextmanager
    def _opened(
        self,
        name: str,
        given: Table | Sequence[Path | str],
        choose: Choose,
        chosen_format: str,
        single: Sequence[str],
    ) -> Generator[Given]:
        with open_table(
            self.connection,
            name,
            given,
            choose=choose,
            chosen_format=chosen_format,
            scratch=self.scratch,
            separator=self.settings.value_separator,
            encoding=self.settings.encoding,
            single=single,
        ) as table:
            yield table
        for label, digest in table.fingerprints.items():
            self.fingerprints[f"{len(self.fingerprints):03}-{Path(label).name}"] = digest

    def _require_few_rejects(self, loaded: Loaded, records: int, of: int) -> None:
        """Raise DataError where too many lines are lost: rejected records, and what these swallow."""
        rejected, rows = records + loaded.swallowed, of + loaded.swallowed
        if not rejected:
            return
        frame = self.rejects.frame()
        here = frame[frame["file"].isin(loaded.sources)]
        if rejected > self.settings.max_rejects * rows:
            with atomic_file(self.rejects_file, overwrite=True) as scratch:
                frame.to_csv(scratch, index=False)
            raise self._too_many_rejects(here, rejected, rows)
        encoded = here[here["reason"] == NOT_UTF_8]
        if len(encoded):
            self.note(
                f"{len(encoded)} rows are not UTF-8 text, the first is {_place(encoded)}. {ENCODING_HINT}"
            )

    def _too_many_rejects(self, here: pd.DataFrame, rejected: int, rows: int) -> DataError:
        reasons = here["reason"].value_counts().head(SHOWN_REASONS)
        is_encoded = reasons.index[0] == NOT_UTF_8
        return DataError(
            f"{rejected} of {rows} rows are rejected, more than max-rejects={self.settings.max_rejects:g}: "
            + ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
            + f"; the first is {_place(here)}.",
            hint=ENCODING_HINT
            if is_encoded
            else f"Look at {self.rejects_file}, then mend the file or raise --max-rejects.",
        )


def _place(rejects: pd.DataFrame) -> str:
    first = rejects.iloc[0]
    return f"{first['file']} line {first['line']}"


def _require_rows(loaded: Loaded, rows: int) -> None:
    if not rows:
        raise DataError(f"{', '.join(loaded.sources)} has no rows.", hint="Give a file with rows.")
