"""The worked example of the source article: its arithmetic, repaired, is what docs/article.md prints."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "article.md").read_text(encoding="utf-8")

RATINGS = np.array([4.0, 5.0, 1.0, 3.0, 2.0])
ATTRIBUTES = np.array([[1.0, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 1], [1, 0, 0]])
SCALE = np.sqrt(3.0)  # d = 3


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits))


def self_attention() -> NDArray[np.float64]:
    return softmax(np.outer(RATINGS, RATINGS) / SCALE)


def as_printed() -> dict[str, NDArray[np.float64]]:
    """The article's own steps, with the sums and the softmax put right."""
    attention = self_attention()
    h = attention @ RATINGS
    z = ATTRIBUTES @ h[:3] / SCALE
    b = softmax(z)
    g = b[:, None] * ATTRIBUTES
    s = sigmoid((b[:, None] * g).sum(axis=1))
    return {"A, first row": attention[0], "h": h, "z": z, "b": b, "s": s}


def with_a_meaning() -> dict[str, NDArray[np.float64]]:
    """The user as the attributes of what was attended to, compared with each item's attributes."""
    u = self_attention()[0] @ ATTRIBUTES
    z = ATTRIBUTES @ u / SCALE
    return {"u": u, "z": z, "b": softmax(z), "s": sigmoid(z)}


AS_PRINTED = {
    "A, first row": [0.0895, 0.9007, 0.0001, 0.0089, 0.0009],
    "h": [4.8898, 4.9410, 4.0153, 4.7859, 4.5554],
    "z": [5.1414, 2.8527, 7.9940, 2.3183, 2.8231],
    "b": [0.0538, 0.0055, 0.9323, 0.0032, 0.0053],
    "s": [0.5014, 0.5000, 0.9313, 0.5000, 0.5000],
}
WITH_A_MEANING = {
    "u": [0.0904, 0.9008, 0.0984],
    "z": [0.1090, 0.5201, 0.6291, 0.0568, 0.0522],
    "b": [0.1644, 0.2479, 0.2765, 0.1560, 0.1553],
    "s": [0.5272, 0.6272, 0.6523, 0.5142, 0.5130],
}


@pytest.mark.parametrize("name", AS_PRINTED)
def test_the_article_as_printed_with_its_arithmetic_put_right(name):
    assert_allclose(as_printed()[name], AS_PRINTED[name], rtol=0, atol=5e-5)


@pytest.mark.parametrize("name", WITH_A_MEANING)
def test_the_version_that_means_something(name):
    assert_allclose(with_a_meaning()[name], WITH_A_MEANING[name], rtol=0, atol=5e-5)


def test_as_printed_the_item_rated_1_wins_because_it_has_the_most_attributes():
    assert as_printed()["s"].argmax() == RATINGS.argmin() == ATTRIBUTES.sum(axis=1).argmax()


def test_what_the_article_prints_cannot_be_right():
    assert self_attention()[0, 1] > self_attention()[0, 0]  # a 5 is attended to more than a 4
    assert len(set(as_printed()["s"].round(4))) > 1  # not five equal .9453


@pytest.mark.parametrize("values", [*AS_PRINTED.values(), *WITH_A_MEANING.values()])
def test_the_page_prints_these_numbers(values):
    printed = " ".join(f"{value:.4f}".removeprefix("0") for value in values)
    assert printed in re.sub(r"[\s|]+", " ", PAGE)


def test_every_file_that_the_page_names_is_there():
    paths = set(re.findall(r"`((?:recsys_cli|docs|tests|sample_data)/[\w/.]+)`", PAGE))
    assert len(paths) > 10
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
