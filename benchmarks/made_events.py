"""A made CSV of interactions, for speed alone: columns user, item, rating, timestamp.

    python benchmarks/made_events.py --rows 10000000 --users 200000 --items 50000 --seed 0 --output FILE

Items are drawn by Zipf's law (weight 1 / rank), users by log-normal activity (sigma 1), ratings are 1 to 5,
timestamps rise from row to row over two years. Same arguments, same bytes; memory does not grow with rows.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

ROWS_AT_A_TIME: Final = 1_000_000
FIRST_SECOND: Final = 1_700_000_000
SECONDS: Final = 2 * 365 * 86_400
RATING_SHARES: Final = (0.06, 0.11, 0.26, 0.35, 0.22)  # of 1 to 5, roughly MovieLens'


def main() -> None:
    """Write the file that the arguments describe."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    write_events(
        arguments.output,
        rows=arguments.rows,
        users=arguments.users,
        items=arguments.items,
        seed=arguments.seed,
    )


def write_events(path: Path, *, rows: int, users: int, items: int, seed: int) -> None:
    """Write `rows` events of up to `users` users and `items` items, ids from 1."""
    random = np.random.default_rng(seed)
    user_shares = _cumulative(random.lognormal(sigma=1.0, size=users))
    item_shares = _cumulative(1 / (1 + random.permutation(items)))
    rating_shares = _cumulative(np.array(RATING_SHARES))
    names = ["user", "item", "rating", "timestamp"]
    schema = pa.schema([(name, pa.int64()) for name in names])
    options = pa_csv.WriteOptions(quoting_header="none")
    with pa_csv.CSVWriter(path, schema, write_options=options) as writer:
        for start in range(0, rows, ROWS_AT_A_TIME):
            places = np.arange(start, min(start + ROWS_AT_A_TIME, rows))
            columns = [
                _draw(random, user_shares, len(places)),
                _draw(random, item_shares, len(places)),
                _draw(random, rating_shares, len(places)),
                FIRST_SECOND + places * SECONDS // rows,
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _cumulative(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.cumsum(weights)
    return total / total[-1]


def _draw(random: np.random.Generator, cumulative: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """`count` numbers from 1, each as often as its share."""
    return 1 + np.searchsorted(cumulative, random.random(count), side="right").astype(np.int64)


if __name__ == "__main__":
    main()
