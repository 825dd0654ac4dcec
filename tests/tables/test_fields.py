"""Fields to attributes, against pandas' own dummies."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_cli.errors import UsageError
from recsys_cli.tables.fields import FieldEncoder, encode, fit_encoders

SAMPLE = Path(__file__).parents[2] / "sample_data"


def text_frame(**columns):
    return pd.DataFrame(columns).astype("string")


def multi_hot(found, rows):
    matrix = np.zeros((rows, len(found.values)), int)
    matrix[np.repeat(np.arange(rows), np.diff(found.offsets)), found.indices] = 1
    return matrix


def test_multi_hot_rows_of_the_samples_genres_equal_pandas_dummies():
    items = pd.read_csv(SAMPLE / "items.csv", dtype="string")
    found = encode(items[["genres"]], [FieldEncoder("item", "genres", "multi")])
    dummies = items["genres"].str.get_dummies("|")
    assert found.values == [*dummies.columns, None]
    got = multi_hot(found, len(items))
    np.testing.assert_array_equal(got[:, :-1], dummies.to_numpy())
    np.testing.assert_array_equal(got[:, -1], items["genres"].isna())
    np.testing.assert_array_equal(found.counts, got.sum(axis=0))


def test_one_hot_rows_of_the_samples_occupations_equal_pandas_dummies():
    users = pd.read_csv(SAMPLE / "users.csv", dtype="string")
    found = encode(users[["occupation"]], [FieldEncoder("user", "occupation", "category")])
    dummies = pd.get_dummies(users["occupation"], dummy_na=True)
    np.testing.assert_array_equal(multi_hot(found, len(users)), dummies.to_numpy(dtype=int))
    assert (multi_hot(found, len(users)).sum(axis=1) == 1).all()


def test_bins_of_a_number_hold_equal_shares_and_equal_pandas_cut():
    items = pd.read_csv(SAMPLE / "items.csv", dtype="string")
    [encoder] = fit_encoders(items[["year"]], "item", chosen={"year": "number"}, separator="|", bins=4)
    found = encode(items[["year"]], [encoder])
    numbers = pd.to_numeric(items["year"]).astype(float)
    edges = list(encoder.edges)
    cut = pd.cut(numbers, [*edges[:-1], np.inf], right=False, labels=False)
    codes = multi_hot(found, len(items))[:, :4].argmax(axis=1)
    order = {label: n for n, label in enumerate(found.values[:4])}
    wanted = [f"{low:g}–{high:g}" for low, high in itertools.pairwise(edges)]
    known = numbers.notna().to_numpy()
    assert [order[wanted[int(c)]] for c in cut[known]] == codes[known].tolist()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a|b", "c"], "multi"),
        (["a", "b", None], "category"),
        (["a", "a"], "ignore"),
        ([str(n) for n in range(40)], "number"),
        ([str(n % 25) for n in range(90)], "category"),
        ([f"code {n}" for n in range(60)], "text"),
        ([f"code {n % 40}" for n in range(400)], "category"),
        ([None, None], "ignore"),
        (["yes", None, "yes"], "category"),
        ([f"0{7000 + n}" for n in range(60)], "text"),
        ([f"0{n % 40}" for n in range(400)], "category"),
        (["0", "0.5", "-0.25"] * 20, "category"),
        ([str(n / 8) for n in range(40)], "number"),
    ],
)
def test_the_kind_of_a_field_follows_the_documented_rule(values, kind):
    frame = text_frame(f=values)
    [encoder] = fit_encoders(frame, "item", chosen={}, separator="|", bins=10)
    assert encoder.kind == kind


@pytest.mark.parametrize(
    ("edges", "values"),
    [
        ((1234567.0, 1234568.0, 1234569.0), ["1234567–1234568", "1234568–1234569"]),
        ((0.1, 0.1 + 1e-9, 2.0), ["0.1–0.100000001", "0.100000001–2"]),
        ((1 / 3, 2.0, 1e20), ["0.333333–2", "2–100000000000000000000"]),
    ],
)
def test_bins_keep_apart_however_close_their_edges_are(edges, values):
    frame = text_frame(price=[repr(edge) for edge in edges[:-1]])
    assert encode(frame, [FieldEncoder("item", "price", "number", edges)]).values == sorted(values)


@pytest.mark.parametrize(
    ("field", "kind"), [("movie_title", "text"), ("productTitle", "text"), ("brand_name", "multi")]
)
def test_a_title_with_a_separator_in_it_is_still_a_title(field, kind):
    frame = text_frame(**{field: ["Tom | Jerry", "Alien"]})
    assert fit_encoders(frame, "item", chosen={}, separator="|", bins=2)[0].kind == kind


def test_a_title_is_text_by_its_name_and_an_option_wins():
    frame = text_frame(title=["a", "b", "a"])
    assert fit_encoders(frame, "item", chosen={}, separator="|", bins=2)[0].kind == "text"
    chosen = fit_encoders(frame, "item", chosen={"title": "category"}, separator="|", bins=2)
    assert chosen[0].kind == "category"


def test_values_are_stripped_and_repeats_in_a_cell_count_once():
    found = encode(text_frame(g=[" a | b|a", "||", None, "b"]), [FieldEncoder("item", "g", "multi")])
    assert found.values == ["a", "b", None]
    assert multi_hot(found, 4).tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]]


def test_numbers_outside_the_known_bins_go_to_the_ends_and_text_is_blank():
    encoder = FieldEncoder("user", "age", "number", (20.0, 30.0, 40.0))
    found = encode(text_frame(age=["5", "30", "99", "old", None]), [encoder])
    assert found.values == ["20–30", "30–40", None]
    assert multi_hot(found, 5).argmax(axis=1).tolist() == [0, 1, 1, 2, 2]


def test_a_number_field_without_numbers_is_refused():
    with pytest.raises(UsageError, match="holds no numbers"):
        fit_encoders(text_frame(age=["old", "new"]), "user", chosen={"age": "number"}, separator="|", bins=2)
