"""User vectors and a catalogue -> its k best items for each user, exactly, on processors.

A product of which only the maximum of each block of neighbours is kept; then only the blocks that
can hold one of the k best are multiplied again, all users of a block together. Scores come from the
second product, whose shape depends on catalogue and k alone, so they do not depend on the batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

BLOCK: Final = 32  # neighbouring items of which the maximum is kept
USERS_AT_A_TIME: Final = 1024
MAXIMA_AT_A_TIME: Final = 1 << 22  # 16 MiB: beyond 32 MiB glibc returns and clears the pages each time
PAIRS_AT_A_TIME: Final = 1 << 17  # users x blocks looked into; more only where one user alone has more
NEVER: Final = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Catalogue:
    """Item vectors in blocks; the last block is filled up with copies of the last item."""

    items: int
    blocks: Float[Array, "blocks block dim"]
    columns: NDArray[np.float32]  # (blocks, dim, block)
    longest: float  # the largest norm

    @classmethod
    def build(cls, vectors: NDArray[np.float32]) -> Self:
        padded = np.pad(vectors, [(0, -len(vectors) % BLOCK), (0, 0)], mode="edge")
        blocks = padded.reshape(-1, BLOCK, vectors.shape[1])
        longest = float(np.linalg.norm(vectors, axis=1).max(initial=0.0))
        return cls(len(vectors), jnp.asarray(blocks), blocks.transpose(0, 2, 1).copy(), longest)

    @property
    def users_at_a_time(self) -> int:
        """Few enough for the maxima to be small, enough for a block to be wanted by several users."""
        return max(1, min(USERS_AT_A_TIME, MAXIMA_AT_A_TIME // max(1, len(self.columns))))

    def group(self, k: int) -> int:
        """Users multiplied with a block at a time: about as many as want one; a power of two, 8 to 64."""
        wanted = self.users_at_a_time * k // max(1, len(self.columns))
        return min(64, max(8, 1 << wanted.bit_length()))


@jax.jit
def block_maxima(
    states: Float[Array, "users dim"], blocks: Float[Array, "blocks block dim"]
) -> Float[Array, "users blocks"]:
    """Highest score of each block. The product is batched over blocks, and so never held whole by XLA."""
    users = jnp.broadcast_to(states.T, (len(blocks), *states.T.shape))
    scores = jax.lax.dot_general(blocks, users, (((2,), (1,)), ((0,), (0,))))
    return scores.max(axis=1).T


def best_items(
    states: NDArray[np.float32], catalogue: Catalogue, excluded: NDArray[np.int32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Scores and columns (users, k) of the k best, best first, equal scores by column; 1 <= k <= items.

    `excluded` (users, slots) holds columns that score minus infinity; `catalogue.items` is none.
    """
    maxima = np.asarray(block_maxima(jnp.asarray(states), catalogue.blocks))
    bounds, slack = _bounds(maxima, states, catalogue, excluded, k)
    users, blocks = np.divmod(np.flatnonzero(maxima >= (bounds - 2 * slack)[:, None]), maxima.shape[1])
    values = np.empty((len(states), k), np.float32)
    columns = np.empty((len(states), k), np.int32)
    for part in _parts(np.bincount(users, minlength=len(states))):
        pairs = slice(*np.searchsorted(users, [part.start, part.stop]))
        owner, block = users[pairs] - part.start, blocks[pairs]
        scores = _scores(states[part], catalogue, owner, block, catalogue.group(k))
        _exclude(scores, owner, block, excluded[part], catalogue)
        values[part], columns[part] = _best(scores, owner, block, (bounds - slack)[part], catalogue.items, k)
    return values, columns


def _bounds(
    maxima: NDArray[np.float32],
    states: NDArray[np.float32],
    catalogue: Catalogue,
    excluded: NDArray[np.int32],
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(users,) a score that k items reach in the first product, and how far the two may differ.

    Each product is within dim * 2^-24 * |state| * |item| of the true one (Higham, Accuracy and
    Stability of Numerical Algorithms, section 3.1). Blocks with an excluded item prove nothing.
    """
    slack = 4 * states.shape[1] * 2.0**-24 * catalogue.longest * np.linalg.norm(states, axis=1)
    number = maxima.shape[1]
    if number < k:
        return np.full(len(states), -np.inf, np.float32), slack.astype(np.float32)
    users, slots = np.nonzero(excluded < catalogue.items)
    proof = maxima.copy()
    proof[users, excluded[users, slots] // BLOCK] = -np.inf
    proof.partition(number - k, axis=1)
    bounds = proof[:, number - k]
    return bounds, slack.astype(np.float32)


def _parts(pairs: NDArray[np.int64], first: int = 0) -> Iterator[slice]:
    """Spans of users, halved until none holds more than `PAIRS_AT_A_TIME`, or one user is left.

    Counted as users times the most pairs of one, which is the shape of what `_best` sorts.
    """
    if len(pairs) == 1 or len(pairs) * pairs.max(initial=0) <= PAIRS_AT_A_TIME:
        yield slice(first, first + len(pairs))
        return
    half = len(pairs) // 2
    yield from _parts(pairs[:half], first)
    yield from _parts(pairs[half:], first + half)


def _scores(
    states: NDArray[np.float32],
    catalogue: Catalogue,
    users: NDArray[np.int64],
    blocks: NDArray[np.int64],
    group: int,
) -> NDArray[np.float32]:
    """(pairs, block) scores of the block of each pair, `group` users of a block in one product."""
    number = len(catalogue.columns)
    order = np.argsort(blocks.astype(np.uint16 if number < 1 << 16 else np.uint32), kind="stable")
    counts = np.bincount(blocks, minlength=number)
    groups = -(-counts // group)
    moved = (np.cumsum(groups) - groups) * group - (np.cumsum(counts) - counts)
    places = np.empty_like(order)
    places[order] = np.arange(len(order)) + np.repeat(moved, counts)
    members = np.zeros(int(groups.sum()) * group, np.int64)
    members[places] = users
    left = states.take(members, axis=0).reshape(-1, group, states.shape[1])
    right = catalogue.columns.take(np.repeat(np.arange(number), groups), axis=0)
    return np.matmul(left, right).reshape(-1, BLOCK).take(places, axis=0)


def _exclude(
    scores: NDArray[np.float32],
    users: NDArray[np.int64],
    blocks: NDArray[np.int64],
    excluded: NDArray[np.int32],
    catalogue: Catalogue,
) -> None:
    """Write minus infinity over the excluded items, and over the copies in the last block."""
    number = len(catalogue.columns)
    scores[blocks * BLOCK + BLOCK > catalogue.items, BLOCK - (-catalogue.items % BLOCK) :] = -np.inf
    owner, slot = np.nonzero(excluded < catalogue.items)
    column = excluded[owner, slot]
    pairs, wanted = users * number + blocks, owner * number + column // BLOCK
    found = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    inside = pairs[found] == wanted
    scores[found[inside], column[inside] % BLOCK] = -np.inf


def _best(
    scores: NDArray[np.float32],
    users: NDArray[np.int64],
    blocks: NDArray[np.int64],
    bounds: NDArray[np.float32],
    items: int,
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The k best of each user among the scores of its blocks that reach its bound."""
    kept = np.flatnonzero(scores >= bounds[users][:, None])
    pair = kept // BLOCK
    columns = blocks[pair] * BLOCK + kept % BLOCK
    real = np.flatnonzero(columns < items)
    keys = _keys(scores.reshape(-1)[kept[real]], columns[real])
    rows = users[pair[real]]
    counts = np.bincount(rows, minlength=len(bounds))
    places = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    table = np.full((len(bounds), int(counts.max())), NEVER)
    table[rows, places] = keys
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
