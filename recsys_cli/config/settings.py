"""The settings of each stage. Unknown keys are errors; errors quote the values."""

import codecs
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FieldKindName = Literal["category", "multi", "number", "text", "ignore"]


class Settings(BaseModel):
    """Frozen; a key that is not declared is an error, and so is a number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PreprocessSettings(Settings):
    """How tables become a dataset."""

    user_column: str | None = None  # None: found by its usual names
    item_column: str | None = None
    timestamp_column: str | None = None
    rating_column: str | None = None
    timestamp_unit: Literal["auto", "seconds", "milliseconds", "iso", "order"] = "auto"
    format: Literal["auto", "csv", "tsv", "dat", "recbole", "parquet", "jsonl"] = "auto"
    encoding: str = "utf-8"  # of text files
    item_fields: dict[str, FieldKindName] = {}
    user_fields: dict[str, FieldKindName] = {}
    value_separator: str = Field(default="|", min_length=1)
    number_bins: int = Field(default=10, ge=2, le=1000)
    positive_rating: float | None = None
    min_user_events: int = Field(default=1, ge=1)
    min_item_events: int = Field(default=1, ge=1)
    deduplicate: bool = False
    split: Literal["leave-one-out", "time", "none"] = "leave-one-out"
    validation_from: str | None = None  # ISO 8601 or Unix seconds
    test_from: str | None = None
    as_of: str | None = None  # ISO 8601 or Unix seconds; later rows are rejected
    max_rejects: float = Field(default=0.01, ge=0, le=1)
    memory_limit: str = "2GB"
    threads: int | None = Field(default=None, ge=1, le=1024)  # far more take all memory for themselves

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        try:
            "a".encode(encoding)  # no other codec than one of text does that
            codecs.getincrementaldecoder(encoding)
        except (LookupError, ValueError) as error:
            raise ValueError(f"encoding={encoding} is not an encoding of text that Python knows") from error
        return encoding

    @model_validator(mode="after")
    def _time_split_has_times(self) -> "PreprocessSettings":
        if self.split == "time" and (self.validation_from is None or self.test_from is None):
            raise ValueError("split=time needs validation-from and test-from")
        if self.split != "time" and (self.validation_from or self.test_from):
            raise ValueError(f"validation-from and test-from mean nothing with split={self.split}")
        return self


class ModelSettings(Settings):
    """The shape of the model."""

    embedding_dim: int = Field(default=96, ge=2, le=65_536)
    num_blocks: int = Field(default=2, ge=1, le=256)
    num_heads: int = Field(default=2, ge=1)
    max_length: int = Field(default=64, ge=2, le=1_048_576)  # tokens of one user that attention sees
    dropout: float = Field(default=0.5, ge=0, lt=1)
    cross_attention: bool = True
    head_dim: int = Field(default=32, ge=2, le=65_536)  # width of the cross-attention head
    head_dropout: float = Field(default=0.3, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide(self) -> "ModelSettings":
        if self.embedding_dim % self.num_heads:
            raise ValueError(
                f"embedding_dim={self.embedding_dim} is not a multiple of num_heads={self.num_heads}"
            )
        return self


class TrainSettings(Settings):
    """How a model is trained."""

    preset: Literal["fast", "balanced", "best"] = "balanced"
    model: ModelSettings = ModelSettings()
    seed: int = Field(default=0, ge=0)
    epochs: int | None = Field(default=None, ge=1)  # None: `min_epochs`, more where data are few
    min_epochs: int = Field(default=20, ge=1)
    min_steps: int = Field(default=2_500, ge=1)  # epochs are added (up to 100) until there are so many
    patience: int = Field(default=10, ge=1)  # epochs without a better validation NDCG@10
    learning_rate: float = Field(default=1.5e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup_share: float = Field(default=0.05, ge=0, le=1)
    rows_per_batch: int = Field(default=16, ge=1)
    loss: Literal["auto", "full-softmax", "sampled-softmax"] = "auto"
    sampled_negatives: int = Field(default=4096, ge=1)
    full_softmax_items: int = Field(default=50_000, ge=1)  # `auto` samples above this catalogue size
    tile_size: int = Field(default=512, ge=1)  # targets whose logits are held at a time
    cross_attention_weight: float = Field(default=0.3, ge=0, le=1)  # of its loss beside retrieval's
    cross_attention_candidates: int = Field(default=512, ge=1)
    candidates: int = Field(default=200, ge=1)  # re-scored per user, also while the head is fitted
    # Of matrix products. A CPU computes in float32, but for the full softmax where it has AMX.
    precision: Literal["auto", "float32", "tensorfloat32", "bfloat16"] = "auto"

    @property
    def matmul_precision(self) -> str:
        """What jax is told, in training and scoring; only accelerators listen."""
        return "float32" if self.precision == "auto" else self.precision


class ScoreSettings(Settings):
    """What is recommended to whom."""

    top_k: int = Field(default=20, ge=1)
    candidates: int = Field(default=200, ge=1)
    scorer: Literal["full", "retrieval"] = "full"
    include_seen: bool = False
    before: Literal["validation", "test"] | None = None
    popular_days: int = Field(default=30, ge=1)
    users_per_batch: int = Field(default=1024, ge=1)
    layout: Literal["rows", "lists"] = "rows"
    keep: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _candidates_fill_the_list(self) -> "ScoreSettings":
        if self.scorer == "full" and self.top_k > self.candidates:
            raise ValueError(f"top-k={self.top_k} is more than candidates={self.candidates}")
        return self


class EvaluateSettings(Settings):
    """How a model or a table is measured."""

    split: Literal["validation", "test"] = "validation"
    ks: tuple[int, ...] = (5, 10, 20)
    candidates: int = Field(default=200, ge=1)
    scorer: Literal["full", "retrieval"] = "full"
    include_seen: bool = False
    popular_days: int = Field(default=30, ge=1)
    bootstrap_samples: int = Field(default=1000, ge=1)
    seed: int = Field(default=0, ge=0)

    @field_validator("ks")
    @classmethod
    def _lengths_ascend(cls, ks: tuple[int, ...]) -> tuple[int, ...]:
        if not ks or min(ks) < 1:
            raise ValueError(f"ks={list(ks)}: give lengths of at least 1")
        return tuple(sorted(set(ks)))

    @model_validator(mode="after")
    def _candidates_fill_the_lists(self) -> "EvaluateSettings":
        if self.scorer == "full" and max(self.ks) > self.candidates:
            raise ValueError(f"k={max(self.ks)} is more than candidates={self.candidates}")
        return self
