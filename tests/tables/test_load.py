"""Data frames as tables: values with their types, blanks, and a fingerprint of all of it."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from recsys_cli.errors import DataError
from recsys_cli.tables.load import open_table
from recsys_cli.tables.reader import Rejects, connect, load_parts


@pytest.fixture
def load(tmp_path):
    """A frame's columns as text, its roles that are text, and its fingerprint."""
    with connect(tmp_path, memory_limit="200MB", threads=1) as connection:

        def run(frame):
            with open_table(
                connection,
                "frame",
                frame,
                choose=lambda label, names: {name: name for name in names},
                chosen_format="auto",
                scratch=tmp_path,
            ) as given:
                loaded = load_parts(connection, "frame", given.parts, Rejects())
            rows = connection.execute("SELECT * FROM frame ORDER BY rowid").fetchall()
            connection.execute("DROP TABLE frame")
            return rows, loaded.text_roles, given.fingerprints["frame"]

        yield run


@pytest.mark.parametrize(
    ("column", "texts", "is_text"),
    [
        (["007", "b", None], ["007", "b", None], True),
        ([1, 2, 3], ["1", "2", "3"], False),
        (pd.array([1, None, 3], "Int64"), ["1", None, "3"], False),
        ([1.0, np.nan, 3.0], ["1", None, "3"], False),
        ([1.5, np.nan, 3.0], ["1.5", None, "3.0"], False),
        ([np.inf, 1.0, 2.0], ["inf", "1.0", "2.0"], False),
        ([1e300, 1.0, 2.0], ["1e+300", "1.0", "2.0"], False),
        (pd.Categorical([5, 6, None]), ["5", "6", None], False),
        (pd.Categorical(["5", "6", "5"]), ["5", "6", "5"], True),
        (np.array([1, "x", None], object), ["1", "x", None], True),
        ([b"a", b"b", None], ["a", "b", None], False),
        ([dt.date(2020, 1, 2)] * 3, ["2020-01-02"] * 3, False),
        (pd.to_datetime(["2020-01-02"] * 3, utc=True), ["2020-01-02 00:00:00+00"] * 3, False),
    ],
)
def test_values_come_as_text_and_their_types_are_known(load, column, texts, is_text):
    rows, text_roles, _ = load(pd.DataFrame({"x": column}))
    assert [row[0] for row in rows] == texts
    assert text_roles == ({"x"} if is_text else set())


def test_a_fingerprint_sees_every_value_and_its_place(load):
    frames = [
        pd.DataFrame({"a": ["1", "2"], "b": ["x", None]}),
        pd.DataFrame({"a": ["2", "1"], "b": [None, "x"]}),
        pd.DataFrame({"a": ["1", "2"], "b": [None, "x"]}),
        pd.DataFrame({"a": ["1", "2"], "b": ["x", ""]}),
        pd.DataFrame({"a": ["1", "2"], "c": ["x", None]}),
    ]
    fingerprints = [load(frame)[2] for frame in frames]
    assert len(set(fingerprints)) == 5
    assert [load(frame)[2] for frame in frames] == fingerprints
    assert {len(each) for each in fingerprints} == {64}


def test_a_frame_may_call_its_columns_by_numbers_but_not_two_alike(load):
    assert load(pd.DataFrame({7: ["a"], "b": ["c"]}))[0] == [("a", "c")]
    with pytest.raises(DataError, match="two columns"):
        load(pd.DataFrame([["a", "b"]], columns=["x", "x"]))


def test_lists_come_as_their_values_with_the_separator_between(load):
    frame = pd.DataFrame({"a": ["x", "y", "z"], "tags": [["p", "q"], [], None], "n": [[1, 2], [3], None]})
    assert load(frame)[0] == [("x", "p|q", "1|2"), ("y", "", "3"), ("z", None, None)]
