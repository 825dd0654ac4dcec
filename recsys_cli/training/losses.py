"""The loss of a batch: retrieval over the catalogue, and cross-attention over a shared sample."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from recsys_cli.batches.batch import Batch
from recsys_cli.config.settings import TrainSettings
from recsys_cli.kernels.cross_entropy import full_softmax_loss, sampled_softmax_loss
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
    weights: Float[Array, "rows length"]  # 1 where there is a target, else 0
    rows: Int[Array, " rows"]  # their numbers in the whole batch

    @property
    def num_items(self) -> int:
        return self.attribute_lists.shape[0] - 1


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
    rows = shard.first_row + jnp.arange(batch.items.shape[0])
    encoded = model.encode(batch, attribute_lists, row_keys(encode_key, rows))
    weights = (batch.targets > 0).astype(jnp.float32)
    scene = _Scene(model, encoded, batch, attribute_lists, weights, rows)
    if full_softmax:
        retrieval = _full_softmax(scene, settings.tile_size)
    else:
        retrieval = _sampled_softmax(scene, settings.sampled_negatives, retrieval_key)
    cross, share = jnp.float32(0), 0.0
    if model.head is not None:
        cross = _cross_attention(
            scene, model.head, min(settings.cross_attention_candidates, scene.num_items), head_key
        )
        share = settings.cross_attention_weight
    total = ((1 - share) * retrieval + share * cross) / jnp.maximum(shard.targets, 1)
    return total, Loss(retrieval, cross, (batch.targets > 0).sum())


def _full_softmax(scene: _Scene, tile_size: int) -> Float[Array, ""]:
    items = scene.model.catalogue(scene.attribute_lists)[1:]
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
    )


def _sampled_softmax(scene: _Scene, samples: int, key: Key[Array, ""]) -> Float[Array, ""]:
    numbers = sample_candidates(key, scene.num_items, samples)
    vectors = scene.model.embeddings.item_vectors(numbers, scene.attribute_lists[numbers])
    return _sampled(scene, _target_logits(scene), scene.encoded.states @ vectors.T, numbers)


def _cross_attention(
    scene: _Scene, head: CrossAttention, samples: int, key: Key[Array, ""]
) -> Float[Array, ""]:
    sample_key, dropout_key = jax.random.split(key)
    numbers = sample_candidates(sample_key, scene.num_items, samples)
    shared = candidates_of(numbers, scene.attribute_lists)
    target_c, shared_c = head.score_all_positions(
        scene.model.embeddings,
        scene.encoded.states,
        scene.encoded.history,
        scene.batch.segments,
        candidates_of(scene.batch.targets, scene.attribute_lists),
        shared,
        row_keys(dropout_key, scene.rows),
    )
    logits = scene.encoded.states @ scene.model.embeddings.item_vectors(*shared).T
    return _sampled(scene, _target_logits(scene) + target_c, logits + shared_c, numbers)


def _target_logits(scene: _Scene) -> Float[Array, "rows length"]:
    targets = scene.batch.targets
    vectors = scene.model.embeddings.item_vectors(targets, scene.attribute_lists[targets])
    return (scene.encoded.states * vectors).sum(axis=-1)


def _sampled(
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
