"""A trained model on disk: settings, weights, and the vocabulary it was trained with. No pickle."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from flax import nnx
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from recsys_cli.artifacts.documents import Model, validated
from recsys_cli.artifacts.manifest import MANIFEST, Artifact, ArtifactWriter, open_artifact
from recsys_cli.artifacts.parquet import require_fields, require_id_type
from recsys_cli.config.settings import TrainSettings
from recsys_cli.errors import ArtifactError
from recsys_cli.models.parameters import Params, structure, with_params
from recsys_cli.models.recommender import ModelSize, Recommender
from recsys_cli.schemas import ATTRIBUTES, ENTITY_ATTRIBUTES, ITEM_ID, NUMBER, PAD
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Dataset

_HINT: Final = "Train the model again, or restore it from a copy."


class Calibration(BaseModel):
    """Platt scaling: probability = sigmoid(slope * x + intercept); x is `scoring.rerank.log_share`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    slope: float
    intercept: float
    candidates: int  # it holds for this many retrieved candidates a user


class ModelDetails(BaseModel):
    """What a reader of a model needs beside its settings and weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: list[dict[str, Any]]  # encoders of the dataset's fields, as `preprocess` stored them
    rating_edges: list[float]
    rating_levels: int  # 0 where the data had no ratings
    loss: str
    head_weight: float | None
    calibration: Calibration | None
    best_epoch: int
    steps: int  # taken up to the best epoch
    total_steps: int  # that the learning rate's schedule was made for
    validation: dict[str, Any]  # figures that choices were made by
    parameters: int


@dataclass(frozen=True)
class InputSpec:
    """What a model reads: the numbers it gives to items, attributes and ratings."""

    item_ids: pa.Array  # number n is `item_ids[n - 1]`
    attributes: pa.Table  # schemas.ATTRIBUTES
    attribute_lists: NDArray[np.int32]  # (items + 1, slots) of each item number, padded with 0
    rating_edges: list[float]
    rating_levels: int  # 0 where the data had no ratings
    max_length: int  # tokens of one user

    @property
    def size(self) -> ModelSize:
        return ModelSize(len(self.item_ids), len(self.attributes), self.rating_levels)


@dataclass(frozen=True)
class StoredModel:
    """An opened model artifact."""

    artifact: Artifact

    @cached_property
    def settings(self) -> TrainSettings:
        return self._validated(TrainSettings, "configuration")

    @cached_property
    def details(self) -> ModelDetails:
        return self._validated(ModelDetails, "details")

    def _validated(self, model: type[Model], part: str) -> Model:
        place = f"{self.artifact.path / MANIFEST}: {part}"
        return validated(model, getattr(self.artifact.manifest, part), place, hint=_HINT)

    @cached_property
    def spec(self) -> InputSpec:
        items = self.artifact.table("items.parquet")
        path = self.artifact.file("items.parquet")
        require_id_type(items.schema, ITEM_ID, path, hint=_HINT)
        require_fields(items.schema, ENTITY_ATTRIBUTES, path, hint=_HINT)
        column = items["attributes"].combine_chunks()
        offsets = column.offsets.to_numpy().astype(np.int64)
        lists = Ragged(column.flatten().to_numpy(zero_copy_only=False), offsets)
        attributes = self.artifact.table("attributes.parquet", ATTRIBUTES)
        if lists.values.min(initial=1) < 1 or lists.values.max(initial=0) > len(attributes):
            raise ArtifactError(f"{path} has attributes that are not in the model.", hint=_HINT)
        return InputSpec(
            item_ids=items[ITEM_ID].combine_chunks(),
            attributes=attributes,
            attribute_lists=padded_lists(lists),
            rating_edges=self.details.rating_edges,
            rating_levels=self.details.rating_levels,
            max_length=self.settings.model.max_length,
        )

    def load(self) -> Recommender:
        """The model with its trained weights. Raises ArtifactError where they do not fit."""
        model = structure(self.settings.model, self.spec.size)
        return with_params(model, jax.device_put(_nested(self.weights(model))))

    def weights(self, model: Recommender) -> dict[str, NDArray[Any]]:
        """The weights by name, of the names and shapes that the model has; their values are not looked at."""
        with self.artifact.reading("weights.safetensors") as path:
            try:
                weights = load_file(path)
            except (SafetensorError, ValueError, TypeError, KeyError) as error:
                raise ArtifactError(f"{path} is damaged: {error}.", hint=_HINT) from error
        wanted = weight_shapes(model)
        for name in wanted.keys() ^ weights.keys():
            raise ArtifactError(f"{path} and its manifest differ in the weight {name!r}.", hint=_HINT)
        for name, shape in wanted.items():
            if weights[name].shape != shape or weights[name].dtype != np.float32:
                found = f"{weights[name].dtype} {weights[name].shape}"
                raise ArtifactError(f"{path}: {name} is {found}, not float32 {shape}.", hint=_HINT)
        return weights


def weight_shapes(model: Recommender) -> dict[str, tuple[int, ...]]:
    """Name -> shape of each weight, as `weights.safetensors` has them."""
    leaves = jax.tree.flatten_with_path(nnx.to_pure_dict(nnx.state(model, nnx.Param)))[0]
    return {"/".join(str(key.key) for key in path): leaf.shape for path, leaf in leaves}


def open_model(path: Path) -> StoredModel:
    """Open a model artifact. Raises ArtifactError when `path` is not one."""
    return StoredModel(open_artifact(path, "model"))


def write_model_files(
    writer: ArtifactWriter, params: Params, dataset: Dataset, history: list[dict[str, Any]]
) -> None:
    """Write weights, vocabulary and history as the files of a new model version."""
    writer.file("weights.safetensors").write_bytes(save(_flat(params)))
    items = pa.table(
        {
            NUMBER: dataset.items[NUMBER],
            ITEM_ID: dataset.items[ITEM_ID],
            "attributes": pa.ListArray.from_arrays(
                pa.array(dataset.item_attributes.offsets, pa.int32()),
                pa.array(dataset.item_attributes.values),
            ),
        }
    )
    pq.write_table(items, writer.file("items.parquet"), compression="zstd")
    pq.write_table(dataset.attributes, writer.file("attributes.parquet"), compression="zstd")
    lines = "".join(json.dumps(line, sort_keys=True) + "\n" for line in history)
    writer.file("history.jsonl").write_text(lines, encoding="utf-8")


def padded_lists(lists: Ragged) -> NDArray[np.int32]:
    """(rows + 1, longest list, at least 1): row r + 1 holds list r, padded with 0; row 0 is empty."""
    longest = max(1, int(lists.lengths().max(initial=0)))
    return Ragged(lists.values, np.append(0, lists.offsets)).padded(longest, PAD)


def _flat(params: Params, prefix: str = "") -> dict[str, NDArray[Any]]:
    flat: dict[str, NDArray[Any]] = {}
    for name, value in params.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            flat |= _flat(value, key + "/")
        else:
            flat[key] = np.ascontiguousarray(value)
    return flat


def _nested(flat: dict[str, NDArray[Any]]) -> Params:
    nested: dict[Any, Any] = {}
    for path, value in flat.items():
        *folders, leaf = [int(part) if part.isdigit() else part for part in path.split("/")]
        node = nested
        for folder in folders:
            node = node.setdefault(folder, {})
        node[leaf] = value
    return nested
