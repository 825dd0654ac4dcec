"""User vectors and a catalogue -> its k best items for each user, exactly, on processors.

A product of which only the maximum of each block of neighbours is kept; then only the blocks that
can hold one of the k best are multiplied again, all users of a block together. Scores come from the
second product, whose shape never changes, so they do not depend on the batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

BLOCK: Final = 32  # neighbouring items of which the maximum is kept
USERS_AT_A_TIME: Final = 1024
MAXIMA_AT_A_TIME: Final = 1 << 22  # 16 MiB: beyond 32 MiB glibc returns and clears the pages each time
PAIRS_AT_A_TIME: Final = 1 << 14  # users x blocks looked into: 2 MiB of scores; more to fill the groups
GROUP: Final = 32  # users multiplied with a block at a time
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


class Grouped(NamedTuple):
    """Users who look into the same block, side by side."""

    members: NDArray[np.int64]  # (groups * GROUP,) users; the number of users fills a group up
    blocks: NDArray[np.int64]  # (groups,)
    places: NDArray[np.int64]  # (pairs,) where each pair is among the members


@jax.jit
def block_maxima(
    states: Float[Array, "users dim"], blocks: Float[Array, "blocks block dim"]
) -> Float[Array, "users blocks"]:
    """Highest score of each block. The product is batched over blocks, and so never held whole by XLA."""
    users = jnp.broadcast_to(states.T, (len(blocks), *states.T.shape))
    # float32 whatever the caller's default precision is: the bound of `_bounds` counts on it.
    scores = jax.lax.dot_general(
        blocks, users, (((2,), (1,)), ((0,), (0,))), precision=jax.lax.Precision.HIGHEST
    )
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
    counts = np.bincount(users, minlength=len(states))
    for part in _parts(counts, max(PAIRS_AT_A_TIME, GROUP * maxima.shape[1])):
        pairs = slice(*np.searchsorted(users, [part.start, part.stop]))
        grouped = _grouped(users[pairs] - part.start, blocks[pairs], catalogue, part.stop - part.start)
        scores = _scores(states[part], catalogue, grouped)
        _exclude(scores, grouped, users[pairs] - part.start, blocks[pairs], excluded[part], catalogue)
        values[part], columns[part] = _best(scores, grouped, (bounds - slack)[part], k)
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


def _parts(pairs: NDArray[np.int64], limit: int, first: int = 0) -> Iterator[slice]:
    """Spans of users, halved until none holds more than `limit` pairs, or one user is left.

    Counted as users times the most pairs of one, which is the shape of what `_best` sorts.
    """
    if len(pairs) == 1 or len(pairs) * pairs.max(initial=0) <= limit:
        yield slice(first, first + len(pairs))
        return
    half = len(pairs) // 2
    yield from _parts(pairs[:half], limit, first)
    yield from _parts(pairs[half:], limit, first + half)


def _grouped(
    users: NDArray[np.int64], blocks: NDArray[np.int64], catalogue: Catalogue, nobody: int
) -> Grouped:
    """Pairs of users and blocks, brought together by block."""
    number = len(catalogue.columns)
    order = np.argsort(blocks.astype(np.uint16 if number < 1 << 16 else np.uint32), kind="stable")
    counts = np.bincount(blocks, minlength=number)
    groups = -(-counts // GROUP)
    moved = (np.cumsum(groups) - groups) * GROUP - (np.cumsum(counts) - counts)
    places = np.empty_like(order)
    places[order] = np.arange(len(order)) + np.repeat(moved, counts)
    members = np.full(int(groups.sum()) * GROUP, nobody, np.int64)
    members[places] = users
    return Grouped(members, np.repeat(np.arange(number), groups), places)


def _scores(states: NDArray[np.float32], catalogue: Catalogue, grouped: Grouped) -> NDArray[np.float32]:
    """(places, block) scores of the items of each group's block."""
    left = states.take(grouped.members, axis=0, mode="clip").reshape(-1, GROUP, states.shape[1])
    return np.matmul(left, catalogue.columns.take(grouped.blocks, axis=0)).reshape(-1, BLOCK)


def _exclude(
    scores: NDArray[np.float32],
    grouped: Grouped,
    users: NDArray[np.int64],
    blocks: NDArray[np.int64],
    excluded: NDArray[np.int32],
    catalogue: Catalogue,
) -> None:
    """Write minus infinity over excluded items, and NaN over the copies in the last block: never found."""
    number = len(catalogue.columns)
    copies = -catalogue.items % BLOCK
    scores.reshape(-1, GROUP, BLOCK)[grouped.blocks == number - 1, :, BLOCK - copies :] = np.nan
    owner, slot = np.nonzero(excluded < catalogue.items)
    column = excluded[owner, slot]
    pairs, wanted = users * number + blocks, owner * number + column // BLOCK
    found = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    inside = pairs[found] == wanted
    scores[grouped.places[found[inside]], column[inside] % BLOCK] = -np.inf


def _best(
    scores: NDArray[np.float32], grouped: Grouped, bounds: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The k best of each user among the scores of its blocks that reach its bound."""
    reached = np.append(bounds, np.float32(np.nan))[grouped.members]
    kept = np.flatnonzero(scores >= reached[:, None])
    place = kept // BLOCK
    columns = grouped.blocks[place // GROUP] * BLOCK + kept % BLOCK
    users = grouped.members[place]
    order = np.argsort(users.astype(np.uint16), kind="stable")
    keys = _keys(scores.reshape(-1)[kept], columns)[order]
    counts = np.bincount(users, minlength=len(bounds))
    places = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((len(bounds), int(counts.max())), NEVER)
    table[users[order], places] = keys
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
