"""The loss of a batch: retrieval over the catalogue, and cross-attention over a shared sample."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from recsys_cli.batches.batch import Batch
from recsys_cli.config.processors import multiplies_bfloat16
from recsys_cli.config.settings import TrainSettings
from recsys_cli.kernels.cross_entropy import full_softmax_loss, sampled_softmax_loss
from recsys_cli.kernels.lookup import look_up
from recsys_cli.kernels.products import Products
from recsys_cli.models.cross_attention import CrossAttention, sample_candidates
from recsys_cli.models.recommender import Encoded, Recommender, candidates_of


class Loss(NamedTuple):
    """Sums over the batch's targets, in nats; divide by `targets` for means."""

    retrieval: Float[Array, ""]
    cross_attention: Float[Array, ""]
    targets: Int[Array, ""]


class Shard(NamedTuple):
    """What a device's rows are of the whole batch."""

    first_row: Int[Array, ""] | int  # how many rows of the batch come before
    targets: Int[Array, ""]  # of the whole batch


class _Scene(NamedTuple):
    """What every part of the loss reads."""

    model: Recommender
    encoded: Encoded
    batch: Batch
    attribute_lists: Int[Array, "items slots"]
    targets: Float[Array, "rows length dim"]  # their pooled vectors
    weights: Float[Array, "rows length"]  # 1 where there is a target, else 0
    rows: Int[Array, " rows"]  # their numbers in the whole batch
    products: Products

    @property
    def num_items(self) -> int:
        return self.attribute_lists.shape[0] - 1

    @property
    def target_logits(self) -> Float[Array, "rows length"]:
        return (self.encoded.states * self.targets).sum(axis=-1)


def batch_loss(
    model: Recommender,
    batch: Batch,
    attribute_lists: Int[Array, "items slots"],
    key: Key[Array, ""],
    *,
    settings: TrainSettings,
    full_softmax: bool,
    shard: Shard,
) -> tuple[Float[Array, ""], Loss]:
    """These rows' share of the weighted mean loss that training minimises, and its parts.

    Candidates are the same in every part of the batch; dropout is a row's own.
    """
    encode_key, retrieval_key, head_key = jax.random.split(key, 3)
    sample_key, dropout_key = jax.random.split(head_key)
    num_items = attribute_lists.shape[0] - 1
    negatives = sample_candidates(retrieval_key, num_items, 0 if full_softmax else settings.sampled_negatives)
    shared = sample_candidates(
        sample_key, num_items, min(settings.cross_attention_candidates, num_items) if model.head else 0
    )
    catalogue = model.catalogue(attribute_lists) if full_softmax else None
    items, targets, negative_vectors, shared_vectors = _look_up(
        model, attribute_lists, catalogue, (batch.items, batch.targets, negatives, shared)
    )
    rows = shard.first_row + jnp.arange(batch.items.shape[0])
    encoded = model.encode(batch, attribute_lists, row_keys(encode_key, rows), items)
    weights = (batch.targets > 0).astype(jnp.float32)
    scene = _Scene(model, encoded, batch, attribute_lists, targets, weights, rows, _products(settings))
    if catalogue is not None:
        retrieval = _full_softmax(scene, catalogue[1:], settings.tile_size)
    else:
        logits = encoded.states @ negative_vectors.T
        retrieval = _sampled_softmax(scene, scene.target_logits, logits, negatives)
    cross, share = jnp.float32(0), 0.0
    if model.head is not None:
        cross = _cross_attention(scene, model.head, shared, shared_vectors, dropout_key)
        share = settings.cross_attention_weight
    total = ((1 - share) * retrieval + share * cross) / jnp.maximum(shard.targets, 1)
    return total, Loss(retrieval, cross, (batch.targets > 0).sum())


def _look_up(
    model: Recommender,
    attribute_lists: Int[Array, "items slots"],
    catalogue: Float[Array, "items dim"] | None,
    numbers: tuple[Int[Array, "*shape"], ...],
) -> list[Float[Array, "*shape dim"]]:
    """Pooled vectors of these items, out of the catalogue where there is one: their gradients meet there."""
    if catalogue is None:
        return [model.embeddings.item_vectors(each, attribute_lists[each]) for each in numbers]
    return [look_up(catalogue, each) for each in numbers]


def _full_softmax(scene: _Scene, items: Float[Array, "items dim"], tile_size: int) -> Float[Array, ""]:
    states = scene.encoded.states.reshape(-1, items.shape[1])
    labels = jnp.maximum(scene.batch.targets.reshape(-1) - 1, 0)
    tiles = -(-states.shape[0] // tile_size)
    tile = -(-states.shape[0] // tiles)
    padding = tiles * tile - states.shape[0]
    return full_softmax_loss(
        jnp.pad(states, [(0, padding), (0, 0)]),
        items,
        jnp.pad(labels, (0, padding)),
        jnp.pad(scene.weights.reshape(-1), (0, padding)),
        tile,
        scene.products,
    )


def _products(settings: TrainSettings) -> Products:
    """bfloat16 only where a CPU has it in hardware; accelerators go by jax's matmul precision."""
    allowed = settings.precision in {"auto", "bfloat16"} and jax.default_backend() == "cpu"
    return "bfloat16" if allowed and multiplies_bfloat16() else "float32"


def _cross_attention(
    scene: _Scene,
    head: CrossAttention,
    numbers: Int[Array, " samples"],
    vectors: Float[Array, "samples dim"],
    key: Key[Array, ""],
) -> Float[Array, ""]:
    target_c, shared_c = head.score_all_positions(
        scene.model.embeddings,
        scene.encoded.states,
        scene.encoded.history,
        scene.batch.segments,
        candidates_of(scene.batch.targets, scene.attribute_lists),
        candidates_of(numbers, scene.attribute_lists),
        (scene.targets, vectors),
        row_keys(key, scene.rows),
        scene.products,
    )
    logits = scene.encoded.states @ vectors.T
    return _sampled_softmax(scene, scene.target_logits + target_c, logits + shared_c, numbers)


def _sampled_softmax(
    scene: _Scene,
    target_logits: Float[Array, "rows length"],
    logits: Float[Array, "rows length samples"],
    numbers: Int[Array, " samples"],
) -> Float[Array, ""]:
    """Cross-entropy against a uniform sample, corrected by its expected counts."""
    samples = numbers.shape[0]
    return sampled_softmax_loss(
        target_logits.reshape(-1),
        logits.reshape(-1, samples),
        jnp.full(samples, jnp.log(samples / scene.num_items)),
        scene.batch.targets.reshape(-1, 1) == numbers,
        scene.weights.reshape(-1),
    )


def step_key(seed: int, step: Int[Array, ""]) -> Key[Array, ""]:
    """All randomness of a step is a function of the seed and the step's number."""
    return jax.random.fold_in(jax.random.key(seed), step)


def row_keys(key: Key[Array, ""], rows: Int[Array, " rows"]) -> Key[Array, " rows"]:
    """A key of each row, by its number in the whole batch: any device draws the same for it."""
    return jax.vmap(lambda row: jax.random.fold_in(key, row))(rows)
