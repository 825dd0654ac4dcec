"""Where one ranker placed the targets -> its report; and the paired difference of two rankers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_cli.evaluation.full_ranking import expected_over_ties
from recsys_cli.evaluation.intervals import interval, resampled_means
from recsys_cli.evaluation.ranking import coverage, measures_per_user
from recsys_cli.stages.placed import Placed
from recsys_cli.stages.results import Difference, Metric, RankerReport


@dataclass(frozen=True)
class Measured:
    """A report, and the resampled means that its intervals come from."""

    report: RankerReport
    resampled: dict[str, NDArray[np.float64]]  # "NDCG@10" -> (samples,)


@dataclass(frozen=True)
class Measurement:
    """How every ranker is measured, so that they can be compared."""

    offsets: NDArray[np.int64]  # (users + 1,) spans of each user's targets
    ks: Sequence[int]
    catalogue: int
    samples: int
    seed: int

    def measure(self, placed: Placed) -> Measured:
        """Every measure at every k with its interval."""
        values = measures_per_user(placed.ranks, self.offsets, self.ks)
        means = resampled_means(np.stack(list(values.values()), 1), samples=self.samples, seed=self.seed)
        resampled = dict(zip(values, means.T, strict=True))
        return Measured(self._report(placed, values, resampled), resampled)

    def _report(
        self,
        placed: Placed,
        values: dict[str, NDArray[np.float64]],
        resampled: dict[str, NDArray[np.float64]],
    ) -> RankerReport:
        expected = placed.standing and expected_over_ties(placed.standing, self.offsets, self.ks)
        return RankerReport(
            name=placed.name,
            metrics={
                name: Metric(mean=float(each.mean()), **interval(resampled[name])._asdict())
                for name, each in values.items()
            },
            coverage={f"coverage@{k}": coverage(placed.lists, k, self.catalogue) for k in self.ks},
            tied_targets=None if placed.tied is None else float(placed.tied.mean()),
            expected=expected or {},
        )


def difference(subject: Measured, baseline: Measured, metric: str) -> Difference:
    """The subject's mean minus the baseline's, with the interval of the paired differences."""
    bounds = interval(subject.resampled[metric] - baseline.resampled[metric])
    return Difference(
        baseline=baseline.report.name,
        metric=metric,
        mean=subject.report.metrics[metric].mean - baseline.report.metrics[metric].mean,
        low=bounds.low,
        high=bounds.high,
    )
