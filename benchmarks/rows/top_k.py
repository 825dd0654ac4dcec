"""Exact top-k beside FAISS and implicit, and the bare product that it cannot be faster than."""

from contextlib import ExitStack

from bench import Bench, alternate
from results import Result, Spread, ratios

ITEMS, KS = (12_101, 100_000), (10, 100)


def exact_top_k(bench: Bench) -> Result:
    """Four cells: catalogues of two sizes, lists of two lengths; 64 dimensions, 8,192 users."""
    result = Result("exact top-k, 64-d, 8,192 users: users/s")
    given = {"items": ITEMS, "ks": KS}
    result.table = [["items", "k", "", "users/s", "lowest – highest", "recsys : it", "lowest – highest"]]
    with ExitStack() as stack:
        contenders = bench.start(
            stack,
            result,
            [
                bench.ours("recsys", "recsys_top_k.py", **given),
                bench.ours("bare product", "product_top_k.py", **given),
            ],
            [
                bench.peer("FAISS IndexFlatIP", "faiss", "faiss_top_k.py", **given),
                bench.peer("implicit", "implicit", "implicit_top_k.py", **given),
            ],
        )
        for items in ITEMS:
            for k in KS:
                answers = alternate(contenders, 3 if bench.quick else 5, items=items, k=k)
                speeds = {name: [each["speed"] for each in rounds] for name, rounds in answers.items()}
                _note_cell(result, items, k, speeds)
    result.floor = (
        "the bare product of users and items, two operations a cell and dimension, in tiles that stay in "
        "cache and that nobody reads; the faster of NumPy's and JAX's, measured in turn with the others"
    )
    return result


def _note_cell(result: Result, items: int, k: int, speeds: dict[str, list[float]]) -> None:
    cell = f"{items:,} items, k={k}"
    for name, speed in speeds.items():
        own, times = Spread.of(speed), Spread.of(ratios(speeds["recsys"], speed))
        result.table.append(
            [
                f"{items:,}",
                k,
                name,
                own.median,
                f"{own.low:,.0f} – {own.high:,.0f}",
                times.median,
                f"{times.low:.2f} – {times.high:.2f}",
            ]
        )
        if name == "FAISS IndexFlatIP":
            result.require(f"over FAISS, {cell}", times.median, 1, "×")
        if name == "bare product" and k == min(KS):
            result.require(f"of the bare product, {cell}", times.median, 0.6, "×")
