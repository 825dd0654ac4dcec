"""RecTools' SASRec: a round is a number of batches of its own training loop."""

import time
import warnings
from typing import Any

import pandas as pd
import torch
import turnstile
from pytorch_lightning import Callback, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

given = turnstile.arguments()
warnings.filterwarnings("ignore")
torch.set_num_threads(given["threads"])
state = {"targets": 0, "batches": 0, "wanted": given["batches"], "since": 0.0, "warm": False}


class Rounds(Callback):
    """Holds the loop still between rounds. Keeps nothing itself: RecTools copies it."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del trainer, pl_module, outputs, batch_idx
        state["targets"] += int((batch["y"] > 0).sum())
        state["batches"] += 1
        if state["batches"] < state["wanted"]:
            return
        if state["warm"]:
            turnstile.report(targets=state["targets"], seconds=time.perf_counter() - state["since"])
        else:
            turnstile.ready("rectools", "torch", "pytorch-lightning")
        state["warm"] = True
        turnstile.wait()
        state.update(targets=0, batches=0, since=time.perf_counter())


def trainer() -> Trainer:
    """Trains until nobody asks for rounds any more."""
    return Trainer(
        max_epochs=10_000,
        accelerator="cpu",
        callbacks=[Rounds()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


events = pd.read_csv(given["events"]).rename(
    columns={"user_id": Columns.User, "item_id": Columns.Item, "timestamp": Columns.Datetime}
)
events[Columns.Datetime] = pd.to_datetime(events[Columns.Datetime], unit="s")
events[Columns.Weight] = 1
SASRecModel(get_trainer_func=trainer, **given["model"]).fit(Dataset.construct(events))
