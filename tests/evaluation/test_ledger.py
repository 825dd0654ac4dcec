"""The ledger of test uses."""

import json

import pytest

from recsys_cli.artifacts.manifest import LEDGER
from recsys_cli.errors import ArtifactError, SystemRefusedError
from recsys_cli.evaluation.ledger import count_test_use
from recsys_cli.sequences.store import open_dataset


@pytest.fixture
def dataset(make_dataset):
    return open_dataset(make_dataset({"a": ["x", "y", "z"]}))


def test_uses_are_counted_for_each_version_of_a_dataset(dataset):
    ledger = dataset.path / LEDGER
    assert [count_test_use(dataset) for _ in range(3)] == [1, 2, 3]
    ledger.write_text(json.dumps(json.loads(ledger.read_text()) | {"another version": 8}))
    assert count_test_use(dataset) == 4
    assert json.loads(ledger.read_text()) == {dataset.fingerprint: 4, "another version": 8}


@pytest.mark.parametrize("content", ["", "[]", '{"a": "b"}', '{"a'])
def test_a_damaged_ledger_is_left_as_it_is(dataset, content):
    (dataset.path / LEDGER).write_text(content)
    with pytest.raises(ArtifactError, match="damaged"):
        count_test_use(dataset)
    assert (dataset.path / LEDGER).read_text() == content
    assert not list(dataset.path.glob("*.partial"))


def test_a_ledger_that_cannot_be_written_is_said(dataset):
    (dataset.path / LEDGER).mkdir()
    with pytest.raises(SystemRefusedError, match=LEDGER):
        count_test_use(dataset)
