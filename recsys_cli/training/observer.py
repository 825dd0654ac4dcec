"""What a run tells while it goes on; nothing here needs jax, so a terminal can import it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class EpochRecord:
    """One line of a run's history."""

    epoch: int  # from 1
    loss: float  # mean retrieval cross-entropy, in nats
    cross_attention_loss: float | None  # mean over its sample, in nats; None without the head
    ndcg_at_10: float | None  # of retrieval on validation; None without validation


class TrainObserver(Protocol):
    """Is told how a run goes; shows it or does not."""

    def started(self, total_epochs: int, steps_per_epoch: int, start_epoch: int) -> None: ...

    def stepped(self, epoch: int, step: int, loss: float | None, targets: int) -> None: ...

    def epoch_ended(self, record: EpochRecord, seconds: float) -> None: ...
