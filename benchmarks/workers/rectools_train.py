"""RecTools' SASRec: a round is a number of batches of its own training loop."""

import warnings
from typing import Any

import torch
import turnstile
from pytorch_lightning import Callback, Trainer
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools_events import read_events

given = turnstile.arguments()
warnings.filterwarnings("ignore")
torch.set_num_threads(given["threads"])
rounds = turnstile.Rounds(given["batches"], "rectools", "torch", "pytorch-lightning")


class AfterEachBatch(Callback):
    """Holds the loop still between rounds. Keeps nothing itself: RecTools copies it."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del trainer, pl_module, outputs, batch_idx
        rounds.count(int((batch["y"] > 0).sum()))
        rounds.turn()


def trainer() -> Trainer:
    """Trains until nobody asks for rounds any more."""
    return Trainer(
        max_epochs=10_000,
        accelerator="cpu",
        callbacks=[AfterEachBatch()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


SASRecModel(get_trainer_func=trainer, **given["model"]).fit(Dataset.construct(read_events(given["events"])))
