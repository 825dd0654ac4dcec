"""Platt scaling and its judges, on data whose probabilities are known."""

import numpy as np
import pytest
from scipy.optimize import minimize

from recsys_cli.training.calibration import expected_calibration_error, fit_platt, judge, sigmoid

RNG = np.random.default_rng(0)


def drawn(slope, intercept, users=2000, candidates=20):
    x = RNG.normal(size=(users, candidates))
    probability = sigmoid(slope * x + intercept)
    return x, probability, RNG.random(x.shape) < probability


def test_the_true_slope_and_intercept_are_found():
    x, _, label = drawn(1.7, -3.0)
    slope, intercept = fit_platt(x.ravel(), label.ravel())
    assert slope == pytest.approx(1.7, abs=0.1)
    assert intercept == pytest.approx(-3.0, abs=0.1)


def test_the_fit_is_the_optimum_that_a_general_optimizer_finds():
    x, _, label = drawn(0.6, -2.0, users=50)
    flat, hit = x.ravel(), label.ravel()
    positives, count = hit.sum(), len(hit)
    wanted = np.where(hit, (positives + 1) / (positives + 2), 1 / (count - positives + 2))

    def loss(theta):
        z = theta[0] * flat + theta[1]
        return (np.logaddexp(0, z) - wanted * z).mean()

    best = minimize(loss, [0.0, 0.0], tol=1e-12).x
    np.testing.assert_allclose(fit_platt(flat, hit), best, atol=1e-4)


def test_separable_data_have_a_finite_fit():
    slope, intercept = fit_platt(np.array([-1.0, -2.0, 1.0, 2.0]), np.array([False, False, True, True]))
    assert np.isfinite([slope, intercept]).all()
    assert slope > 0


def judged(probability, label, listed=None):
    everything = np.ones(label.shape, bool) if listed is None else listed
    return judge(probability, label, base_rate=float(label[everything].mean()), listed=everything, seed=0)


def test_true_probabilities_are_judged_good_and_the_base_rate_has_no_skill():
    _, probability, label = drawn(1.5, -2.0)
    good = judged(probability, label)
    assert good["brier_skill_interval"][0] > 0
    assert good["slope"] == pytest.approx(1, abs=0.1)
    assert good["expected_calibration_error"] < 0.01
    assert good["log_loss"] < good["log_loss_of_base_rate"]
    base = judged(np.full_like(probability, label.mean()) + 1e-9 * probability, label)
    assert base["brier_skill"] == pytest.approx(0, abs=1e-6)


def test_places_without_a_candidate_count_for_nothing():
    _, probability, label = drawn(1.5, -2.0, users=300)
    short = judged(probability[:, :12], label[:, :12])
    listed = np.arange(20) < np.full((300, 1), 12)
    assert judged(np.where(listed, probability, 0), label & listed, listed) == short


def test_calibration_error_of_a_hand_worked_case():
    # Ten bins of two: five predict 0.1 and see nothing, five predict 0.5 and see one of two.
    probability = np.repeat([0.1, 0.5], 10)
    label = np.concatenate([np.zeros(10, bool), np.tile([True, False], 5)])
    assert expected_calibration_error(probability, label) == pytest.approx(0.05)
