"""Files with anything in them: every record is accounted for, or one sentence says why none is."""

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.errors import RecsysError
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
