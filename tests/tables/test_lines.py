"""Rows are named by the line they begin on, whatever stands before them."""

import gzip
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_cli.tables import lines
from recsys_cli.tables.lines import row_lines
from recsys_cli.tables.reader import Rejects, connect, load_parts, open_files
from recsys_cli.tables.sources import find_sources


def source_of(path, content):
    path.write_bytes(content)
    [source] = find_sources([path], "auto", path.parent)
    return source


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_newlines_inside_quotes_belong_to_their_row(tmp_path, end):
    content = end.join([b"a,b", b'"one', b"", b'two",1', b"", b"2,3", b"4,5"])
    assert row_lines(source_of(tmp_path / "x.csv", content)).tolist() == [1, 2, -5, 6, 7]
    packed = source_of(tmp_path / "x.csv.gz", gzip.compress(content))
    assert row_lines(packed).tolist() == [1, 2, -5, 6, 7]


def test_an_empty_line_of_an_only_column_is_a_blank(tmp_path):
    assert row_lines(source_of(tmp_path / "x.csv", b"a\n1\n\n2\n")).tolist() == [1, 2, 3, 4]


def test_a_cell_may_be_longer_than_a_csv_module_expects(tmp_path):
    content = b"a,b\n" + b"x" * 200_000 + b",1\n2,3\n"
    assert row_lines(source_of(tmp_path / "x.csv", content)).tolist() == [1, 2, 3]


@pytest.mark.parametrize("block", [1, 3, 1 << 24])
@given(
    st.lists(st.sampled_from(["x,y", "x", "", " ", "é,z"]), min_size=1),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_without_quotes_are_those_that_the_csv_module_tells(
    tmp_path, monkeypatch, block, cells, end, ended
):
    monkeypatch.setattr(lines, "BYTES_AT_A_TIME", block)
    content = end.join(["a,b", *cells]) + (end if ended else "")
    source = source_of(tmp_path / "x.csv", content.encode())
    assert row_lines(source).tolist() == lines._quoted_lines(source).tolist()


PIECES = st.sampled_from(
    ['"x\ny",{}', '"x\n\n\ny",{}', "x,{}", "{}", "x,{},z", "", "", " ", '"x""\n""y",{}', '"x"y,{}', 'x"y,{}']
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_every_row_read_or_refused_is_named_by_its_line(tmp_path, pieces, end):
    lines = ["a,b", *(piece.format(f"row{n}.") for n, piece in enumerate(pieces)), "x,row99."]
    content = "\n".join(lines).replace("\n", end) + end
    source = source_of(tmp_path / "x.csv", content.encode())
    (tmp_path / "scratch").mkdir(exist_ok=True)
    rejects = Rejects()
    with connect(tmp_path / "scratch", memory_limit="200MB", threads=1) as connection:
        connection.execute("DROP TABLE IF EXISTS loaded")
        with open_files([source], [{"a": "a", "b": "b"}], scratch=tmp_path) as parts:
            loaded = load_parts(connection, "loaded", parts, rejects)
        names = [row[0] for row in connection.execute("SELECT b FROM loaded ORDER BY rowid").fetchall()]
    begins = begin_lines(lines)
    assert loaded.place(np.arange(len(names)))[1].tolist() == [begins[name] for name in names]
    named = [(re.search(r"row\d+\.", raw), line) for raw, line in rejects.frame()[["raw", "line"]].values]
    assert all(line == begins[name.group()] for name, line in named if name)


def begin_lines(lines):
    """Name of a row -> the line it begins on, counted by hand."""
    begins, passed = {}, 0
    for line in lines:
        if name := re.search(r"row\d+\.", line):
            begins[name.group()] = passed + 1
        passed += line.count("\n") + 1
    return begins
