"""What each stage hands back: plain, frozen values that the command line prints as a table or JSON."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Frozen; `model_dump(mode="json")` is what `--json` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PreprocessResult(Result):
    """Every input row is in exactly one of used, dropped and rejected."""

    output: Path
    fingerprint: str
    rows: int  # in all files of interactions
    used: int
    dropped: dict[str, int]  # rule -> rows, for example {"min-user-events": 12}
    rejected: dict[str, int]  # reason -> rows
    users: int
    items: int
    attributes: int
    not_positive: int
    split: str
    recognised: dict[str, str]  # "user" -> "userId", "timestamps" -> "Unix seconds", …
    notes: list[str]  # what a person should know, one sentence each


class TrainResult(Result):
    """What training made, and the figure that its best epoch was chosen by."""

    output: Path
    fingerprint: str
    epochs: int  # run
    best_epoch: int
    validation_ndcg_at_10: float | None
    parameters: int
    loss: str  # "full-softmax" or "sampled-softmax"
    head_weight: float | None  # of cross-attention beside retrieval; None without it
    notes: list[str]


class ScoreResult(Result):
    """What the table holds, and what was left out."""

    output: Path
    users: int
    rows: int
    by_source: dict[str, int]  # source -> users
    unknown_users: int  # asked for, but not in the dataset
    unknown_items: int  # in the dataset, but not in the model
    removed: list[Path]  # older outputs removed by --keep
    notes: list[str]


class Metric(Result):
    """A mean over users with its bootstrap 95 % interval."""

    mean: float
    low: float
    high: float


class RankerReport(Result):
    """One ranker (the model, or a baseline) on the users that were measured."""

    name: str  # "model", "most popular", "recently popular", "last-item Markov", "co-occurrence"
    metrics: dict[str, Metric]  # "NDCG@10" -> …
    coverage: dict[str, float]  # "coverage@10" -> share of the catalogue that is recommended
    # Share of targets whose score another ranked item has too: for the model its retrieval score,
    # for a table as far as its lists show. None: a table without scores.
    tied_targets: float | None
    expected: dict[str, float]  # recall@k, precision@k and NDCG@k, expected over the order of ties


class Difference(Result):
    """The model's metric minus a baseline's, on the same users, with a paired bootstrap interval."""

    baseline: str
    metric: str
    mean: float
    low: float
    high: float


class EvaluateResult(Result):
    """The model or table and every baseline, on the same users."""

    split: str
    users: int  # with a target and earlier events
    users_without_history: int  # with a target, but no earlier event: reported apart
    targets: int
    unreachable_targets: int  # already in the user's history, where seen items are left out
    catalogue: int
    rankers: list[RankerReport]  # the model or the table first
    differences: list[Difference]
    test_uses: int | None  # how often this dataset's test part was opened, this time included
    notes: list[str]


class CheckResult(Result):
    """What an artifact that was verified in full holds."""

    path: Path
    kind: Literal["dataset", "model", "run", "recommendations", "report"]
    fingerprint: str | None  # SHA-256 of the manifest, or of the file; a run that goes on has none
    files: int
    bytes: int
    counts: dict[str, int]
    made_from: dict[str, str]  # name of an input -> its fingerprint


class DiffResult(Result):
    """How much two tables of recommendations differ; a user without an item is in neither."""

    old: Path
    new: Path
    top_k: int
    overlap: dict[str, float]  # "overlap@10" -> mean over users in both; empty where there are none
    users_old: int
    users_new: int
    users_in_both: int
    lost_users: int  # in the old table alone
    lost_share: float  # of the old table's users
    added_users: int  # in the new table alone
    items_old: int  # recommended to anybody
    items_new: int
    items_in_both: int
    unmet: list[str]  # limits that do not hold, a sentence each


class KernelTest(Result):
    """One kernel beside its reference."""

    kernel: str
    passed: bool
    difference: float | None  # the largest, relative to the largest value; None: not finite, or not run
    seconds: float
    trouble: str | None  # what the device said


class Place(Result):
    """A disk."""

    name: str  # "here": the working directory; "scratch": where temporary files go
    path: Path
    bytes: int
    free: int


class DoctorResult(Result):
    """What recsys runs with and on."""

    recsys: str  # version
    python: str
    system: str
    packages: dict[str, str | None]  # dependency -> version; None: not installed
    devices: list[str]  # that jax computes on
    processors: int
    usable_processors: int  # by this process
    memory: int | None  # bytes; None where the system does not say
    memory_available: int | None
    memory_limit: int | None  # of a container or of `ulimit -v`; None: none
    disks: list[Place]
    compilation_cache: Path | None  # None: nothing compiled is kept
    kernels: list[KernelTest]
