"""recsys: a round is an epoch of its own training loop, without validation."""

import dataclasses
import time
from pathlib import Path

import jax
import turnstile
from flax import nnx

from recsys_cli.cli.device import keep_freed_memory
from recsys_cli.config.settings import TrainSettings
from recsys_cli.models.recommender import Recommender
from recsys_cli.sequences.store import open_dataset
from recsys_cli.training.loop import Run, train_run
from recsys_cli.training.observer import EpochRecord
from recsys_cli.training.prepare import make_run

FORWARD_AND_BACKWARD = 6  # operations per weight and position: a multiplication and an addition, three times


class Rounds:
    """Holds the loop still between epochs. Losses are fetched at the last step, so its time is the work's."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.targets, self.since, self.until = 0, 0.0, 0.0

    def started(self, total_epochs: int, steps_per_epoch: int, start_epoch: int) -> None:
        del total_epochs, steps_per_epoch, start_epoch

    def stepped(self, epoch: int, step: int, loss: float | None, targets: int) -> None:
        del epoch, step, loss
        self.targets += targets
        self.until = time.perf_counter()

    def epoch_ended(self, record: EpochRecord, seconds: float) -> None:
        del seconds
        if record.epoch == 1:
            turnstile.ready(
                "recsys", "jax", "flax", targets=self.targets, operations_per_target=operations(self.run)
            )
        else:
            turnstile.report(targets=self.targets, seconds=self.until - self.since)
        turnstile.wait()
        self.targets, self.since = 0, time.perf_counter()


def operations(run: Run) -> float:
    """Of one position, forward and backward, in the encoder's and the softmax's products."""
    model = nnx.eval_shape(lambda: Recommender(run.settings.model, run.spec.size, rngs=nnx.Rngs(0)))
    leaves = jax.tree.leaves(nnx.state(model.encoder, nnx.Param))
    encoder = sum(leaf.size for leaf in leaves if len(leaf.shape) == 2)
    shape = run.settings.model
    attention = 2 * shape.num_blocks * shape.max_length * shape.embedding_dim / 2  # half is not causal
    items = run.spec.size.num_items if run.full_softmax else run.settings.sampled_negatives
    return FORWARD_AND_BACKWARD * (encoder + attention + items * shape.embedding_dim)


keep_freed_memory()  # as every command does
given = turnstile.arguments()
settings = TrainSettings.model_validate(given["settings"])
run = dataclasses.replace(
    make_run(open_dataset(Path(given["dataset"])), settings, earlier=None), validator=None
)
folder = Path(given["folder"])
folder.mkdir(parents=True, exist_ok=True)
train_run(run, folder, resume=False, observer=Rounds(run))
