"""recsys: a round is what `evaluate` does to place the validation targets by the model, compiled before."""

import time
from pathlib import Path

import turnstile

from recsys_cli.cli.device import keep_freed_memory
from recsys_cli.config.settings import EvaluateSettings
from recsys_cli.evaluation.judged import judged_users
from recsys_cli.sequences.store import open_dataset
from recsys_cli.stages.placed import place_model

keep_freed_memory()  # as every command does
given = turnstile.arguments()
model, source, settings = Path(given["model"]), open_dataset(Path(given["dataset"])), EvaluateSettings()
judged = judged_users(source.sequences, settings.split, include_seen=settings.include_seen)
place_model(model, source, judged, settings)
turnstile.ready("recsys", "jax")
while True:
    turnstile.wait()
    started = time.perf_counter()
    place_model(model, source, judged, settings)
    turnstile.report(seconds=time.perf_counter() - started)
