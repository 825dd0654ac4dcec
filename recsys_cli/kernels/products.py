"""Matrix products in float32 or bfloat16, always summed in float32.

bfloat16 keeps 8 bits of each factor: a relative error of at most 2^-9. XLA multiplies it in hardware
only where it finds the two axes as they are named here: a transpose that is folded into the product
can make it fail, so what is multiplied is an array of its own and not a transposed view.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Products = Literal["float32", "bfloat16"]


def product(left: Float[Array, "a b"], right: Float[Array, "..."], axis: int) -> Float[Array, "..."]:
    """Summed over `left`'s last axis and axis `axis` of `right`."""
    dimensions = (((1,), (axis,)), ((), ()))
    return jax.lax.dot_general(left, right, dimensions, preferred_element_type=jnp.float32)


@jax.custom_vjp
def times_constant(values: Float[Array, "a b"], constant: Float[Array, "b c"]) -> Float[Array, "a c"]:
    """`values @ constant` multiplied in the type of `constant`, which has no gradient."""
    return product(values.astype(constant.dtype), constant, 0)


def _forward(values, constant):  # pyright: ignore[reportMissingParameterType]
    return times_constant(values, constant), constant


def _backward(constant, upstream):  # pyright: ignore[reportMissingParameterType]
    return product(upstream.astype(constant.dtype), constant, 1), None


times_constant.defvjp(_forward, _backward)
