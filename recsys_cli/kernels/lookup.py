"""Rows of a table by their numbers."""

import jax
from jaxtyping import Array, Float, Int


def look_up(
    table: Float[Array, "rows dim"] | jax.Array, numbers: Int[Array, "*shape"]
) -> Float[Array, "*shape dim"]:
    """`table[numbers]`; numbers must be in range.

    They are not looked at: what jax does for those that are negative or too large costs a pass over
    all rows, and makes the gradient three times slower on a CPU.
    """
    return table.at[numbers].get(mode="promise_in_bounds")
