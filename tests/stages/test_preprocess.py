"""Tables to a dataset: what is in it, in what order, and where every row went."""

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.errors import DataError, SystemRefusedError, UsageError
from recsys_cli.sequences import build
from recsys_cli.sequences.store import open_dataset
from recsys_cli.stages.preprocess import preprocess

HEADER = "user_id,item_id,rating,timestamp"


@pytest.fixture
def make(tmp_path):
    """Preprocess rows (under the usual header) or given paths; returns (result, dataset)."""

    def run(rows=None, *, paths=None, header=HEADER, items=None, users=None, encoders=None, **chosen):
        if paths is None:
            paths = [write(tmp_path / "events.csv", header, rows)]
        if items is not None and not hasattr(items, "suffix"):
            items = write(tmp_path / "items.csv", *items)
        if users is not None and not hasattr(users, "suffix"):
            users = write(tmp_path / "users.csv", *users)
        result = preprocess(
            paths,
            tmp_path / "data",
            items=items,
            users=users,
            settings=PreprocessSettings(**chosen),
            overwrite=True,
            encoders=encoders,
        )
        return result, open_dataset(tmp_path / "data")

    return run


def write(path, header, rows):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8", newline="")
    return path


def histories(dataset):
    """User id -> item ids, oldest first."""
    lists = dataset.sequences.history(None)
    ids, users = dataset.item_ids.to_pylist(), dataset.user_ids.to_pylist()
    return {user: [ids[n - 1] for n in lists.row(u)] for u, user in enumerate(users)}


def rejects(dataset):
    return pq.read_table(dataset.artifact.file("rejects.parquet")).to_pylist()


def attributes_of(dataset, entity):
    """Id -> its attributes as `field=value`."""
    names = {
        row["number"]: f"{row['field']}={'' if row['value'] is None else row['value']}"
        for row in dataset.attributes.to_pylist()
    }
    ids, lists = (
        (dataset.item_ids, dataset.item_attributes)
        if entity == "item"
        else (dataset.user_ids, dataset.user_attributes)
    )
    return {each: [names[n] for n in lists.row(r)] for r, each in enumerate(ids.to_pylist())}


def test_events_stand_in_order_of_time_and_ties_keep_the_order_of_the_input(make):
    result, dataset = make(["b,x,3,200", "a,y,1,300", "b,z,2,100", "b,w,5,200", "b,v,5,200", "a,x,4,100"])
    assert histories(dataset) == {"a": ["x", "y"], "b": ["z", "x", "w", "v"]}
    assert result.used == 6
    assert dataset.sequences.ratings.tolist() == [4, 1, 2, 3, 5, 5]


def test_files_follow_the_order_given_and_globs_the_order_of_bytes(make, tmp_path):
    for name, item in [("b.csv", "second"), ("a.csv", "first"), ("c.csv", "third")]:
        write(tmp_path / name, HEADER, [f"u,{item},1,1600000000"])
    _, dataset = make(paths=[str(tmp_path / "[abc].csv")])
    assert histories(dataset) == {"u": ["first", "second", "third"]}
    _, dataset = make(paths=[tmp_path / "c.csv", tmp_path / "a.csv"])
    assert histories(dataset) == {"u": ["third", "first"]}


def test_counts_and_first_and_last_seen_are_those_of_the_events(make):
    _, dataset = make(["a,x,1,1600000000", "a,y,1,1600000500", "b,x,1,1600000900"])
    assert dataset.items.select(["item_id", "events", "first_seen", "last_seen"]).to_pylist() == [
        {"item_id": "x", "events": 2, "first_seen": 1600000000, "last_seen": 1600000900},
        {"item_id": "y", "events": 1, "first_seen": 1600000500, "last_seen": 1600000500},
    ]


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (["10", "9", "-3"], [-3, 9, 10]),
        (["007", "7", "12"], ["007", "12", "7"]),
        (["9223372036854775808", "1"], ["1", "9223372036854775808"]),
        (["a", "B", "é", "😀"], ["B", "a", "é", "😀"]),
        ([" x", "x"], [" x", "x"]),
    ],
)
def test_ids_come_back_as_they_came_in_their_own_order(make, ids, wanted):
    _, dataset = make([f"{each},i,1,1600000000" for each in ids])
    assert dataset.user_ids.to_pylist() == wanted


def test_ids_may_hold_commas_quotes_newlines_and_ten_thousand_characters(make):
    strange = ['a,"b"', "line\nbreak", "z" * 10_000, "'; DROP TABLE events; --"]
    rows = [f'"{each.replace(chr(34), chr(34) * 2)}",i,1,1600000000' for each in strange]
    result, dataset = make(rows)
    assert sorted(dataset.user_ids.to_pylist()) == sorted(strange)
    assert result.used == 4


@pytest.mark.parametrize(
    ("stamps", "kind", "seconds"),
    [
        (["1600000000", "1600000001.7"], "seconds", [1600000000, 1600000001]),
        (["1600000000000", "1600000001999"], "seconds", [1600000000, 1600000001]),
        (["2020-09-13T12:26:40Z", "2020-09-13T14:26:41+02:00"], "seconds", [1600000000, 1600000001]),
        (["2020-09-13 12:26:40", "2020-09-14"], "seconds", [1600000000, 1600041600]),
        (["0", "1"], "order", [0, 1]),
        (["17", "90"], "order", [0, 1]),
    ],
)
def test_timestamps_are_recognised(make, stamps, kind, seconds):
    _, dataset = make([f"u,i{n},1,{stamp}" for n, stamp in enumerate(stamps)])
    assert dataset.timestamp_kind == kind
    assert dataset.sequences.timestamps.tolist() == seconds


def test_without_a_timestamp_column_the_rows_are_in_order(make):
    _, dataset = make(["u,z", "u,a", "v,z"], header="user,item")
    assert dataset.timestamp_kind == "order"
    assert histories(dataset) == {"u": ["z", "a"], "v": ["z"]}
    assert dataset.sequences.ratings is None


def test_columns_can_be_named_and_a_wrong_name_says_which_there_are(make):
    _, dataset = make(["1,2,3"], header="who,what,when", user_column="who", item_column="what")
    assert histories(dataset) == {1: [2]}
    with pytest.raises(UsageError, match=r"no column 'nobody'.*'who', 'what', 'when'"):
        make(["1,2,3"], header="who,what,when", user_column="nobody", item_column="what")


def test_two_columns_that_may_be_the_user_are_refused_with_both_names(make):
    with pytest.raises(DataError, match="'user_id', 'userId'"):
        make(["1,2,3"], header="user_id,userId,item_id")


def test_rows_that_cannot_be_used_are_rejected_with_line_reason_and_text(make):
    rows = ["u,i,5,1600000000"] * 3 + [
        ",i,5,1600000000",
        "u, ,5,1600000000",
        "u,i,good,1600000000",
        "u,i,NaN,1600000000",
        "u,i,inf,1600000000",
        "u,i,5,yesterday",
        "u,i,5,",
        "u,i,5,inf",
        "u,i",
        "u,i,5,1600000000,extra",
        "u,i,,1600000000",
    ]
    result, dataset = make(rows, max_rejects=1.0)
    assert (result.rows, result.used, sum(result.rejected.values())) == (14, 4, 10)
    assert sorted((row["line"], row["reason"]) for row in rejects(dataset)) == [
        (5, "the user is blank"),
        (6, "the item is blank"),
        (7, "the rating is not a number"),
        (8, "the rating is not finite"),
        (9, "the rating is not finite"),
        (10, "the timestamp is not a time"),
        (11, "the timestamp is blank"),
        (12, "the timestamp is not a time"),
        (13, "too few columns"),
        (14, "too many columns"),
    ]
    assert "good" in {row["line"]: row["raw"] for row in rejects(dataset)}[7]
    assert np.isnan(dataset.sequences.ratings).sum() == 1  # a blank rating is no reason


def test_rows_after_as_of_are_rejected_and_without_it_none_is_in_the_future(make):
    rows = [
        "u,a,1,2024-05-01",
        "u,b,1,2024-05-02T00:00:00Z",
        "u,c,1,2024-05-02T00:00:00.5Z",
        "u,d,,2999-01-01",
    ]
    result, dataset = make(rows, as_of="2024-05-02T02:00:00+02:00", max_rejects=1.0)
    assert histories(dataset) == {"u": ["a", "b"]}
    assert result.rejected == {"the timestamp is after as-of": 2}
    assert [row["line"] for row in rejects(dataset)] == [4, 5]
    assert make(rows, as_of="1714608000", max_rejects=1.0)[0].used == 2
    assert make(rows)[0].used == 4


def test_as_of_needs_times_and_must_be_one(make):
    with pytest.raises(UsageError, match="only an order"):
        make(["u,i,1,0", "u,j,1,1"], as_of="2024-05-01")
    with pytest.raises(UsageError, match="'soon' is not a time"):
        make(["u,i,1,2024-05-01"], as_of="soon")


def test_lines_after_a_refused_record_are_numbered_right(make):
    rows = ["u,i", "u,i,1,1600000000", "u,i,bad,1600000000", "u", "u,i,1,x"]
    _, dataset = make(rows, max_rejects=1.0)
    assert {row["line"] for row in rejects(dataset)} == {2, 4, 5, 6}


def test_too_many_rejects_stop_the_run_and_leave_them_beside_the_output(make, tmp_path):
    with pytest.raises(DataError, match=r"1 of 4 rows are rejected.*line 3"):
        make(["u,i,1,1600000000", "u,i,bad,1600000000", "u,i,1,1600000001", "u,i,1,1600000002"])
    assert not (tmp_path / "data").exists()
    assert pd.read_csv(tmp_path / "data.rejects.csv")["reason"].tolist() == ["the rating is not a number"]
    make(["u,i,1,1600000000"])
    assert not (tmp_path / "data.rejects.csv").exists()


def test_a_quote_that_is_not_closed_counts_every_line_it_swallows(make):
    rows = [f"u,i{n},1,1600000000" for n in range(300)]
    rows[200] = '"u,i,1,1600000000'
    with pytest.raises(DataError, match="100 of 300 rows"):
        make(rows)


def test_an_older_dataset_survives_a_run_that_fails(make):
    _, dataset = make(["u,i,1,1600000000"])
    before = dataset.fingerprint
    with pytest.raises(DataError):
        make(["u,i,bad,1600000000"])
    assert open_dataset(dataset.path).fingerprint == before
    assert not list(dataset.path.glob(".partial*"))


nasty = st.sampled_from(
    ["u", "i1", "", " ", "NaN", "inf", "5", "1600000000", "x,y", 'q"q', "é", "-1", "2020-01-01"]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(nasty, min_size=1, max_size=5), min_size=1, max_size=12))
def test_every_row_is_used_dropped_or_rejected(make, table):
    quoted = [",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in table]
    result, dataset = make(
        ["u,i,1,1600000000"] * 2 + quoted,
        max_rejects=1.0,
        min_item_events=2,
        timestamp_unit="seconds",
    )
    rejected, dropped = sum(result.rejected.values()), sum(result.dropped.values())
    assert result.rows == len(table) + 2 == result.used + dropped + rejected
    assert len(rejects(dataset)) == rejected
    assert len(dataset.sequences.items) == result.used


def test_positive_rating_marks_targets_and_keeps_the_rest_as_context(make):
    rows = [f"u,i{n},{stars},{1600000000 + n}" for n, stars in enumerate([5, 1, 4, "", 5, 2])]
    result, dataset = make(rows, positive_rating=4)
    assert result.not_positive == 3
    assert dataset.sequences.positive.tolist() == [True, False, True, False, True, False]
    assert dataset.sequences.validation_start.tolist() == [2]
    assert dataset.sequences.test_start.tolist() == [4]
    assert dataset.sequences.targets("validation").row(0).tolist() == [3]
    assert dataset.sequences.targets("test").row(0).tolist() == [5]


def test_leave_one_out_leaves_users_with_two_events_to_training(make):
    _, dataset = make(
        ["a,x,1,1600000000", "a,y,1,1600000001"] + [f"b,{i},1,{1600000000 + n}" for n, i in enumerate("xyz")]
    )
    sequences = dataset.sequences
    assert (sequences.validation_start - sequences.starts).tolist() == [2, 1]
    assert (sequences.test_start - sequences.starts).tolist() == [2, 2]


def test_a_split_by_time_cuts_at_its_boundaries(make):
    rows = [f"u,i{n},1,2024-01-0{n}T00:00:00Z" for n in range(1, 8)]
    chosen = {"split": "time", "validation_from": "2024-01-03", "test_from": "2024-01-05T02:00:00+02:00"}
    result, dataset = make(rows, **chosen)
    assert result.split == "time"
    assert dataset.sequences.validation_start.tolist() == [2]
    assert dataset.sequences.test_start.tolist() == [4]
    with pytest.raises(UsageError, match="is not before"):
        make(rows, split="time", validation_from="2024-01-05", test_from="2024-01-03")


def test_a_split_by_time_needs_times(make):
    with pytest.raises(UsageError, match="only an order"):
        make(["u,i,1,0", "u,j,1,1"], split="time", validation_from="1", test_from="2")


def test_deduplicate_keeps_the_earliest_event_of_a_pair(make):
    result, dataset = make(
        ["u,x,1,1600000300", "u,x,2,1600000100", "u,y,3,1600000200", "u,x,4,1600000100"], deduplicate=True
    )
    assert result.dropped == {"deduplicate": 2}
    assert histories(dataset) == {"u": ["x", "y"]}
    assert dataset.sequences.ratings.tolist() == [2, 3]


def test_minimum_events_are_applied_until_nothing_changes(make):
    # d goes for one event, then z has one left and goes, then c has one left and goes.
    pairs = ["ax", "ay", "bx", "by", "cz", "cx", "dz"]
    result, dataset = make(
        [f"{u},{i},1,{1600000000 + n}" for n, (u, i) in enumerate(pairs)],
        min_user_events=2,
        min_item_events=2,
    )
    assert histories(dataset) == {"a": ["x", "y"], "b": ["x", "y"]}
    assert sum(result.dropped.values()) == 3


def test_nothing_left_is_a_sentence(make):
    with pytest.raises(DataError, match="No event is left"):
        make(["u,i,1,1600000000"], min_user_events=2)
    with pytest.raises(DataError, match="No event is left: 1 of 1 rows are rejected") as error:
        make(["u,i,x,1600000000"], max_rejects=1)
    assert "--min-user-events" not in error.value.hint


ITEM_ROWS = ("item_id,title,genres,year", ["x,The X,a|b,1990", "y,Why,,2001", "z,Zed,b| a |b,"])


def test_fields_become_attributes_and_blanks_are_values(make):
    result, dataset = make(
        ["u,x,1,1600000000", "u,y,1,1600000001", "u,w,1,1600000002"],
        items=ITEM_ROWS,
        item_fields={"year": "number"},
        number_bins=2,
    )
    assert attributes_of(dataset, "item") == {
        "w": ["genres=", "year="],
        "x": ["genres=a", "genres=b", "year=1990–1995.5"],
        "y": ["genres=", "year=1995.5–2001"],
    }
    assert dataset.titles == [None, "The X", "Why"]
    assert "1 items of the items table have no event; they are left out." in result.notes
    assert "1 items with events are not in the items table; their fields are blank." in result.notes


def test_encoders_of_an_older_dataset_keep_its_bins(make, tmp_path):
    ages = ("user_id,age", ["u,20", "v,30", "w,40"])
    rows = ["u,x,1,1600000000", "v,x,1,1600000000", "w,x,1,1600000000"]
    _, first = make(rows, users=ages, user_fields={"age": "number"}, number_bins=2)
    older = first.path.rename(tmp_path / "older")
    _, second = make(rows, users=("user_id,age,city", ["u,90,A", "v,31,B", "w,,C"]), encoders=older)
    assert attributes_of(second, "user") == {"u": ["age=30–40"], "v": ["age=30–40"], "w": ["age="]}


def test_users_without_events_are_users_with_empty_histories(make):
    result, dataset = make(["b,x,1,1600000000"], users=("user_id,age", ["a,1", "b,2", "c,1"]))
    assert histories(dataset) == {"a": [], "b": ["x"], "c": []}
    assert result.users == 3


def test_repeated_item_rows_are_merged_and_contradictions_rejected_with_their_line(make):
    items = ("item_id,title", ["x,One", "x,One", "x,Two", "y,Why"])
    _, dataset = make(["u,x,1,1600000000", "u,y,1,1600000000"], items=items, max_rejects=0.5)
    assert dataset.titles == ["One", "Why"]
    [row] = rejects(dataset)
    assert row["line"] == 4
    assert "with other values" in row["reason"]


def test_an_unknown_field_names_the_ones_there_are(make):
    with pytest.raises(UsageError, match=r"no field 'genre': theirs are title, genres, year"):
        make(["u,x,1,1600000000"], items=ITEM_ROWS, item_fields={"genre": "multi"})


def test_the_same_input_gives_the_same_bytes(make, tmp_path):
    rows = [f"u{n % 5},i{n % 7},{n % 3},{1600000000 + n}" for n in range(60)]
    result, first = make(rows, items=ITEM_ROWS)
    files = {name: first.artifact.file(name).read_bytes() for name in first.artifact.manifest.files}
    again, second = make(rows, items=ITEM_ROWS)
    assert again.fingerprint == result.fingerprint
    assert {name: second.artifact.file(name).read_bytes() for name in second.artifact.manifest.files} == files


def test_files_do_not_depend_on_the_number_of_threads(make, monkeypatch):
    monkeypatch.setattr(build, "ROWS_AT_A_TIME", 1000)
    rows = [f"u{n % 997},i{n % 89},{n % 5},{1600000000 + n % 1013}" for n in range(20_000)]
    one, two = (
        {name: entry.sha256 for name, entry in make(rows, threads=n)[1].artifact.manifest.files.items()}
        for n in (1, 4)
    )
    assert one == two


ROWS = [f"u{n % 4},{n % 6},{n % 5},{1600000000 + n}" for n in range(24)]


@pytest.fixture
def wanted(make):
    return histories(make(ROWS)[1])


def frame():
    return pd.read_csv(io.StringIO("\n".join([HEADER, *ROWS])))


def test_every_format_gives_the_same_sequences(make, tmp_path, wanted, monkeypatch):
    text = "\n".join([HEADER, *ROWS]) + "\n"
    table = frame()
    (tmp_path / "e.tsv").write_text(text.replace(",", "\t"))
    (tmp_path / "bom.csv").write_text(text, encoding="utf-8-sig")
    (tmp_path / "crlf.csv").write_text(text.replace("\n", "\r\n"), newline="")
    (tmp_path / "e.csv.gz").write_bytes(gzip.compress(text.encode()))
    table.to_json(tmp_path / "e.jsonl", orient="records", lines=True)
    table.to_parquet(tmp_path / "e.parquet")
    parts = tmp_path / "parts"
    parts.mkdir()
    table[:10].to_parquet(parts / "part-0.parquet")
    table[10:].to_parquet(parts / "part-1.parquet")
    (parts / "_SUCCESS").touch()
    for name in ("e.tsv", "bom.csv", "crlf.csv", "e.csv.gz", "e.jsonl", "e.parquet", "parts"):
        assert histories(make(paths=[tmp_path / name])[1]) == wanted, name
    assert histories(make(paths=table)[1]) == wanted
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert histories(make(paths=["-"])[1]) == wanted


def test_text_ids_of_parquet_stay_text_even_if_they_look_like_integers(make, tmp_path):
    pq.write_table(pa.table({"user": ["1", "2"], "item": pa.array([5, 6])}), tmp_path / "t.parquet")
    _, dataset = make(paths=[tmp_path / "t.parquet"])
    assert histories(dataset) == {"1": [5], "2": [6]}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.csv", b"", "e.csv is empty"),
        ("e.csv", HEADER.encode() + b"\n", "has no rows"),
        ("e.csv", (HEADER + "\nu,i,1,1600000000\n").encode("utf-16"), "is UTF-16 text"),
        ("e.csv", b"user_id;item_id\n1;2\n", "looks separated by ';'"),
        ("e.csv", b"user_id,item_id,item_id\n1,2,3\n", "two columns with the name 'item_id'"),
        ("e.csv.gz", gzip.compress(HEADER.encode() * 99)[:-40], "not a whole gzip file"),
        ("e.csv.gz", b"plain text", "not a whole gzip file"),
        ("e.parquet", b"plain text", "is not a Parquet file"),
        (
            "e.csv",
            HEADER.encode() + b"\r\nu,i,1,1600000000\r\nu,i,1,1600000000\n",
            "mixes ways to end a line",
        ),
        ("e.csv", b"user,item,time\nu,i,soon\nu,i,later\n", "neither numbers nor ISO 8601"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_said_in_a_sentence(make, tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        make(paths=[tmp_path / name])
    assert not (tmp_path / "data").exists()


def test_a_missing_file_and_a_glob_without_a_match_are_said(make):
    with pytest.raises(DataError, match="does not exist"):
        make(paths=["nothing.csv"])
    with pytest.raises(DataError, match="matches no file"):
        make(paths=["nothing-*.csv"])


def test_a_format_that_no_suffix_tells_is_asked_for(make, tmp_path):
    path = write(tmp_path / "events.data", HEADER, ROWS)
    with pytest.raises(UsageError, match="no suffix that tells its format"):
        make(paths=[path])
    assert make(paths=[path], format="csv")[0].used == 24


def test_bytes_that_are_not_utf8_reject_their_row_alone(make, tmp_path):
    path = write(tmp_path / "e.csv", HEADER, ROWS * 10)
    path.write_bytes(path.read_bytes() + b"u\xff,1,1,1600000000\n")
    result, _ = make(paths=[path])
    assert result.rejected == {"not UTF-8 text": 1}
    assert [note for note in result.notes if "line 242. If the file is in another encoding" in note]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_file_in_another_encoding_is_refused_until_its_encoding_is_named(make, tmp_path, suffix):
    words = ["e", *[f"é{n}" for n in range(9)]]
    rows = [f"u,{word},1,1600000000" for word in words]
    if suffix == "jsonl":
        rows = [f'{{"user": "u", "item": "{word}"}}' for word in words]
    path = tmp_path / f"e.{suffix}"
    lines = [HEADER, *rows] if suffix == "csv" else rows
    path.write_bytes("\n".join(lines).encode("latin-1"))
    with pytest.raises(
        DataError, match=f"not UTF-8 text .9.; the first is .* line {len(lines) - 8}"
    ) as error:
        make(paths=[path])
    assert "--encoding latin-1" in error.value.hint
    assert make(paths=[path], encoding="latin-1")[1].item_ids.to_pylist() == words


def test_the_files_of_movielens_are_read_as_they_are(make, tmp_path):
    films = ["1::Cidade de Deus (2002)::Crime|Drama", "2::Amélie (2001)::Comedy"]
    for name, lines in {
        "ratings": ["1::1::5::978300760", "1::2::3::978302109", "2::2::4::978301968"],
        "movies": films,
        "users": ["1::F::1::10::48067", "2::M::56::16::70072"],
    }.items():
        (tmp_path / f"{name}.dat").write_bytes("\n".join(lines).encode("latin-1") + b"\n")
    result, dataset = make(
        paths=[tmp_path / "ratings.dat"],
        items=tmp_path / "movies.dat",
        users=tmp_path / "users.dat",
        encoding="latin-1",
    )
    assert result.recognised["timestamps"] == "Unix seconds"
    assert histories(dataset) == {1: [1, 2], 2: [2]}
    assert dataset.titles == ["Cidade de Deus (2002)", "Amélie (2001)"]
    assert attributes_of(dataset, "item") == {1: ["genres=Crime", "genres=Drama"], 2: ["genres=Comedy"]}
    assert "gender=F" in attributes_of(dataset, "user")[1]


def test_the_files_of_recbole_are_read_as_they_are(make, tmp_path):
    (tmp_path / "x.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t7\t5\t978300760\n2\t8\t3\t978302109\n"
    )
    (tmp_path / "x.item").write_text(
        "item_id:token\tmovie_title:token_seq\tclass:token_seq\n7\tCity of God\tCrime Drama\n8\tUp\tDrama\n"
    )
    result, dataset = make(paths=[tmp_path / "x.inter"], items=tmp_path / "x.item")
    assert result.recognised["user"] == "user_id"
    assert histories(dataset) == {1: [7], 2: [8]}
    assert attributes_of(dataset, "item") == {7: ["class=Crime", "class=Drama"], 8: ["class=Drama"]}
    assert dataset.titles == ["City of God", "Up"]


def test_columns_may_be_named_like_sql(make):
    header = 'user_id,item_id,"select ""x""",file_number,timestamp'
    items = ('item_id,from,"a ""b""",file_number', ["i,1,2,3", "j,1,3,4"])
    _, dataset = make(["u,i,1,2,1600000000", "u,j,1,2,1600000001"], header=header, items=items)
    assert attributes_of(dataset, "item") == {
        "i": ['a "b"=2', "file_number=3"],
        "j": ['a "b"=3', "file_number=4"],
    }


def test_too_little_memory_is_a_sentence_and_not_a_crash(make):
    rows = [f"u{n},i{n % 97},{n % 5},{1600000000 + n}" for n in range(60_000)]
    with pytest.raises((SystemRefusedError, DataError), match=r"too little|is not a size"):
        make(rows, memory_limit="1MB")


def test_a_positive_rating_needs_ratings(make):
    with pytest.raises(UsageError, match=r"positive-rating=4 needs ratings, and .*events.csv has none"):
        make(["u,i"], header="user,item", positive_rating=4)


def test_kinds_are_not_chosen_beside_encoders(make, tmp_path):
    _, first = make(["u,x,1,1600000000"], items=ITEM_ROWS)
    older = first.path.rename(tmp_path / "older")
    with pytest.raises(UsageError, match="none can be chosen beside them"):
        make(["u,x,1,1600000000"], items=ITEM_ROWS, encoders=older, item_fields={"year": "ignore"})


def test_parts_of_a_split_without_events_are_noted(make):
    rows = ["u,x,1,2024-01-01", "u,y,1,2024-01-02"]
    result, _ = make(rows)
    why = "users with fewer than 3 positive events train only"
    assert result.notes == [f"No event is in the {part} part: {why}." for part in ("validation", "test")]
    result, _ = make(rows, split="time", validation_from="2023", test_from="2024-01-02")
    [note] = result.notes  # a year alone is so many seconds; the note shows it
    assert note.startswith("No event is in the training part: validation is from 1970-01-01T00:33:43")
    assert make(rows, split="none")[0].notes == []


@pytest.mark.parametrize("text", ["inf", "nan", "1e30", "soon", "2024-13-01", ""])
def test_a_boundary_that_is_no_time_is_refused(make, text):
    with pytest.raises(UsageError, match="is not a time"):
        make(["u,x,1,2024-01-01"], split="time", validation_from="2024-01-01", test_from=text)


def test_a_field_may_be_called_rowid(make):
    items = ("item_id,rowid,title", ["x,9,first", "y,1,other", "x,5,second"])
    _, dataset = make(["u,x,1,1600000000"], items=items, max_rejects=1.0)
    assert dataset.titles == ["first"]
    assert [row["line"] for row in rejects(dataset)] == [4]


def test_too_many_rejected_items_are_told_from_those_of_the_interactions(make):
    events = ["u,x,1,1600000000"] * 200 + ["u,x,bad,1600000000"]
    with pytest.raises(DataError, match=r"2 of 3 rows are rejected.* \(2\).*items.csv line 3"):
        make(events, items=("item_id,title", ["x,One", ",Two", ",Three"]))


def test_items_that_an_open_quote_swallows_are_counted(make):
    lines = [f"x{n},Title {n}" for n in range(300)]
    lines[200] = '"x200,Title'
    with pytest.raises(DataError, match="100 of 300 rows"):
        make(["u,x1,1,1600000000"], items=("item_id,title", lines))


def test_numbers_that_only_order_may_have_parts(make):
    _, dataset = make(["u,a,1,0.75", "u,b,1,0.25", "u,c,1,0.5"])
    assert histories(dataset) == {"u": ["b", "c", "a"]}
    assert dataset.timestamp_kind == "order"


@pytest.mark.parametrize("rows_at_a_time", [1, 2, 3, 7, 1000])
def test_users_may_straddle_the_parts_that_are_written(make, monkeypatch, rows_at_a_time):
    """Of whatever size: single vectors come from the database, so the part is cut here."""
    rows = [f"u{n % 5 if n % 3 else 2},i{n % 4},{n % 5},{1600000000 + n % 11}" for n in range(40)]
    _, whole = make(rows, users=("user_id", ["u0", "a", "u9", "z"]))
    expected = {name: whole.artifact.file(f"{name}.parquet").read_bytes() for name in ("users", "items")}
    wanted, starts = histories(whole), whole.sequences.validation_start.tolist()
    ordered = build._ordered

    def in_parts(*arguments):
        for part in ordered(*arguments):
            for start in range(0, len(part.users), rows_at_a_time):
                yield part.span(start, start + rows_at_a_time)

    monkeypatch.setattr(build, "_ordered", in_parts)
    _, parts = make(rows, users=("user_id", ["u0", "a", "u9", "z"]))
    assert histories(parts) == wanted
    assert parts.sequences.validation_start.tolist() == starts
    assert {name: parts.artifact.file(f"{name}.parquet").read_bytes() for name in expected} == expected


def test_one_path_needs_no_list_and_a_text_is_a_path(make, tmp_path):
    path = write(tmp_path / "one.csv", HEADER, ["u,i,1,1600000000"])
    assert make(paths=path)[0].used == 1
    assert make(paths=str(path))[0].used == 1


def test_the_output_may_be_the_folder_one_is_in(make, tmp_path, monkeypatch):
    good, bad = (write(tmp_path / f"{n}.csv", HEADER, [f"u,i,{n},1600000000"]) for n in ("1", "bad"))
    make(paths=good)
    monkeypatch.chdir(tmp_path / "data")
    assert preprocess(good, Path(), overwrite=True).used == 1
    with pytest.raises(DataError, match="1 of 1 rows are rejected"):
        preprocess(bad, Path(), overwrite=True)
    assert (tmp_path / "data.rejects.csv").is_file()


@pytest.mark.needs_data("ml-100k")
def test_movielens_100k_is_read_with_no_option_beyond_file_names(make, data):
    result, dataset = make(
        paths=[data / "interactions.csv.gz"], items=data / "items.csv.gz", users=data / "users.csv.gz"
    )
    assert (result.users, result.items, result.used) == (943, 1682, 100_000)
    raw = pd.read_csv(data / "interactions.csv.gz").sort_values(["user_id", "timestamp"], kind="stable")
    assert histories(dataset) == raw.groupby("user_id")["item_id"].apply(list).to_dict()


@pytest.mark.needs_data("beauty")
def test_beautys_timestamps_are_an_order(make, data):
    result, dataset = make(paths=[data / "interactions.csv.gz"], items=data / "items.csv.gz")
    assert (result.users, result.items, result.used) == (22_363, 12_101, 198_502)
    assert dataset.timestamp_kind == "order"


@pytest.mark.needs_data("ml-latest-small")
def test_movielens_latest_has_its_own_names(make, data):
    result, _ = make(paths=[data / "interactions.csv.gz"], items=data / "items.csv.gz")
    assert (result.users, result.items, result.used) == (671, 9066, 100_004)
    assert result.recognised["user"] == "userId"


def test_lists_of_json_lines_are_several_values(make, tmp_path):
    items = tmp_path / "items.jsonl"
    items.write_text('{"id":"x","genres":["b","a"]}\n{"id":"y","genres":["a"]}\n{"id":"z","genres":[]}\n')
    _, dataset = make([f"u,{item},1,1600000000" for item in "xyz"], items=items)
    wanted = {"x": ["genres=a", "genres=b"], "y": ["genres=a"], "z": ["genres="]}
    assert attributes_of(dataset, "item") == wanted


def test_a_line_that_is_no_json_is_rejected_in_its_own_words(make, tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_text('{"user":"u","item":"i"}\n\nnonsense\n[1]\n{"user":"u"}\n')
    result, dataset = make(paths=[path], max_rejects=1)
    assert result.rejected == {
        "no JSON object with these columns": 2,
        "the item is blank, a list or an object": 1,
    }
    assert [(row["line"], row["raw"]) for row in rejects(dataset)] == [
        (3, "nonsense"),
        (4, "[1]"),
        (5, '{"user":"u"}'),
    ]


def test_a_table_of_items_without_rows_is_refused(make):
    with pytest.raises(DataError, match=r"items\.csv has no rows"):
        make(["u,x,1,1600000000"], items=("item_id,title", []))


def test_a_table_that_shares_no_id_with_the_events_is_noted_with_examples(make):
    result, _ = make(["u,1,1,1600000000", "u,2,1,1600000001"], items=("item_id,title", ["01,a", "02,b"]))
    [note] = [note for note in result.notes if "with events" in note]
    assert "written as '9', while the table's are written as '99'" in note
