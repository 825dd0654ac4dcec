"""User vectors and a catalogue -> its k best items for each user, exactly, on processors.

A rough product, in bfloat16 where processors multiply that, says which cells can hold one of the k
best. A cell is an item, or in a large catalogue a block of neighbours of which the product keeps the
maximum. The items of those cells are scored again, each pair of a user and an item by a dot product of
its own: a score depends on nothing but the pair.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import DTypeLike, NDArray

from recsys_cli.config.processors import multiplies_bfloat16

BLOCK: Final = 32  # neighbouring items of which the maximum is kept
ITEMS_FOR_BLOCKS: Final = 256  # a catalogue with more of them for each of the k best is searched by blocks
USERS_AT_A_TIME: Final = 256
CELLS_AT_A_TIME: Final = 1 << 22  # 16 MiB: beyond 32 MiB glibc returns and clears the pages each time
TOGETHER: Final = 16  # cells of which only the best counts in the proof that k items reach a score
DOTS_AT_A_TIME: Final = 1 << 12  # 1 MiB a side at 64 dimensions: they stay in the processor's cache
KEYS_AT_A_TIME: Final = 1 << 21  # 16 MiB
LARGEST: Final = 2.0**120  # product of norms up to which nothing overflows on the way
SMALLEST: Final = 2.0**-126  # processors may take what is below for zero
NEVER: Final = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Catalogue:
    """Item vectors in blocks; the last block is filled up with copies of the last item."""

    items: int
    vectors: NDArray[np.float32]  # (blocks, BLOCK, dim)
    rough: Float[Array, "blocks block dim"]
    longest: float  # the largest norm
    rounded: float  # the largest norm of a vector's difference from its rough one

    @classmethod
    def build(cls, vectors: NDArray[np.float32], dtype: DTypeLike | None = None) -> Self:
        """`dtype` of the rough product: bfloat16 or float32; None is the faster one on this processor."""
        padded = np.pad(vectors, [(0, -len(vectors) % BLOCK), (0, 0)], mode="edge")
        rough = padded.astype(dtype or (jnp.bfloat16 if multiplies_bfloat16() else np.float32))
        shape = -1, BLOCK, vectors.shape[1]
        longest = float(_norms(vectors).max(initial=0.0))
        rounded = float(_norms(padded - rough.astype(np.float32)).max(initial=0.0))
        return cls(len(vectors), padded.reshape(shape), jnp.asarray(rough.reshape(shape)), longest, rounded)

    def width(self, k: int) -> int:
        """How many items a cell has in the search of the k best."""
        return BLOCK if self.items > ITEMS_FOR_BLOCKS * k else 1

    def users_at_a_time(self, k: int) -> int:
        """Few enough for the cells to be few, enough for a product to be worth its start."""
        return max(1, min(USERS_AT_A_TIME, CELLS_AT_A_TIME * self.width(k) // max(1, self.items)))


class Rough(NamedTuple):
    """What the rough product proves."""

    width: int  # items of a cell
    cells: NDArray[np.float32]  # (users, cells) the highest rough score of each
    reached: NDArray[np.float64]  # (users,) a rough score that at least k items have
    slack: NDArray[np.float64]  # (users,) how far a score may be from its rough one


@jax.jit
def item_scores(
    states: Float[Array, "users dim"], blocks: Float[Array, "blocks block dim"]
) -> Float[Array, "users columns"]:
    """Rough scores of all items, and of the copies in the last block."""
    return _product(states, blocks.reshape(-1, states.shape[1]), (((1,), (1,)), ((), ())))


@jax.jit
def block_maxima(
    states: Float[Array, "users dim"], blocks: Float[Array, "blocks block dim"]
) -> Float[Array, "users blocks"]:
    """Highest rough score of each block. Batched over blocks, the product is never held whole by XLA."""
    users = jnp.broadcast_to(states.T, (len(blocks), *states.T.shape))
    return _product(blocks, users, (((2,), (1,)), ((0,), (0,)))).max(axis=1).T


def _product(left: Array, right: Array, dimensions: jax.lax.DotDimensionNumbers) -> Array:
    """Sums in float32, of products as exact as their dtype, whatever the caller's default precision is."""
    return jax.lax.dot_general(
        left, right, dimensions, precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )


def best_items(
    states: NDArray[np.float32], catalogue: Catalogue, excluded: NDArray[np.int32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Scores and columns (users, k) of the k best, best first, equal scores by column; 1 <= k <= items.

    `excluded` (users, slots) holds columns that score minus infinity; `catalogue.items` is none.
    """
    rough = _rough(states, catalogue, excluded, k)
    number = rough.cells.shape[1]
    lowest = (rough.reached - rough.slack).astype(np.float32)
    likely = (rough.reached - 2 * rough.slack).astype(np.float32)
    pairs = np.flatnonzero(rough.cells >= likely[:, None])
    starts = np.searchsorted(pairs, np.arange(len(states) + 1) * number)
    values = np.empty((len(states), k), np.float32)
    columns = np.empty((len(states), k), np.int32)
    for part in _parts(np.diff(starts) * rough.width, KEYS_AT_A_TIME):
        some = pairs[starts[part.start] : starts[part.stop]] - part.start * number
        owners = np.repeat(np.arange(part.stop - part.start), np.diff(starts[part.start : part.stop + 1]))
        cells = some - owners * number
        scores = _scores(states[part], catalogue, owners, cells, rough.width)
        _exclude(scores, some, excluded[part], catalogue, number)
        kept = np.flatnonzero(scores >= lowest[part][owners][:, None])
        pair = kept // rough.width
        found = cells[pair] * rough.width + kept % rough.width
        keys = _keys(scores.reshape(-1)[kept], found)
        values[part], columns[part] = _best(keys, owners[pair], part.stop - part.start, k)
    return values, columns


def _rough(states: NDArray[np.float32], catalogue: Catalogue, excluded: NDArray[np.int32], k: int) -> Rough:
    width = catalogue.width(k)
    rounded = states.astype(catalogue.rough.dtype)
    slack = _slack(states, states - rounded.astype(np.float32), catalogue)
    if width == 1:
        cells = np.asarray(item_scores(rounded, catalogue.rough))[:, : catalogue.items]
    else:
        cells = np.asarray(block_maxima(rounded, catalogue.rough))
    if np.isinf(slack).any():  # the product may have overflowed, and says nothing
        cells = np.where(np.isinf(slack)[:, None], np.float32(0), cells)
    return Rough(width, cells, _reached(cells, width, excluded, catalogue.items, k), slack)


def _slack(
    states: NDArray[np.float32], left_out: NDArray[np.float32], catalogue: Catalogue
) -> NDArray[np.float64]:
    """(users,) how far a score and its rough one may be from each other.

    What rounding the vectors changes, by Cauchy and Schwarz; then each sum is within dim * 2^-24 *
    |state| * |item| of the true one (Higham, Accuracy and Stability of Numerical Algorithms, section
    3.1), doubled for what is left out here; then what is taken for zero.
    """
    norms, lost, dim = _norms(states), _norms(left_out), states.shape[1]
    with np.errstate(invalid="ignore", over="ignore"):
        rounding = lost * catalogue.longest + (norms + lost) * catalogue.rounded
        sums = 4 * dim * 2.0**-24 * norms * catalogue.longest
        slack = rounding + sums + 2 * dim * SMALLEST * (norms + catalogue.longest + 2)
        return np.where(norms * catalogue.longest + slack < LARGEST, slack, np.inf)


def _norms(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))


def _reached(
    cells: NDArray[np.float32], width: int, excluded: NDArray[np.int32], items: int, k: int
) -> NDArray[np.float64]:
    """(users,) a rough score that k items have or more: the k-th best maximum of some cells each.

    Cells taken together lie far apart, so that no axis is short. Those with an excluded item prove nothing.
    """
    together = max(1, min(TOGETHER // width, cells.shape[1] // (4 * k)))
    number = cells.shape[1] // together
    proof = cells[:, : number * together].reshape(len(cells), together, number).max(axis=1)
    users, slots = np.nonzero(excluded < items)
    proof[users, excluded[users, slots] // width % number] = -np.inf
    proof.partition(number - k, axis=1)
    return proof[:, number - k].astype(np.float64)


def _parts(scores: NDArray[np.int64], limit: int, first: int = 0) -> Iterator[slice]:
    """Spans of users, halved until none holds more than `limit` scores, or one user is left.

    Counted as users times the most scores of one, which is the shape of what `_best` sorts.
    """
    if len(scores) == 1 or len(scores) * scores.max(initial=0) <= limit:
        yield slice(first, first + len(scores))
        return
    half = len(scores) // 2
    yield from _parts(scores[:half], limit, first)
    yield from _parts(scores[half:], limit, first + half)


def _scores(
    states: NDArray[np.float32],
    catalogue: Catalogue,
    owners: NDArray[np.int64],
    cells: NDArray[np.int64],
    width: int,
) -> NDArray[np.float32]:
    """(pairs, width) scores of the items of each owner's cell; NaN, which is never kept, for copies."""
    vectors = catalogue.vectors.reshape(-1, width, states.shape[1])
    scores = np.empty((len(owners), width), np.float32)
    at_once = DOTS_AT_A_TIME // width
    for first in range(0, len(owners), at_once):
        some = slice(first, first + at_once)
        left, right = states.take(owners[some], axis=0)[:, None], vectors.take(cells[some], axis=0)
        np.vecdot(left, right, out=scores[some])
    if width > 1 and (copies := -catalogue.items % width):
        scores[cells == len(vectors) - 1, width - copies :] = np.nan
    return scores


def _exclude(
    scores: NDArray[np.float32],
    pairs: NDArray[np.int64],
    excluded: NDArray[np.int32],
    catalogue: Catalogue,
    number: int,
) -> None:
    """Write minus infinity over excluded items. `pairs` ascend: a user times `number`, plus a cell."""
    width = scores.shape[1]
    owner, slot = np.nonzero(excluded < catalogue.items)
    column = excluded[owner, slot]
    wanted = owner * number + column // width
    found = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    inside = pairs[found] == wanted
    scores[found[inside], column[inside] % width] = -np.inf


def _best(
    keys: NDArray[np.uint64], owners: NDArray[np.int64], users: int, k: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The k best of each user among the keys of its items; owners ascend."""
    counts = np.diff(np.searchsorted(owners, np.arange(users + 1)))
    table = np.full((users, int(counts.max())), NEVER)
    table[np.arange(table.shape[1]) < counts[:, None]] = keys
    if table.shape[1] > 2 * k:
        table = np.partition(table, k - 1, axis=1)[:, :k]
    table.sort(axis=1)
    return _values(table[:, :k]), (table[:, :k] & np.uint64(0xFFFFFFFF)).astype(np.int32)


def _keys(scores: NDArray[np.float32], columns: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Integers in the order of the ranks: highest score first, then lowest column."""
    bits = (scores + np.float32(0)).view(np.uint32)  # -0.0 becomes 0.0
    falling = np.where(bits >> 31, bits, np.uint32(0x7FFFFFFF) - bits)
    return (falling.astype(np.uint64) << np.uint64(32)) | columns.astype(np.uint64)


def _values(keys: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The scores that `_keys` was given."""
    falling = (keys >> np.uint64(32)).astype(np.uint32)
    return np.where(falling >> 31, falling, np.uint32(0x7FFFFFFF) - falling).view(np.float32)
