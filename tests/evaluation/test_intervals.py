"""The bootstrap: an independent loop, resamples shared by all, and coverage of what is known."""

import numpy as np
import pytest

from recsys_cli.evaluation import intervals
from recsys_cli.evaluation.intervals import interval, resampled_means


def resampled(values, *, samples, seed):
    [means] = resampled_means([values], samples=samples, seed=seed)
    return means


def test_resampled_means_equal_a_loop_over_samples():
    values = np.random.default_rng(1).random((13, 3))
    means = resampled(values, samples=7, seed=4)
    random = np.random.default_rng(4)
    for sample in range(7):
        drawn = random.integers(13, size=13, dtype=np.uint32)
        np.testing.assert_allclose(means[sample], values[drawn].mean(axis=0), rtol=1e-14)


def test_the_bounds_are_the_percentiles_of_the_resampled():
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))


def test_blocks_of_samples_change_nothing(monkeypatch):
    values = np.random.default_rng(2).random((11, 2))
    whole = resampled(values, samples=9, seed=0)
    monkeypatch.setattr(intervals, "COUNTS_HELD", 40)
    np.testing.assert_allclose(resampled(values, samples=9, seed=0), whole, rtol=1e-14)


def test_all_measures_see_the_same_resamples():
    first, second = np.random.default_rng(3).random((2, 17, 4))
    both = resampled_means([first, second], samples=6, seed=8)
    np.testing.assert_array_equal(resampled(first, samples=6, seed=8), both[0])
    differences = resampled(first - second, samples=6, seed=8)
    np.testing.assert_allclose(both[0] - both[1], differences, atol=1e-15)


def test_another_seed_draws_others():
    values = np.random.default_rng(5).random((19, 1))
    same = [resampled(values, samples=5, seed=seed) for seed in (1, 1, 2)]
    assert (same[0] == same[1]).all()
    assert (same[0] != same[2]).any()


def test_a_constant_has_no_width():
    means = resampled(np.ones((23, 1)), samples=5, seed=0)
    assert interval(means[:, 0]) == (1, 1)


def test_the_interval_of_a_share_is_as_wide_as_the_normal_one():
    values = (np.arange(2_000) % 4 == 0).astype(float)[:, None]
    low, high = interval(resampled(values, samples=2_000, seed=0)[:, 0])
    half = 1.96 * np.sqrt(0.25 * 0.75 / 2_000)
    assert low == pytest.approx(0.25 - half, abs=0.1 * half)
    assert high == pytest.approx(0.25 + half, abs=0.1 * half)
