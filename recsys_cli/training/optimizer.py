"""Adam with warm-up and cosine decay."""

import optax

from recsys_cli.config.settings import TrainSettings

FINAL_RATE = 0.02  # of the highest learning rate, at the end of the last epoch
CLIP_NORM = 5.0  # a gradient's global norm is cut to this


def make_optimizer(settings: TrainSettings, total_steps: int) -> optax.GradientTransformation:
    """Adam (weight decay decoupled, as AdamW) on a schedule over `total_steps`."""
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=settings.learning_rate,
        warmup_steps=max(1, round(settings.warmup_share * total_steps)),
        decay_steps=max(2, total_steps),
        end_value=FINAL_RATE * settings.learning_rate,
    )
    return optax.chain(
        optax.clip_by_global_norm(CLIP_NORM),
        optax.adamw(schedule, weight_decay=settings.weight_decay),
    )
