"""A dataset to everything that a run is made of."""

import logging
from typing import Final

import jax

from recsys_cli.batches.events import event_arrays, rating_edges, training_data
from recsys_cli.config.settings import TrainSettings
from recsys_cli.errors import DataError, UsageError
from recsys_cli.models.store import InputSpec, StoredModel, padded_lists
from recsys_cli.schemas import Part
from recsys_cli.scoring.joined import Joined
from recsys_cli.sequences.store import Dataset
from recsys_cli.training.loop import Run
from recsys_cli.training.sharing import Sharing, share_rows
from recsys_cli.training.validation import Validator

LOGGER: Final = logging.getLogger("recsys")
MOST_ATTRIBUTES: Final = 10_000  # of an item; a step's work grows with the longest list
MOST_SLOTS: Final = 10**9  # of all items' lists, four bytes each


def make_run(source: Dataset, settings: TrainSettings, *, earlier: StoredModel | None) -> Run:
    """What to train on, and how long: the training part, or every event where `earlier` is refitted.

    Raises DataError where there is nothing to learn from, UsageError where rows are too short
    or lists of attributes too long.
    """
    _require_room(source, settings)
    before: Part | None = "validation" if earlier is None and source.split != "none" else None
    sequences = source.sequences
    stops = sequences.cut(before)
    spec = input_spec(source, settings.model.max_length)
    events = event_arrays(sequences, source.user_attributes, edges=spec.rating_edges, stops=stops)
    data = training_data(sequences, events, stops=stops)
    if not (data.stops > data.starts).any():
        raise DataError(
            f"{source.path} has nothing to learn from: no user has two events to train on.",
            hint="Give more interactions, or make the dataset with --split none.",
        )
    return Run(
        settings=settings,
        data=data,
        spec=spec,
        full_softmax=_full_softmax(settings, source.num_items),
        validator=_validator(source, spec, settings) if before is not None else None,
        max_steps=None if earlier is None else earlier.details.steps,
        total_steps=None if earlier is None else earlier.details.total_steps,
        sharing=_share(settings.rows_per_batch),
    )


def _share(rows_per_batch: int) -> Sharing:
    devices = jax.local_devices()
    sharing = share_rows(rows_per_batch, devices)
    if len(devices) > 1:
        LOGGER.info(
            "training on %d of %d devices, which share a batch's %d rows",
            sharing.num_devices,
            len(devices),
            rows_per_batch,
        )
    return sharing


def input_spec(source: Dataset, max_length: int) -> InputSpec:
    """What a model trained on this dataset reads."""
    edges = rating_edges(source.sequences.ratings)
    return InputSpec(
        item_ids=source.item_ids,
        attributes=source.attributes,
        attribute_lists=padded_lists(source.item_attributes),
        rating_edges=edges,
        rating_levels=0 if source.sequences.ratings is None else len(edges) + 1,
        max_length=max_length,
    )


def _require_room(source: Dataset, settings: TrainSettings) -> None:
    longest = int(source.user_attributes.lengths().max(initial=0))
    if longest >= settings.model.max_length:
        raise UsageError(
            f"A user of {source.path} has {longest} attributes, which leaves no room for events in "
            f"max_length={settings.model.max_length}.",
            hint="Raise max_length, or leave a field out with `recsys preprocess --user-field NAME=ignore`.",
        )

    longest = int(source.item_attributes.lengths().max(initial=0))
    if longest > MOST_ATTRIBUTES or longest * source.num_items > MOST_SLOTS:
        raise UsageError(
            f"An item of {source.path} has {longest:,} attributes, and the lists of all {source.num_items:,} "
            "items are padded to the longest one: it is too long.",
            hint="Leave a field out with `recsys preprocess --item-field NAME=ignore`.",
        )


def _full_softmax(settings: TrainSettings, num_items: int) -> bool:
    if settings.loss != "auto":
        return settings.loss == "full-softmax"
    full = num_items <= settings.full_softmax_items
    LOGGER.info(
        "loss: %s, since the catalogue has %d items", "full-softmax" if full else "sampled-softmax", num_items
    )
    return full


def _validator(source: Dataset, spec: InputSpec, settings: TrainSettings) -> Validator | None:
    validator = Validator(source, Joined(spec, source), settings.seed)
    if len(validator.users):
        return validator
    LOGGER.warning("no user has validation events: every epoch is run, and the last one kept")
    return None
