"""RecTools: a round is `recommend` for every user, seen items left out. Weights do not change its speed."""

import time
import warnings

import torch
import turnstile
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools_events import read_events

given = turnstile.arguments()
warnings.filterwarnings("ignore")
torch.set_num_threads(given["threads"])


def trainer() -> Trainer:
    """Enough training to be fitted."""
    return Trainer(
        max_epochs=1,
        limit_train_batches=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


events = read_events(given["events"])
dataset = Dataset.construct(events)
model = SASRecModel(get_trainer_func=trainer, **given["model"]).fit(dataset)
users = events[Columns.User].unique()
model.recommend(users[:512], dataset, k=given["k"], filter_viewed=True)
turnstile.ready("rectools", "torch")
while True:
    turnstile.wait()
    started = time.perf_counter()
    table = model.recommend(users, dataset, k=given["k"], filter_viewed=True)
    turnstile.report(seconds=time.perf_counter() - started, users=table[Columns.User].nunique())
