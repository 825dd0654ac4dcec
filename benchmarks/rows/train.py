"""Training: targets (positions with a next item) a second, after compilation and a round of warm-up."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from bench import Bench, alternate
from contender import Contender
from results import Result, ratios

SAMPLED_NEGATIVES = 256  # of RecTools, for each position anew; ours are shared by a batch
SAMPLED_PEER = f"RecTools, {SAMPLED_NEGATIVES} sampled negatives"
DIM, BLOCKS, HEADS, USERS_PER_BATCH = 64, 2, 2, 128


def full_softmax(bench: Bench) -> Result:
    """Beauty, length 50, the whole catalogue as negatives."""
    result = Result("train, Beauty, 64-d, 2 blocks, length 50, full softmax")
    _compare(bench, result, "beauty", length=50, loss="full-softmax", batches=5 if bench.quick else 10)
    _require(result, "RecTools", 25, share=0.4)
    return result


def sampled_softmax(bench: Bench) -> Result:
    """Beauty, length 50, 1,024 shared negatives; judged beside RecTools' full softmax."""
    result = Result("train, Beauty, 64-d, 2 blocks, length 50, sampled softmax")
    sampled = _rectools(
        bench, SAMPLED_PEER, "beauty", 50, 5, loss="sampled_softmax", n_negatives=SAMPLED_NEGATIVES
    )
    _compare(bench, result, "beauty", length=50, loss="sampled-softmax", batches=10, others=[sampled])
    _require(result, "RecTools", 50)
    return result


def long_histories(bench: Bench) -> Result:
    """MovieLens 1M, length 200."""
    result = Result("train, ML-1M, length 200, full softmax")
    _compare(bench, result, "ml-1m", length=200, loss="full-softmax", batches=5, rounds=3)
    _require(result, "RecTools", 10)
    return result


def cross_attention(bench: Bench) -> Result:
    """What the head costs: epochs with and without it, in turn."""
    result = Result("train with the cross-attention head, both directions")
    with ExitStack() as stack:
        ours = [
            recsys(bench, "recsys", "beauty", 50, "full-softmax", attributes=True),
            recsys(bench, "with the head", "beauty", 50, "full-softmax", attributes=True, head=True),
        ]
        plain, headed = bench.start(stack, result, ours)
        answers = alternate([plain, headed], 2 if bench.quick else 5)
    speeds = {name: speeds_of(rounds) for name, rounds in answers.items()}
    for name, speed in speeds.items():
        result.add(f"{name}, with item attributes", "targets/s", speed)
    slower = result.add("slow-down by the head", "×", ratios(speeds["recsys"], speeds["with the head"]))
    result.floor = "the row without the head; its own floor is that of the full softmax above"
    result.require("slow-down", slower.median, 1.6, "×", at_least=False)
    return result


def _compare(
    bench: Bench,
    result: Result,
    data: str,
    *,
    length: int,
    loss: str,
    batches: int,
    rounds: int = 5,
    others: Sequence[Contender] = (),
) -> None:
    """recsys, RecTools' SASRec and the floor in turn; figures, ratios and the floor's share."""
    with ExitStack() as stack:
        ours, *peers = bench.start(
            stack,
            result,
            [recsys(bench, "recsys", data, length, loss)],
            [_rectools(bench, "RecTools", data, length, batches), *others],
        )
        answers = alternate([bench.floor, ours, *peers], 2 if bench.quick else rounds)
    speeds = {each.name: speeds_of(answers[each.name]) for each in (ours, *peers)}
    for name, speed in speeds.items():
        result.add(name, "targets/s", speed)
        result.add(f"{name}, peak memory", "MB", [max(answer["peak_mb"] for answer in answers[name])])
    for each in peers:
        result.add(f"recsys : {each.name}", "×", ratios(speeds["recsys"], speeds[each.name]))
    operations = ours.about["operations_per_target"]
    floors = [answer["gflops"] * 1e9 / operations for answer in answers[bench.floor.name]]
    result.add("the floor", "targets/s", floors)
    result.add("recsys : the floor", "×", ratios(speeds["recsys"], floors))
    result.floor = (
        f"{operations / 1e6:.2f} M operations a target, six for each weight of the encoder's matrices, each "
        f"cell of causal attention and of the softmax's table (both ways), at the 2048³ product's speed"
    )


def recsys(
    bench: Bench,
    name: str,
    data: str,
    length: int,
    loss: str,
    *,
    attributes: bool = False,
    head: bool = False,
) -> Contender:
    """Our own loop with the benchmark's model; `attributes` of the items only where they are asked for."""
    model = {
        "embedding_dim": DIM,
        "num_blocks": BLOCKS,
        "num_heads": HEADS,
        "max_length": length,
        "cross_attention": head,
    }
    settings = {"model": model, "loss": loss, "epochs": 100, "patience": 100}
    folder = bench.work / f"run-{name}-{data}-{loss}".replace(" ", "-")
    dataset = bench.dataset(data, attributes=attributes)
    return bench.ours(name, "recsys_train.py", settings=settings, dataset=str(dataset), folder=str(folder))


def _rectools(bench: Bench, name: str, data: str, length: int, batches: int, **model: Any) -> Contender:
    shape = {
        "n_factors": DIM,
        "n_blocks": BLOCKS,
        "n_heads": HEADS,
        "session_max_len": length,
        "batch_size": USERS_PER_BATCH,
        "loss": "softmax",
    }
    events = bench.training_events(data)
    return bench.peer(
        name, "rectools", "rectools_train.py", events=str(events), batches=batches, model={**shape, **model}
    )


def speeds_of(answers: list[dict[str, float]]) -> list[float]:
    """Targets a second of each round."""
    return [answer["targets"] / answer["seconds"] for answer in answers]


def _require(result: Result, peer: str, times: float, *, share: float | None = None) -> None:
    found = {figure.what: figure.spread.median for figure in result.figures}
    if f"recsys : {peer}" in found:
        result.require(f"over {peer}", found[f"recsys : {peer}"], times, "×")
    if share is not None:
        result.require("share of the floor", found["recsys : the floor"], share, "×")
