"""Inputs as they are given: what is found in them, and what is said of those that cannot be read."""

import gzip
import io
import os
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cli.errors import DataError, UsageError
from recsys_cli.tables.sources import find_sources


def only(path, tmp_path, chosen="auto"):
    [source] = find_sources([path], chosen, tmp_path)
    return source


def put(path, content):
    path.write_bytes(content)
    return path


def test_a_column_without_a_name_gets_one(tmp_path):
    path = put(tmp_path / "x.csv", b",user_id, ,item_id\n0,a,,b\n")
    assert only(path, tmp_path).names == ("column 1", "user_id", "column 3", "item_id")


@pytest.mark.parametrize(
    ("kind", "is_text"),
    [
        (pa.string(), True),
        (pa.large_string(), True),
        (pa.string_view(), True),
        (pa.dictionary(pa.int32(), pa.string()), True),
        (pa.int64(), False),
        (pa.float64(), False),
    ],
)
def test_what_a_parquet_file_calls_text_is_text(tmp_path, kind, is_text):
    values = pa.array(["1", "2"] if is_text else [1, 2]).cast(kind)
    pq.write_table(pa.table({"user": values}), tmp_path / "x.parquet")
    assert only(tmp_path / "x.parquet", tmp_path).text_columns == ({"user"} if is_text else set())


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_keys_of_json_lines_are_columns(tmp_path, name):
    content = b'\xef\xbb\xbf{"user":"1","item":2}\nnonsense\n{"item":"3","rating":1.5}\n[1]\n{"":1}\n'
    path = put(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
    assert only(path, tmp_path).names == ("item", "rating", "user")


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: pa.compress(text, codec="zstd", asbytes=True)])
def test_standard_input_may_be_packed(tmp_path, monkeypatch, pack):
    content = pack(b"user,item\na,b\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    source = only("-", tmp_path)
    assert (source.label, source.names) == ("standard input", ("user", "item"))


def test_a_pipe_is_read_once_and_whole(tmp_path):
    content = b"user,item\n" + b"a,b\n" * 50_000
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[content])
    writer.start()
    source = only(tmp_path / "pipe", tmp_path, chosen="csv")
    writer.join()
    assert source.path.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "user,item\n".encode("utf-16"), "UTF-16 text"),
        ("x.csv", "user,item\n".encode("utf-32"), "UTF-32 text"),
        ("x.csv", "user,item\n".encode("utf-32-le"), "UTF-32 text"),
        ("x.csv", "user,item\n".encode("utf-32-be"), "UTF-32 text"),
        ("x.csv", "user,prénom\n".encode("latin-1"), "line 1 is not UTF-8 text"),
        ("x.dat", b"user,item\n1,2\n", "no '::' in its first line"),
        ("x.csv.zst", b"user,item\n1,2\n", "is not a whole zstd file"),
        (
            "x.jsonl.zst",
            pa.compress(b'{"user":1}\n' * 999, codec="zstd", asbytes=True)[:20],
            "not a whole zstd",
        ),
        ("x.csv", "user,item\n".encode("utf-16-le"), "UTF-16"),
        ("x.csv", "user,item\n".encode("utf-16-be"), "UTF-16"),
        ("x.jsonl", '{"user":1}\n'.encode("utf-16"), "UTF-16"),
        ("x.json", b'[{"user":1,"item":2}]\n', "no JSON object"),
        ("x.csv", b'"' + b"x" * 200_000 + b"\n", "first line that cannot be read"),
        ("x.csv", b"\n", "has no header"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, name, content, said):
    with pytest.raises(DataError, match=said):
        only(put(tmp_path / name, content), tmp_path)


def test_parquet_columns_that_differ_by_case_alone_are_refused(tmp_path):
    pq.write_table(pa.table({"user": [1], "USER": [2], "item": [3]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="two columns"):
        only(tmp_path / "x.parquet", tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"user,item\n"), "is gzipped, and its name does not say so"),
        (b"PAR1\x15\x04", "is a Parquet file, not text"),
        (b"PK\x03\x04\x14\x00", "is a zip archive or a spreadsheet"),
        (b"BZh91AY&SY", "is packed with bzip2"),
        (b"\xfd7zXZ\x00\x00", "is packed with xz"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "is packed with zstd, and its name does not say so"),
    ],
)
def test_what_is_packed_is_known_by_its_first_bytes(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        only(put(tmp_path / "x.csv", content), tmp_path)


def test_an_empty_name_is_not_the_folder_one_stands_in(tmp_path):
    with pytest.raises(UsageError, match="name of a file is empty"):
        only("", tmp_path)


def test_folders_of_partitions_hold_columns_and_a_column_of_the_file_wins(tmp_path):
    folder = tmp_path / "outside=1" / "table"
    for part in ("year=2024/Genre=Sci%2FFi", "year=__HIVE_DEFAULT_PARTITION__/Genre=Drama"):
        (folder / part).mkdir(parents=True)
        put(folder / part / "part.csv", b"item_id,genre\n1,a\n")
        put(folder / part / "other.csv", b"item_id\n1\n")
    found = {source.label: dict(source.partitions) for source in find_sources([folder], "auto", tmp_path)}
    assert found == {
        str(folder / "year=2024/Genre=Sci%2FFi/other.csv"): {"year": "2024", "Genre": "Sci/Fi"},
        str(folder / "year=2024/Genre=Sci%2FFi/part.csv"): {"year": "2024"},
        str(folder / "year=__HIVE_DEFAULT_PARTITION__/Genre=Drama/other.csv"): {
            "year": None,
            "Genre": "Drama",
        },
        str(folder / "year=__HIVE_DEFAULT_PARTITION__/Genre=Drama/part.csv"): {"year": None},
    }


def test_a_glob_finds_partitions_where_its_marks_are(tmp_path):
    (tmp_path / "a=1" / "b=2").mkdir(parents=True)
    put(tmp_path / "a=1" / "b=2" / "x.csv", b"item_id\n1\n")
    [source] = find_sources([str(tmp_path / "a=1" / "*" / "*.csv")], "auto", tmp_path)
    assert source.columns == ("item_id", "b")


def test_what_engines_leave_beside_the_parts_of_a_folder_is_no_part(tmp_path):
    folder = tmp_path / "table"
    for name in ("_day=1/part.csv", "_temporary/0/part.csv", ".cache/part.csv", "_SUCCESS", "part.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        put(folder / name, b"item_id\n1\n")
    labels = [source.label for source in find_sources([folder], "auto", tmp_path)]
    assert labels == [str(folder / "_day=1/part.csv"), str(folder / "part.csv")]


def test_a_key_may_first_be_met_far_down(tmp_path):
    lines = ['{"user": "u", "item": 1}'] * 20_000 + ['{"user": "u", "item": 1, "rating": 3}']
    assert "rating" in only(put(tmp_path / "x.jsonl", "\n".join(lines).encode()), tmp_path).names


@pytest.mark.parametrize(
    ("table", "line", "names"),
    [
        ("interactions", b"1::2", ("user_id", "item_id")),
        ("interactions", b"1::2::3", ("user_id", "item_id", "rating")),
        ("interactions", b"1::2::3::4", ("user_id", "item_id", "rating", "timestamp")),
        ("interactions", b"1::2::3::4::5", ("user_id", "item_id", "rating", "timestamp", "column 5")),
        ("items", b"1::Film (1999)::War|Crime", ("item_id", "title", "genres")),
        ("items", b"1::War", ("item_id", "column 2")),
        ("users", b"1::F::1::10::48067", ("user_id", "gender", "age", "occupation", "zip_code")),
        ("users", b"1::F::1", ("user_id", "column 2", "column 3")),
    ],
)
def test_files_without_a_header_have_the_columns_of_movielens(tmp_path, table, line, names):
    path = put(tmp_path / "x.dat", line + b"\n")
    [source] = find_sources([path], "auto", tmp_path, table=table)
    assert source.names == names


def test_types_are_no_part_of_the_names_in_recboles_files(tmp_path):
    header = b"item_id:token\tmovie_title:token_seq\tgenres:token_seq\tyear:float\tplain\tb:c\t:token\n"
    source = only(put(tmp_path / "x.item", header), tmp_path)
    assert source.names == ("item_id", "movie_title", "genres", "year", "plain", "b:c", ":token")
    assert source.list_columns == {"genres"}
