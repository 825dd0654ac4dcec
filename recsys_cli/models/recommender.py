"""The whole model: packed rows to states, states and items to scores."""

from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, Key

from recsys_cli.batches.batch import Batch
from recsys_cli.config.settings import ModelSettings
from recsys_cli.kernels.lookup import look_up
from recsys_cli.models.cross_attention import Candidates, CrossAttention
from recsys_cli.models.embeddings import Embeddings
from recsys_cli.models.user_encoder import UserEncoder


class ModelSize(NamedTuple):
    """What the data decide about the tables' sizes."""

    num_items: int
    num_attributes: int
    rating_levels: int


class Encoded(NamedTuple):
    """A batch after the encoder: what attention read, and what it made of it."""

    history: Float[Array, "rows length dim"]  # embedded tokens
    states: Float[Array, "rows length dim"]  # user vectors, one a position


class Recommender(nnx.Module):
    """Self-attention over a user's history, and cross-attention between the user and an item.

    `attribute_lists` (items + 1, slots) holds the attribute numbers of each item, padded with 0;
    it is data, not a parameter, and is handed in.
    """

    def __init__(self, settings: ModelSettings, size: ModelSize, *, rngs: nnx.Rngs) -> None:
        dim = settings.embedding_dim
        self.embeddings = Embeddings(
            num_items=size.num_items,
            num_attributes=size.num_attributes,
            max_length=settings.max_length,
            rating_levels=size.rating_levels,
            dim=dim,
            rngs=rngs,
        )
        self.encoder = UserEncoder(settings, rngs=rngs)
        self.head = (
            CrossAttention(
                dim=dim,
                head_dim=settings.head_dim,
                max_length=settings.max_length,
                dropout_rate=settings.head_dropout,
                rngs=rngs,
            )
            if settings.cross_attention
            else None
        )

    def catalogue(self, attribute_lists: Int[Array, "items slots"]) -> Float[Array, "items dim"]:
        """Retrieval vectors of every item; row r is item number r, row 0 is padding."""
        return self.embeddings.items[...] + self.embeddings.attribute_mean(attribute_lists)

    def encode(
        self,
        batch: Batch,
        attribute_lists: Int[Array, "items slots"],
        keys: Key[Array, " rows"] | None = None,
        items: Float[Array, "rows length dim"] | None = None,
    ) -> Encoded:
        """User vectors at every position of a packed batch; dropout only with keys, one a row.

        `items` are the pooled vectors of the batch's items, where the caller has them already.
        """
        tables = self.embeddings
        dim = tables.items.shape[1]
        if items is None:
            items = tables.item_vectors(batch.items, attribute_lists[batch.items])
        attributes = look_up(tables.attributes[...], batch.user_attributes)
        tokens = jnp.where((batch.items > 0)[..., None], items, attributes)
        tokens = tokens * jnp.sqrt(jnp.float32(dim))
        tokens = tokens + look_up(tables.positions[...], batch.positions) + self._ratings(batch)
        tokens = jnp.where((batch.segments > 0)[..., None], tokens, 0.0)
        return Encoded(tokens, self.encoder(tokens, batch.segments, keys))

    def _ratings(self, batch: Batch) -> Float[Array, "rows length dim"]:
        return jnp.where(
            (batch.ratings > 0)[..., None], look_up(self.embeddings.ratings[...], batch.ratings), 0.0
        )


def candidates_of(numbers: Int[Array, "*shape"], attribute_lists: Int[Array, "items slots"]) -> Candidates:
    """The candidates with these item numbers."""
    return Candidates(numbers, attribute_lists[numbers])
