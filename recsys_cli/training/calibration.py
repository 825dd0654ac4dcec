"""From scores to probabilities: Platt scaling on the candidates that scoring itself retrieves.

A probability means: the user's next event is this item, given that it was retrieved. Fitted on one
half of the validation users, judged on the other (design: the probability, section 6).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

NEWTON_STEPS: Final = 50
BINS: Final = 10
BOOTSTRAP: Final = 1000


def fit_platt(x: NDArray[np.float64], label: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of `sigmoid(slope * x + intercept)` by maximum likelihood (Newton's method).

    Labels are softened as Platt (1999) does, so that separable data have a finite optimum.
    """
    positives, count = int(label.sum()), len(label)
    high, low = (positives + 1) / (positives + 2), 1 / (count - positives + 2)
    wanted = np.where(label, high, low)
    design = np.stack([x, np.ones_like(x)])
    theta = np.array([1.0, np.log((positives + 1) / (count - positives + 1)) - x.mean()])
    for _ in range(NEWTON_STEPS):
        p = sigmoid(theta @ design)
        gradient = design @ (p - wanted)
        curvature = (design * np.maximum(p * (1 - p), 1e-12)) @ design.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        theta = theta - step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return float(theta[0]), float(theta[1])


def judge(
    probability: NDArray[np.float64],
    label: NDArray[np.bool_],
    *,
    base_rate: float,
    listed: NDArray[np.bool_],
    seed: int,
) -> dict[str, Any]:
    """Log loss and Brier skill over the constant `base_rate`, and the expected calibration error.

    The arrays are (users, candidates), and only where `listed` do they count; the skill's 95 %
    interval is a bootstrap over users.
    """
    brier = np.where(listed, (probability - label) ** 2, 0).sum(axis=1)
    constant = np.where(listed, (base_rate - label) ** 2, 0).sum(axis=1)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(brier), (BOOTSTRAP, len(brier)))
    skills = 1 - brier[draws].mean(axis=1) / constant[draws].mean(axis=1)
    low, high = np.quantile(skills, [0.025, 0.975])
    flat, hit = probability[listed], label[listed]
    slope, intercept = fit_platt(np.log(flat / (1 - flat)), hit)
    return {
        "log_loss": _log_loss(flat, hit),
        "log_loss_of_base_rate": _log_loss(np.full_like(flat, base_rate), hit),
        "base_rate": base_rate,
        "brier_skill": float(1 - brier.mean() / constant.mean()),
        "brier_skill_interval": [float(low), float(high)],
        "slope": slope,
        "intercept": intercept,
        "expected_calibration_error": expected_calibration_error(flat, hit),
        "users": len(label),
    }


def expected_calibration_error(probability: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    """Mean distance between predicted and observed rates over bins of equal mass."""
    order = np.argsort(probability, kind="stable")
    errors = [
        len(part) * abs(probability[part].mean() - label[part].mean())
        for part in np.array_split(order, BINS)
        if len(part)
    ]
    return float(np.sum(errors) / len(probability))


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """`1 / (1 + exp(-x))`, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def _log_loss(probability: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    return float(-np.log(np.where(label, probability, 1 - probability)).mean())
