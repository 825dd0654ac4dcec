"""What a row of the benchmark says: figures with their spread, ratios, and what must be reached."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Spread:
    """A median between the lowest and the highest of several rounds."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Figure:
    """Something measured, or a ratio of two things measured in the same round (unit `×`)."""

    what: str
    unit: str
    spread: Spread


@dataclass(frozen=True)
class Required:
    """What the project set out to reach, and whether the median does."""

    what: str
    value: float
    bound: float
    unit: str
    at_least: bool = True

    @property
    def reached(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


@dataclass
class Result:
    """One row. The floor's share is a figure like others; `floor` says how it was computed."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    required: list[Required] = field(default_factory=list)
    floor: str = ""
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    table: list[list[Any]] = field(default_factory=list)  # a row's own table, its header first

    def add(self, what: str, unit: str, values: Sequence[float]) -> Spread:
        """Note a figure of several rounds."""
        spread = Spread.of(values)
        self.figures.append(Figure(what, unit, spread))
        return spread

    def require(self, what: str, value: float, bound: float, unit: str, *, at_least: bool = True) -> None:
        self.required.append(Required(what, value, bound, unit, at_least))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round, so that what slowed both down cancels."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]
