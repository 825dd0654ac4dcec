"""Whatever is in a table: every row used, dropped or rejected, or one sentence that says what is wrong."""

import faulthandler
import io
import time

import pyarrow.parquet as pq
import pytest

from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.errors import RecsysError
from recsys_cli.sequences.rules import apply_rules
from recsys_cli.stages.preprocess import preprocess
from recsys_cli.tables.intake import Intake
from recsys_cli.tables.interactions import EVENTS
from recsys_cli.tables.reader import connect, first_row

KINDS = ("csv", "tsv", "dat", "inter", "jsonl", "parquet")
LONGEST_SECONDS = 5  # of processors; the machine may be busy with other things
HANGS_AFTER_SECONDS = 120
SETTINGS = PreprocessSettings(max_rejects=1, min_user_events=2, memory_limit="300MB", threads=1)


class Checks:
    """One connection for all inputs, since opening one costs as much as reading such a table."""

    def __init__(self, folder, mutator):
        self.folder, self.mutator = folder, mutator
        (folder / "scratch").mkdir()
        (folder / "events.csv").write_text("user_id,item_id\nu1,i1\nu1,i2\nu2,i1\nu2,i3\n")
        self.connection = connect(folder / "scratch", memory_limit="300MB", threads=1)
        self.accepted = 0

    def run(self, kind, seed, check):
        """Whether the input of a seed was accepted; `check` looks at what came of it."""
        made = self.mutator(seed)
        data = made.parquet() if kind == "parquet" else made.text(kind)
        path = self.folder / f"x.{kind}"
        path.write_bytes(data)
        faulthandler.dump_traceback_later(HANGS_AFTER_SECONDS, exit=True)
        try:
            self._run(path, kind, data, check)
        except Exception as error:
            error.add_note(f"{kind} of seed {seed}: {data[:1000]!r}")
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
            self._forget()

    def _run(self, path, kind, data, check):
        started = time.process_time()
        refused = None
        try:
            check(path, kind, data)
            self.accepted += 1
        except RecsysError as error:
            refused = error
        assert time.process_time() - started < LONGEST_SECONDS
        if refused is not None:
            assert refused.message.endswith((".", "?")), refused.message
            assert len(refused.message) < 3000
            assert refused.hint

    def _forget(self):
        for (table,) in self.connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            self.connection.execute(f'DROP TABLE "{table}"')

    def interactions(self, path, kind, data):
        """As `preprocess` reads them, up to the rules."""
        intake = Intake(self.connection, SETTINGS, self.folder / "scratch", self.folder / "rejects.csv")
        events = intake.interactions([path])
        dropped = apply_rules(self.connection, SETTINGS)
        used = first_row(self.connection, f"SELECT count(*) FROM {EVENTS}")[0]
        rejects = intake.rejects.frame()
        assert used + sum(dropped.values()) + len(rejects) == events.rows
        assert len(rejects) == sum(events.rejected.values())
        assert (
            rejects["line"].between(1, data.count(b"\n") + data.count(b"\r") + 1).all() or kind == "parquet"
        )
        counted = count_rows(kind, data)
        assert counted is None or counted == events.rows

    def items(self, path, kind, data):
        """As `preprocess` reads a table of items."""
        intake = Intake(self.connection, SETTINGS, self.folder / "scratch", self.folder / "rejects.csv")
        table = intake.entities("item", path)
        assert table.rejected == len(intake.rejects.frame())
        counted = count_rows(kind, data)
        assert counted is None or counted == len(table.frame) + table.repeated + table.rejected

    def whole(self, path, kind, data):
        """The whole stage, the table given as interactions or as items."""
        as_items = data.count(b"i") % 2 and kind != "inter"
        inputs = (
            {"interactions": [self.folder / "events.csv"], "items": path}
            if as_items
            else {"interactions": path}
        )
        made = preprocess(output=self.folder / "data", settings=SETTINGS, overwrite=True, **inputs)
        assert made.used + sum(made.dropped.values()) + sum(made.rejected.values()) == made.rows
        counted = count_rows(kind, data)
        assert as_items or counted is None or counted == made.rows


def count_rows(kind, data):
    """The rows of a file, counted without its reader; None where quotes leave them undefined."""
    if kind == "parquet":
        return pq.ParquetFile(io.BytesIO(data)).metadata.num_rows
    data = data.removeprefix(b"\xef\xbb\xbf")
    if kind == "jsonl":
        return sum(1 for line in data.split(b"\n") if line.strip())
    rows = split_rows(data, {"csv": b",", "dat": b"::"}.get(kind, b"\t"), quotes=kind != "dat")
    if rows is None:
        return None
    only_column = rows[0][1] == 1 if rows else False
    filled = [row for row in rows[kind != "dat" :] if row[0] or only_column]
    return len(filled)


def split_rows(data, delimiter, *, quotes):  # noqa: C901  # a machine with four states, in one place
    """(letters, cells) of each row, the header's too, by RFC 4180; None for quotes that it does not know."""
    rows, letters, cells, state = [], 0, 1, "start"
    place = 0
    while place < len(data):
        letter = data[place : place + 1]
        step = 1
        if state == "quoted":
            letters += 1
            if letter == b'"' and data[place + 1 : place + 2] == b'"':
                step = 2
            elif letter == b'"':
                state = "closed"
        elif letter in (b"\n", b"\r"):
            step = 2 if data[place : place + 2] == b"\r\n" else 1
            rows.append((letters, cells))
            letters, cells, state = 0, 1, "start"
        elif data.startswith(delimiter, place):
            letters, cells, state, step = letters + 1, cells + 1, "start", len(delimiter)
        elif quotes and letter == b'"':
            if state != "start":
                return None
            state = "quoted"
        elif state == "closed":
            return None
        else:
            letters, state = letters + 1, "plain"
        place += step
    if state == "quoted":
        return None
    return [*rows, (letters, cells)] if letters or state == "closed" else rows


@pytest.fixture
def checks(tmp_path, mutator):
    made = Checks(tmp_path, mutator)
    yield made
    made.connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_of_a_spoilt_table_is_accounted_for(checks, kind):
    for seed in range(57):
        checks.run(kind, seed, checks.interactions)
    for seed in range(57, 65):
        checks.run(kind, seed, checks.items)
    assert 10 < checks.accepted < 60


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_table_gives_a_dataset_or_a_sentence(checks, kind):
    for seed in range(100, 103):
        checks.run(kind, seed, checks.whole)


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_every_row_of_many_spoilt_tables_is_accounted_for(checks, kind):
    for seed in range(1_000_000, 1_001_400):
        checks.run(
            kind, seed, (checks.interactions, checks.interactions, checks.items, checks.whole)[seed % 4]
        )
    assert checks.accepted > 300


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n\n3,4", 2),
        ('a,b\n"1\n\n2",3\n', 1),
        ('a,b\n"1""",3\n', 1),
        ("a\n1\n\n2\n", 3),
        ("a,b\r\n1,2\r\n", 1),
        ("a,b\r1,2\r", 1),
        ('a,b\n1"2,3\n', None),
        ('a,b\n"1"2,3\n', None),
        ('a,b\n"1,2\n', None),
        ("a,b", 0),
    ],
)
def test_rows_are_counted_as_a_person_counts_them(text, rows):
    assert count_rows("csv", text.encode()) == rows
