"""The head that scores candidates: a user attends to an item's tokens, an item to the user's history."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, Key

from recsys_cli.kernels.attention import causal_mask, in_query_blocks
from recsys_cli.kernels.cross_attention import (
    attend_to_prefixes,
    attend_to_shared_tokens,
    attend_to_tokens,
    multi_hot_columns,
)
from recsys_cli.kernels.lookup import look_up
from recsys_cli.kernels.products import Products
from recsys_cli.models.blocks import dropout, split_keys
from recsys_cli.models.embeddings import Embeddings
from recsys_cli.schemas import PAD


class Candidates(NamedTuple):
    """Items to be scored: their numbers and, padded with 0, their attribute numbers."""

    numbers: Int[Array, "*shape"]
    attribute_lists: Int[Array, "*shape slots"]


class HeadTables(NamedTuple):
    """Keys, values, queries and outputs of every token, so that a candidate is a gather."""

    item_query: Float[Array, "items dim"]
    item_output: Float[Array, "items dim"]
    id_key: Float[Array, "items dim"]
    id_value: Float[Array, "items dim"]
    attribute_key: Float[Array, "attributes dim"]
    attribute_value: Float[Array, "attributes dim"]


class HeadUser(NamedTuple):
    """What scoring needs of one user."""

    state: Float[Array, " dim"]
    history: Float[Array, "length dim"]  # embedded tokens, oldest first, then padding
    length: Int[Array, ""]  # tokens that are not padding


class CrossAttention(nnx.Module):
    """Adds `c(user, item)` to the retrieval score, the sum of two directions of attention.

    User to tokens: `b = softmax(h Wq · K_j / sqrt(dim))` over the item's id and attribute tokens,
    score `sum_j b_j <h Wo, V_j>`. Item to history: the same with queries from the item and keys and
    values from the user's embedded events, with a learned bias by distance.
    """

    def __init__(
        self, *, dim: int, head_dim: int, max_length: int, dropout_rate: float, rngs: nnx.Rngs
    ) -> None:
        def linear() -> nnx.Linear:
            return nnx.Linear(dim, head_dim, use_bias=False, rngs=rngs)

        self.scale = head_dim**-0.5
        self.dropout_rate = dropout_rate
        self.user_query, self.user_output = linear(), linear()
        self.token_key, self.token_value = linear(), linear()
        self.item_query, self.item_output = linear(), linear()
        self.event_key, self.event_value = linear(), linear()
        self.distance_bias = nnx.Param(jnp.zeros(max_length))

    def tables(self, embeddings: Embeddings, attribute_lists: Int[Array, "items slots"]) -> "HeadTables":
        """What scoring needs of every item and attribute, once for all users."""
        items = embeddings.item_vectors(jnp.arange(attribute_lists.shape[0]), attribute_lists)
        ids, attributes = embeddings.items[...], embeddings.attributes[...]
        return HeadTables(
            item_query=self.item_query(items) * self.scale,
            item_output=self.item_output(items),
            id_key=self.token_key(ids) * self.scale,
            id_value=self.token_value(ids),
            attribute_key=self.token_key(attributes) * self.scale,
            attribute_value=self.token_value(attributes),
        )

    def score(
        self, tables: "HeadTables", user: "HeadUser", candidates: Candidates
    ) -> Float[Array, " candidates"]:
        """What c adds to one user's candidates."""
        numbers, lists = candidates
        back = user.length - 1 - jnp.arange(user.history.shape[0])
        from_history = attend_to_tokens(
            tables.item_query[numbers] @ self.event_key(user.history).T,
            tables.item_output[numbers] @ self.event_value(user.history).T,
            back >= 0,
            self.distance_bias[jnp.maximum(back, 0)],
        )
        query, output = self.user_query(user.state), self.user_output(user.state)
        logits = [tables.id_key[numbers] @ query, (tables.attribute_key @ query)[lists]]
        worth = [tables.id_value[numbers] @ output, (tables.attribute_value @ output)[lists]]
        from_tokens = attend_to_tokens(
            jnp.concatenate([logits[0][:, None], logits[1]], axis=1),
            jnp.concatenate([worth[0][:, None], worth[1]], axis=1),
            jnp.concatenate([jnp.ones_like(lists[:, :1], bool), lists != PAD], axis=1),
        )
        return from_history + from_tokens

    def _from_tokens(
        self,
        embeddings: Embeddings,
        states: Float[Array, "*shape dim"],
        numbers: Int[Array, "*shape"],
        attribute_lists: Int[Array, "*shape slots"],
    ) -> Float[Array, "*shape"]:
        """User to tokens, each state with its own item."""
        tokens = jnp.concatenate(
            [
                look_up(embeddings.items[...], numbers)[..., None, :],
                look_up(embeddings.attributes[...], attribute_lists),
            ],
            axis=-2,
        )
        valid = jnp.concatenate([jnp.ones_like(numbers, bool)[..., None], attribute_lists != PAD], axis=-1)
        query = self.user_query(states)[..., None, :]
        logits = (query * self.token_key(tokens)).sum(axis=-1) * self.scale
        worth = (self.user_output(states)[..., None, :] * self.token_value(tokens)).sum(axis=-1)
        return attend_to_tokens(logits, worth, valid)

    def score_all_positions(
        self,
        embeddings: Embeddings,
        states: Float[Array, "rows length dim"],
        history: Float[Array, "rows length dim"],
        segments: Int[Array, "rows length"],
        targets: Candidates,
        shared: Candidates,
        vectors: tuple[Float[Array, "rows length dim"], Float[Array, "candidates dim"]],
        keys: Key[Array, " rows"] | None = None,
        products: Products = "float32",
    ) -> tuple[Float[Array, "rows length"], Float[Array, "rows length candidates"]]:
        """What c adds to each position's target, and to candidates that all positions share (training).

        `vectors` are the pooled vectors of targets and of shared candidates.
        """
        first, second = split_keys(keys, 2)
        states = dropout(states, self.dropout_rate, first)
        history = dropout(history, self.dropout_rate, second)
        target = self._from_tokens(embeddings, states, targets.numbers, targets.attribute_lists)
        others = self._shared_from_tokens(embeddings, states, shared, products)
        target_history, others_history = self._all_from_history(history, segments, *vectors)
        return target + target_history, others + others_history

    def _shared_from_tokens(
        self,
        embeddings: Embeddings,
        states: Float[Array, "rows length dim"],
        shared: Candidates,
        products: Products,
    ) -> Float[Array, "rows length candidates"]:
        rows, length, dim = states.shape
        flat = states.reshape(-1, dim)
        query, output = self.user_query(flat) * self.scale, self.user_output(flat)
        ids, attributes = look_up(embeddings.items[...], shared.numbers), embeddings.attributes[...]
        scores = attend_to_shared_tokens(
            query @ self.token_key(ids).T,
            output @ self.token_value(ids).T,
            query @ self.token_key(attributes).T,
            output @ self.token_value(attributes).T,
            multi_hot_columns(shared.attribute_lists, attributes.shape[0] - 1, products),
        )
        return scores.reshape(rows, length, -1)

    def _all_from_history(
        self,
        history: Float[Array, "rows length dim"],
        segments: Int[Array, "rows length"],
        own: Float[Array, "rows length dim"],
        others: Float[Array, "candidates dim"],
    ) -> tuple[Float[Array, "rows length"], Float[Array, "rows length candidates"]]:
        keys, values = self.event_key(history) * self.scale, self.event_value(history)
        queries, outputs = self.item_query(own), self.item_output(own)
        common = self.item_query(others), self.item_output(others)

        def positions(start: Int[Array, ""] | int, size: int) -> tuple[Array, Array]:
            query, output = (
                jax.lax.dynamic_slice_in_dim(array, start, size, 1) for array in (queries, outputs)
            )
            mask = causal_mask(segments, start, size)
            back = start + jnp.arange(size)[:, None] - jnp.arange(segments.shape[1])
            bias = self.distance_bias[jnp.abs(back)]
            target = attend_to_tokens(
                jnp.einsum("rtd,rsd->rts", query, keys),
                jnp.einsum("rtd,rsd->rts", output, values),
                mask,
                bias,
            )
            return target, attend_to_prefixes(keys, values, *common, jnp.where(mask, jnp.exp(bias), 0.0))

        return in_query_blocks(positions, segments.shape[1])


def sample_candidates(key: Key[Array, ""], num_items: int, count: int) -> Int[Array, " count"]:
    """Item numbers drawn uniformly, with replacement."""
    return jax.random.randint(key, (count,), 1, num_items + 1)
