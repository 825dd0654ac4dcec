"""Files with anything in them: every record is accounted for, or one sentence says why none is."""

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.errors import DataError, RecsysError
from recsys_cli.sequences import build
from recsys_cli.sequences.store import open_dataset
from recsys_cli.stages.preprocess import preprocess

ROWS = range(12)
FILES = {
    "x.csv": b"user_id,item_id,rating,timestamp\n"
    + b"".join(b"u%d,i%d,%d,%d\n" % (n % 3, n % 5, n % 4, 1_600_000_000 + n) for n in ROWS),
    "x.jsonl": b"".join(
        b'{"user":"u%d","item":%d,"ts":%d}\n' % (n % 3, n % 5, 1_600_000_000 + n) for n in ROWS
    ),
}
ODD = [
    b'"', b'""', b"\n", b"\r\n", b"\r", b",", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xc3", b"'", b"\\", b"NaN",
    b"inf", b";", b"\t", b" ", b"\xf0\x9f\x98\x80", b"{", b"}", b"[", b"1e999", b"#", b"-", b"x" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from(ODD)), min_size=1, max_size=5))
def test_odd_bytes_anywhere_are_accounted_for_or_refused(tmp_path, name, insertions):
    content = FILES[name]
    for share, odd in insertions:
        place = int(share * len(content))
        content = content[:place] + odd + content[place:]
    (tmp_path / name).write_bytes(content)
    try:
        result = preprocess(
            [tmp_path / name], tmp_path / "data", settings=PreprocessSettings(max_rejects=1), overwrite=True
        )
    except RecsysError:  # any other exception would be a bug
        return
    dataset = open_dataset(tmp_path / "data")
    rejected = pq.read_table(dataset.artifact.file("rejects.parquet"))
    assert result.rows == result.used + rejected.num_rows
    assert len(dataset.sequences.items) == result.used
    assert all(1 <= line <= len(content.splitlines()) + 1 for line in rejected["line"].to_pylist())


HEADER = "user,item,timestamp,rating"
# Rows that cannot be used stand between the others: five are for the checks to find, the last for the reader.
BAD_ROWS = {
    40: ",i1,1600000000,1",
    41: "u1, ,1600000000,1",
    900: "u1,i1,soon,1",
    2_500: "u1,i1,1600000000,x",
    2_501: "u1,i1,1600000000,inf",
    2_900: "too,few",
}
LINES = [
    BAD_ROWS.get(n, f"u{n % 211},{n * 7 % 89},{1_600_000_000 + n * 37 % 5},{n % 5}") for n in range(3_000)
]


def made(paths, folder, monkeypatch, **chosen):
    """Everything that a run leaves for others: its files, its rejects and its counts."""
    monkeypatch.setattr(build, "ROWS_AT_A_TIME", 700)
    result = preprocess(paths, folder, settings=PreprocessSettings(max_rejects=1, **chosen), overwrite=True)
    artifact = open_dataset(folder).artifact
    rejects = pq.read_table(artifact.file("rejects.parquet")).drop_columns(["file"]).to_pylist()
    files = {name: entry.sha256 for name, entry in artifact.manifest.files.items() if "rejects" not in name}
    return files, rejects, (result.rows, result.used, result.rejected, result.users, result.items)


@pytest.mark.parametrize("chosen", [{"threads": 4}, {"memory_limit": "100MB"}, {"timestamp_unit": "seconds"}])
def test_no_setting_of_the_machine_changes_what_comes_out(tmp_path, monkeypatch, chosen):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([HEADER, *LINES]) + "\n")
    wanted = made([path], tmp_path / "data", monkeypatch, threads=1)
    assert made([path], tmp_path / "data", monkeypatch, **chosen) == wanted
    assert [reject["line"] for reject in wanted[1]] == [row + 2 for row in BAD_ROWS]
    assert [reject["raw"] for reject in wanted[1]] == list(BAD_ROWS.values())


def test_rows_in_several_files_are_those_of_one(tmp_path, monkeypatch):
    bounds = [0, 41, 1_300, 2_501, 3_000]
    whole, parts = tmp_path / "x.csv", [tmp_path / f"part{n}.csv" for n in range(4)]
    whole.write_text("\n".join([HEADER, *LINES]) + "\n")
    for path, start, stop in zip(parts, bounds, bounds[1:], strict=False):
        path.write_text("\n".join([HEADER, *LINES[start:stop]]) + "\n")
    parts[2] = _packed(parts[2])
    files, rejects, counts = made([whole], tmp_path / "data", monkeypatch)
    files_of_parts, rejects_of_parts, counts_of_parts = made(parts, tmp_path / "data", monkeypatch)
    assert (files_of_parts, counts_of_parts) == (files, counts)
    starts = [max(bound for bound in bounds if bound <= row) for row in BAD_ROWS]
    wanted = [
        {**reject, "line": row - start + 2}
        for reject, row, start in zip(rejects, BAD_ROWS, starts, strict=True)
    ]
    assert sorted(rejects_of_parts, key=str) == sorted(wanted, key=str)


def _packed(path):
    packed = path.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def test_a_file_that_grows_all_the_while_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([HEADER, *LINES]) + "\n")
    done = threading.Event()

    def write_on():
        with path.open("a") as file:
            while not done.wait(0.001):
                file.write(f"{LINES[0]}\n")
                file.flush()

    with ThreadPoolExecutor() as pool:
        writing = pool.submit(write_on)
        try:
            with pytest.raises(DataError, match=r"x\.csv changed"):
                preprocess([path], tmp_path / "data")
        finally:
            done.set()
        writing.result()
    assert not (tmp_path / "data").exists()
