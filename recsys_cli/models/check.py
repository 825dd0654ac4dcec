"""A model -> nothing, or an ArtifactError: its files, its vocabulary, its weights' shapes and values."""

import numpy as np

from recsys_cli.artifacts.documents import parse_document
from recsys_cli.artifacts.manifest import REMAKE
from recsys_cli.errors import ArtifactError
from recsys_cli.models.parameters import structure
from recsys_cli.models.store import StoredModel
from recsys_cli.schemas import ATTRIBUTES, ITEM_ID
from recsys_cli.sequences.table_file import TableFile


def check_model(model: StoredModel) -> None:
    """Raise ArtifactError, naming the file and the row or weight, where something does not hold."""
    for name in model.artifact.manifest.files:
        model.artifact.file(name)
    items = len(model.spec.item_ids)
    _check_vocabulary(model)
    parameters = _check_weights(model)
    epochs = _check_history(model)
    found = {"items": items, "parameters": parameters, "epochs": epochs}
    for name, number in found.items():
        stated = model.artifact.manifest.counts.get(name)
        if stated != number:
            raise ArtifactError(
                f"{model.artifact.path}: its manifest counts {stated} {name}, its files hold {number}.",
                hint=REMAKE,
            )


def _check_vocabulary(model: StoredModel) -> None:
    """Items count from 1, none is there twice, and each has attributes of the table."""
    attributes = TableFile.read(model.artifact, "attributes.parquet", ATTRIBUTES)
    of_user = attributes.require_attributes()
    items = TableFile.read(model.artifact, "items.parquet")
    items.require_numbered()
    items.require_ascending_ids(ITEM_ID)
    lists = items.lists("attributes", low=1, high=int((~of_user).sum()))
    items.require_steps(lists, np.diff(lists.values) > 0, "its attributes do not ascend")


def _check_weights(model: StoredModel) -> int:
    """Names, shapes and finite values; returns how many numbers the weights are."""
    weights = model.weights(structure(model.settings.model, model.spec.size))
    for name, values in weights.items():
        if not np.isfinite(values).all():
            path = model.artifact.file("weights.safetensors")
            raise ArtifactError(f"{path}: weight {name} has values that are not finite.", hint=REMAKE)
    return sum(values.size for values in weights.values())


def _check_history(model: StoredModel) -> int:
    """Every line is an epoch's; returns how many there are."""
    path = model.artifact.file("history.jsonl")
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, start=1):
        if parse_document(line, path, hint=REMAKE).get("epoch") != number:
            raise ArtifactError(f"{path}: line {number} is not of epoch {number}.", hint=REMAKE)
    return len(lines)
