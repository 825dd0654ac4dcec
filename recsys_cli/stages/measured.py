"""Where one ranker placed the targets -> its report; and the paired difference of two rankers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_cli.evaluation.intervals import interval, resampled_means
from recsys_cli.evaluation.ranking import coverage, measures_per_user
from recsys_cli.evaluation.ties import expected_over_ties
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

    def measure(self, rankers: Sequence[Placed]) -> list[Measured]:
        """Every measure at every k with its interval, from the same resamples for every ranker."""
        values = [measures_per_user(placed.ranks, self.offsets, self.ks) for placed in rankers]
        columns = [np.stack(list(each.values()), 1) for each in values]
        means = resampled_means(columns, samples=self.samples, seed=self.seed)
        return [
            self._measured(placed, of_users, dict(zip(of_users, of_samples.T, strict=True)))
            for placed, of_users, of_samples in zip(rankers, values, means, strict=True)
        ]

    def _measured(
        self,
        placed: Placed,
        values: dict[str, NDArray[np.float64]],
        resampled: dict[str, NDArray[np.float64]],
    ) -> Measured:
        expected = placed.standing and expected_over_ties(placed.standing, self.offsets, self.ks)
        report = RankerReport(
            name=placed.name,
            metrics={
                name: Metric(mean=float(each.mean()), **interval(resampled[name])._asdict())
                for name, each in values.items()
            },
            coverage={f"coverage@{k}": coverage(placed.lists, k, self.catalogue) for k in self.ks},
            tied_targets=None if placed.tied is None else float(placed.tied.mean()),
            expected=expected or {},
        )
        return Measured(report, resampled)


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
