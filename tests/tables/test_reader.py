"""Files into DuckDB: where rows stand in them, and who is to blame when they cannot be read."""

import gzip

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.errors import DataError, UsageError
from recsys_cli.tables.reader import Rejects, connect, load_parts, open_files
from recsys_cli.tables.sources import find_sources


@pytest.fixture
def connection(tmp_path):
    (tmp_path / "scratch").mkdir()
    with connect(tmp_path / "scratch", memory_limit="200MB", threads=1) as opened:
        yield opened


def load_files(connection, table, sources, columns, rejects, *, scratch, **options):
    with open_files(sources, columns, scratch=scratch, **options) as parts:
        return load_parts(connection, table, parts, rejects)


def load(connection, tmp_path, *contents, suffix="csv"):
    paths = [tmp_path / f"{number}.{suffix}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content, newline="")
    sources = find_sources(paths, "auto", tmp_path)
    rejects = Rejects()
    columns = [{name: name for name in source.names} for source in sources]
    return load_files(connection, "loaded", sources, columns, rejects, scratch=tmp_path), rejects


def test_rows_keep_the_order_of_the_files_and_of_their_lines(connection, tmp_path):
    load(connection, tmp_path, "a,b\n1,2\n3,4\n", "b,a\n6,5\n", "a\n7\n")
    rows = connection.execute("SELECT rowid, a, b FROM loaded ORDER BY rowid").fetchall()
    assert rows == [(0, "1", "2"), (1, "3", "4"), (2, "5", "6"), (3, "7", None)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_row_is_named_by_its_line_past_blank_and_refused_ones(connection, tmp_path, end):
    first = ["a,b", "", "one,line 3", "refused", "", "", "two,line 7", "   ", "three,line 9"]
    second = ["a,b", "four,line 2", "", "five,line 4"]
    loaded, rejects = load(connection, tmp_path, *(end.join([*lines, ""]) for lines in (first, second)))
    files, lines = loaded.place(np.arange(5))
    assert files.tolist() == [0, 0, 0, 1, 1]
    assert [f"line {line}" for line in lines] == [
        row[0] for row in connection.execute("SELECT b FROM loaded ORDER BY rowid").fetchall()
    ]
    assert rejects.frame()[["line", "reason", "raw"]].values.tolist() == [
        [4, "too few columns", "refused"],
        [8, "too few columns", "   "],
    ]


def test_blank_lines_are_not_swallowed_ones(connection, tmp_path):
    loaded, _ = load(connection, tmp_path, "a,b\n1,2\n\n\n\nrefused\n3,4\n")
    assert loaded.swallowed == 0


def test_json_lines_are_named_past_blank_ones(connection, tmp_path):
    loaded, _ = load(connection, tmp_path, '{"a":1}\n\nnonsense\n{"a":2}\n', suffix="jsonl")
    assert loaded.place(np.arange(3))[1].tolist() == [1, 3, 4]


def test_whole_numbers_that_parquet_holds_as_floats_are_whole(connection, tmp_path):
    values = [1.0, None, 2.5, float("inf"), float("nan"), 1e300, -3.0]
    pq.write_table(pa.table({"a": values, "b": pa.array(values, pa.float32())}), tmp_path / "x.parquet")
    sources = find_sources([tmp_path / "x.parquet"], "auto", tmp_path)
    load_files(connection, "loaded", sources, [{"a": "a", "b": "b"}], Rejects(), scratch=tmp_path)
    rows = connection.execute("SELECT * FROM loaded ORDER BY rowid").fetchall()
    assert [row[0] for row in rows] == ["1", None, "2.5", "inf", "nan", "1e+300", "-3"]
    assert [row[1] for row in rows] == ["1", None, "2.5", "inf", "nan", "inf", "-3"]


def test_rejects_stand_by_file_and_line():
    rejects = Rejects()
    rejects.add("z", np.array([7, 9]), ["late"] * 2, ["r"] * 2)
    rejects.add("a", np.array([2]), ["other"], ["r"])
    rejects.add("z", np.array([3]), ["early"], ["r"])
    assert rejects.frame()[["file", "line"]].values.tolist() == [["z", 3], ["z", 7], ["z", 9], ["a", 2]]
    assert Rejects().frame().empty


def test_a_scratch_disk_that_is_full_is_not_the_files_fault(connection, tmp_path, monkeypatch):
    class Full:
        def execute(self, query):
            if query.startswith("INSERT"):
                raise duckdb.IOException("Could not write file: No space left on device")
            return connection.execute(query)

    with pytest.raises(duckdb.IOException, match="No space left"):
        load(Full(), tmp_path, "a,b\n1,2\n")


def test_a_size_that_is_none_is_refused(tmp_path):
    with pytest.raises(UsageError, match="memory_limit=lots is not a size"):
        connect(tmp_path, memory_limit="lots", threads=None)


def test_a_gzip_file_that_is_damaged_in_the_middle_is_said(connection, tmp_path):
    noise = np.random.default_rng(0).integers(0, 10**9, 90_000)
    packed = bytearray(gzip.compress("\n".join(["a", *map(str, noise)]).encode()))
    packed[200_000:200_016] = b"\xff" * 16
    (tmp_path / "x.csv.gz").write_bytes(packed)
    sources = find_sources([tmp_path / "x.csv.gz"], "auto", tmp_path)
    with pytest.raises(DataError, match="not a whole gzip file"):
        load_files(connection, "loaded", sources, [{"a": "a"}], Rejects(), scratch=tmp_path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_file_named_like_a_pattern_is_that_file_and_no_other(connection, tmp_path, suffix):
    contents = {"data[1]": "right", "data1": "wrong", "d*?": "star", "dat": "wrong"}
    for stem, value in contents.items():
        path = tmp_path / f"{stem}.{suffix}"
        if suffix == "parquet":
            pq.write_table(pa.table({"a": [value]}), path)
        else:
            path.write_text(f"a\n{value}\n" if suffix == "csv" else f'{{"a": "{value}"}}\n')
    given = [tmp_path / f"data[1].{suffix}", tmp_path / f"d*?.{suffix}"]
    sources = find_sources(given, "auto", tmp_path)
    load_files(connection, "loaded", sources, [{"a": "a"}, {"a": "a"}], Rejects(), scratch=tmp_path)
    assert connection.execute("SELECT a FROM loaded").fetchall() == [("right",), ("star",)]


def test_the_names_of_folders_fill_their_column(connection, tmp_path):
    for part in ("day=it's one", "day=__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / "table" / part).mkdir(parents=True)
        (tmp_path / "table" / part / "part.csv").write_text("a\n1\n2\n")
    sources = find_sources([tmp_path / "table"], "auto", tmp_path)
    load_files(connection, "loaded", sources, [{"a": "a", "day": "day"}] * 2, Rejects(), scratch=tmp_path)
    rows = connection.execute("SELECT a, day FROM loaded ORDER BY rowid").fetchall()
    assert rows == [("1", None), ("2", None), ("1", "it's one"), ("2", "it's one")]


def test_lists_in_parquet_are_separated_values(connection, tmp_path):
    table = pa.table({"a": [["x", "y"], [], None, ["z", None]], "b": pa.array([[1, 2], [3], [], None])})
    pq.write_table(table, tmp_path / "x.parquet")
    sources = find_sources([tmp_path / "x.parquet"], "auto", tmp_path)
    load_files(
        connection, "loaded", sources, [{"a": "a", "b": "b"}], Rejects(), scratch=tmp_path, separator="'"
    )
    rows = connection.execute("SELECT * FROM loaded ORDER BY rowid").fetchall()
    assert rows == [("x'y", "1'2"), ("", "3"), (None, ""), ("z", None)]


def test_lists_in_json_lines_are_separated_values_and_other_cells_of_the_column_stay(connection, tmp_path):
    cells = ['["x", "y"]', '"z"', "null", "[]", "5", '{"k": 1}', '"[not a list"', '[["p"], 2]']
    content = "".join(f'{{"a": {cell}}}\n' for cell in cells)
    load(connection, tmp_path, content + '{"b": 1}\n', suffix="jsonl")
    rows = connection.execute("SELECT a FROM loaded ORDER BY rowid").fetchall()
    wanted = ["x|y", "z", None, "", "5", '{"k":1}', "[not a list", '["p"]|2', None]
    assert [row[0] for row in rows] == wanted


def read(connection, path, *, table="interactions", encoding="utf-8", single=()):
    [source] = find_sources([path], "auto", path.parent, encoding=encoding, table=table)
    rejects, columns = Rejects(), {name: name for name in source.names}
    loaded = load_files(
        connection, "loaded", [source], [columns], rejects, scratch=path.parent, single=single
    )
    return connection.execute("SELECT * FROM loaded ORDER BY rowid").fetchall(), loaded, rejects.frame()


def test_files_with_colons_have_no_quotes_and_name_their_lines(connection, tmp_path):
    content = '1::a"b::5::10\n\n2::"c::4::11\n3::d::4\n4:::e::f:::12\n5::g,h::\t::13\n'
    (tmp_path / "x.dat").write_text(content)
    rows, loaded, rejects = read(connection, tmp_path / "x.dat")
    assert rows == [
        ("1", 'a"b', "5", "10"),
        ("2", '"c', "4", "11"),
        ("4", ":e", "f", ":12"),
        ("5", "g,h", "\t", "13"),
    ]
    assert loaded.place(np.arange(4))[1].tolist() == [1, 3, 5, 6]
    assert rejects[["line", "reason", "raw"]].values.tolist() == [[4, "too few columns", "3::d::4"]]


def test_sequences_of_recboles_files_are_several_values(connection, tmp_path):
    content = "item_id:token\tgenres:token_seq\n1\tWar  Crime \n2\t\n3\tWar\n"
    (tmp_path / "x.item").write_text(content)
    assert read(connection, tmp_path / "x.item")[0] == [("1", "War|Crime"), ("2", None), ("3", "War")]


def test_an_id_that_is_a_sequence_is_refused(connection, tmp_path):
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token_seq\n1\t2 3\n")
    with pytest.raises(DataError, match="column 'item_id' holds lists"):
        read(connection, tmp_path / "x.inter", single=("user_id", "item_id"))


@pytest.mark.parametrize(
    "cells",
    [[["1"], ["2"]], [{"a": 1}, {"a": 2}], pa.array([[("k", 1)]] * 2, pa.map_(pa.string(), pa.int8()))],
)
def test_an_id_in_parquet_that_is_no_single_value_is_refused(connection, tmp_path, cells):
    pq.write_table(pa.table({"user": cells, "item": [1, 2]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x.parquet's column 'user' holds lists or objects"):
        read(connection, tmp_path / "x.parquet", single=("user", "item"))


def test_an_id_in_json_that_is_no_single_value_is_a_blank(connection, tmp_path):
    (tmp_path / "x.jsonl").write_text('{"user":["a"],"t":["b"]}\n{"user":{"k":1}}\n{"user":"c"}\n')
    rows, loaded, _ = read(connection, tmp_path / "x.jsonl", single=("user",))
    assert rows == [("b", None), (None, None), (None, "c")]
    rejects = Rejects()
    loaded.reject(rejects, np.array([0, 1]), ["the user is blank"] * 2, ["b,", ","])
    assert rejects.frame()[["line", "reason", "raw"]].values.tolist() == [
        [1, "the user is blank, a list or an object", '{"user":["a"],"t":["b"]}'],
        [2, "the user is blank, a list or an object", '{"user":{"k":1}}'],
    ]


def test_an_only_column_of_json_holds_its_values(connection, tmp_path):
    (tmp_path / "x.jsonl").write_text('{"user":"a"}\n["user"]\n{"user":1}\n')
    assert read(connection, tmp_path / "x.jsonl")[0] == [("a",), (None,), ("1",)]


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32", "shift_jis", "utf-8-sig"]
)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst", ".dat"])
def test_text_in_an_encoding_that_is_named_is_read(connection, tmp_path, encoding, suffix):
    word = "テスト" if encoding == "shift_jis" else "Café"
    between = "::" if suffix == ".dat" else ","
    lines = [between.join(("user", "item")), between.join((word, "1")), "refused", between.join(("x", "2"))]
    content = "\n".join(lines).encode(encoding)
    if suffix.endswith("gz"):
        content = gzip.compress(content)
    if suffix.endswith("zst"):
        content = pa.compress(content, codec="zstd", asbytes=True)
    (tmp_path / f"x{suffix}").write_bytes(content)
    rows, loaded, rejects = read(connection, tmp_path / f"x{suffix}", encoding=encoding)
    assert [row[:2] for row in rows][-2:] == [(word, "1"), ("x", "2")]
    assert loaded.place(np.arange(len(rows)))[1].tolist()[-2:] == [2, 4]
    assert rejects["line"].tolist() == [3]


def test_bytes_that_are_not_in_the_named_encoding_are_said_with_their_line(connection, tmp_path):
    (tmp_path / "x.csv").write_bytes(b"user,item\n" + b"a,1\n" * 500_000 + b"\x81,2\n")
    with pytest.raises(DataError, match="line 500002 is not cp1252 text"):
        read(connection, tmp_path / "x.csv", encoding="cp1252")


def test_text_of_json_is_known_in_whatever_line_it_is(connection, tmp_path):
    lines = ['{"user": 1, "item": 2}'] * 20_000 + ['{"user": "1", "item": 2}']
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    assert read(connection, tmp_path / "x.jsonl")[1].text_roles == {"user"}


def test_a_zstd_file_that_was_cut_is_said(connection, tmp_path):
    numbers = np.random.default_rng(0).integers(0, 10**9, 90_000)
    packed = pa.compress("\n".join(["a", *map(str, numbers)]).encode(), codec="zstd", asbytes=True)
    (tmp_path / "x.csv.zst").write_bytes(packed[:-9])
    with pytest.raises(DataError, match=r"x.csv.zst is not a whole zstd file: Truncated"):
        read(connection, tmp_path / "x.csv.zst")
