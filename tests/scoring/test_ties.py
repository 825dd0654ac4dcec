"""Ties of targets against all scores, compared one by one."""

import jax.numpy as jnp
import numpy as np
import pytest

from recsys_cli.scoring import ties
from recsys_cli.scoring.ties import tied_targets


@pytest.mark.parametrize("held", [1, 26, 1 << 20])
def test_a_target_is_tied_when_another_item_that_is_ranked_has_its_score(monkeypatch, held):
    monkeypatch.setattr(ties, "SCORES_AT_A_TIME", held)
    tied_targets.clear_cache()
    random = np.random.default_rng(2)
    states, vectors = (random.integers(-1, 2, (rows, 3)).astype(np.float32) for rows in (7, 13))
    excluded = np.stack([np.append(random.permutation(13)[:4], [13, 13]) for _ in range(7)])
    owners, targets = random.integers(7, size=40), random.integers(13, size=40)
    found = tied_targets(jnp.asarray(states), jnp.asarray(vectors), excluded, owners, targets)
    for owner, target, tied in zip(owners, targets, np.asarray(found), strict=True):
        scores = vectors @ states[owner]
        others = set(range(13)) - set(excluded[owner].tolist()) - {target}
        expected = target not in excluded[owner] and any(scores[j] == scores[target] for j in others)
        assert tied == expected
    tied_targets.clear_cache()
