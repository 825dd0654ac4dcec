"""RecBole's SASRec: a round is a number of batches of its own training loop.

RecBole trains on one row a target (the history before it), so a batch of 2,048 rows has 2,048 targets.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
import turnstile
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

ROWS_PER_BATCH = 2048  # RecBole's own default
given = turnstile.arguments()
torch.set_num_threads(given["threads"])
torch.load = lambda *args, load=torch.load, **kwargs: load(*args, **{"weights_only": False, **kwargs})
folder = Path(given["folder"]).resolve()
shutil.rmtree(folder, ignore_errors=True)
(folder / "data").mkdir(parents=True)
events = Path(given["events"]).resolve()
os.chdir(folder)  # RecBole writes its own logs to where it runs
rounds = turnstile.Rounds(given["batches"], "recbole", "torch")


def counted(interaction: Any) -> Any:
    """RecBole's loss, stopped at the start of a batch where a round has ended."""
    rounds.turn()
    rounds.count(len(interaction))
    return model.calculate_loss(interaction)


header = "user_id:token\titem_id:token\ttimestamp:float\n"
lines = events.read_text(encoding="utf-8").partition("\n")[2].replace(",", "\t")
(folder / "data" / "data.inter").write_text(header + lines, encoding="utf-8")
config = Config(
    model="SASRec",
    dataset="data",
    config_dict={
        "data_path": str(folder),
        "checkpoint_dir": str(folder),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "TO", "mode": "full", "group_by": "user"},
        "train_neg_sample_args": None,
        "loss_type": "CE",
        "train_batch_size": ROWS_PER_BATCH,
        "MAX_ITEM_LIST_LENGTH": given["length"],
        "hidden_size": given["dim"],
        "inner_size": given["dim"],
        "n_layers": given["blocks"],
        "n_heads": given["heads"],
        "use_gpu": False,
        "state": "ERROR",
        "show_progress": False,
    },
)
init_seed(0, reproducibility=False)
data = create_dataset(config)
train_data = data_preparation(config, data)[0]
model = get_model(config["model"])(config, train_data._dataset)
trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
for epoch in range(10_000):
    trainer._train_epoch(train_data, epoch, loss_func=counted)
