"""Whether another item has exactly a target's retrieval score."""

from typing import Final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

SCORES_AT_A_TIME: Final = 1 << 20  # 4 MiB of them: they stay in the processor's cache


@jax.jit
def tied_targets(
    states: Float[Array, "users dim"],
    vectors: Float[Array, "items dim"],
    excluded: Int[Array, "users slots"],
    owners: Int[Array, " targets"],
    targets: Int[Array, " targets"],
) -> Bool[Array, " targets"]:
    """Each target column against the whole catalogue without its owner's excluded columns.

    `items` pads `excluded`; a row has no column twice. An excluded target is not tied.
    """
    items = vectors.shape[0]

    def one(part: tuple[Array, Array]) -> Bool[Array, ""]:
        owner, target = part
        scores, out = vectors @ states[owner], excluded[owner]
        same = (scores == scores[target]).sum()
        left_out = (scores[jnp.minimum(out, items - 1)] == scores[target]) & (out < items)
        return (same - left_out.sum() > 1) & ~(out == target).any()

    return jax.lax.map(one, (owners, targets), batch_size=max(1, SCORES_AT_A_TIME // items))
