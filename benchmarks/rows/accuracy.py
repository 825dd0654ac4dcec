"""What sampled softmax loses: validation NDCG@10 of both losses, three seeds each. Takes long."""

import json
import statistics

from bench import RECSYS, Bench
from processes import timed
from results import Result

SEEDS, EPOCHS = 3, 20


def both_losses(bench: Bench) -> Result:
    """Beauty, the model of the training rows, the best of 20 epochs."""
    result = Result(f"validation NDCG@10 of full and sampled softmax, Beauty, {SEEDS} seeds, {EPOCHS} epochs")
    settings = bench.settings("accuracy.toml", head=False)
    found: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        for loss in ("full-softmax", "sampled-softmax"):
            words = ["--loss", loss, "--seed", str(seed), "--epochs", str(EPOCHS), "--config", settings]
            output = bench.work / "accuracy-model"
            run = timed(
                [*RECSYS, "train", bench.dataset("beauty"), "--output", output, "--overwrite", *words]
            )
            found.setdefault(loss, []).append(json.loads(run.stdout)["validation_ndcg_at_10"])
    for loss, measured in found.items():
        result.add(f"{loss}, NDCG@10", "", measured)
    full, sampled = (statistics.mean(measured) for measured in found.values())
    result.notes.append(f"Means: full {full:.4f}, sampled {sampled:.4f}. No loss is taken as less than 1 %.")
    result.require("sampled : full, mean NDCG@10", sampled / full, 0.99, "×")
    return result
