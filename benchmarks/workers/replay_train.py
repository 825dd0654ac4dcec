"""RePlay's SasRec: a round is a number of batches of its own training loop."""

import warnings
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
import turnstile
from replay.data import FeatureHint, FeatureSource, FeatureType
from replay.data.nn import ParquetModule, TensorFeatureInfo, TensorFeatureSource, TensorSchema
from replay.nn.lightning import LightningModule
from replay.nn.lightning.optimizer import OptimizerFactory
from replay.nn.sequential import SasRec
from replay.nn.transform.template import make_default_sasrec_transforms

given = turnstile.arguments()
warnings.filterwarnings("ignore")
torch.set_num_threads(given["threads"])
rounds = turnstile.Rounds(given["batches"], "replay-rec", "torch", "lightning")


class AfterEachBatch(lightning.Callback):
    """Holds the loop still between rounds."""

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: dict[str, torch.Tensor], batch_idx: int
    ) -> None:
        del trainer, pl_module, outputs, batch_idx
        rounds.count(int((batch["padding_mask"] & batch["target_padding_mask"][..., 0]).sum()))
        rounds.turn()


events = pd.read_csv(given["events"])
events["item_id"] = events["item_id"].factorize()[0]
items = int(events["item_id"].max()) + 1
sequences = Path(given["events"]).with_suffix(".replay.parquet")
users = events["user_id"].factorize()[0]
events.groupby(users)["item_id"].agg(list).rename_axis("user_id").reset_index().to_parquet(sequences)
schema = TensorSchema(
    [
        TensorFeatureInfo(
            "item_id",
            is_seq=True,
            feature_type=FeatureType.CATEGORICAL,
            embedding_dim=given["dim"],
            padding_value=items,
            cardinality=items,
            feature_hint=FeatureHint.ITEM_ID,
            feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "item_id")],
        )
    ]
)
data = ParquetModule(
    batch_size=given["users_per_batch"],
    metadata={"train": {"item_id": {"shape": given["length"] + 1, "padding": items}}},
    transforms=make_default_sasrec_transforms(schema),
    train_path=str(sequences),
)
model = SasRec.from_params(
    schema,
    embedding_dim=given["dim"],
    num_heads=given["heads"],
    num_blocks=given["blocks"],
    max_sequence_length=given["length"],
)
lightning.Trainer(
    max_epochs=10_000,
    accelerator="cpu",
    callbacks=[AfterEachBatch()],
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    limit_val_batches=0,
).fit(LightningModule(model, OptimizerFactory()), datamodule=data)
