"""Users in their order -> the lists of one batch after another, by the model or by popularity."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys_cli.schemas import Part
from recsys_cli.scoring.filters import UNKNOWN, Requested, rows_of
from recsys_cli.scoring.popular import Popular
from recsys_cli.scoring.ranker import Ranked, Ranker
from recsys_cli.scoring.recommendations import MODEL, POPULAR, Lists
from recsys_cli.sequences.ragged import Ragged
from recsys_cli.sequences.store import Sequences

BATCHES_AT_A_TIME: Final = 2


@dataclass(frozen=True)
class Rules:
    """What a list may hold, and how long it is."""

    before: Part | None
    top_k: int
    include_seen: bool
    allowed: NDArray[np.bool_] | None  # (items,) true at item number - 1; None: all
    denied: Ragged  # item numbers that each requested user must not get


def stream_lists(
    users: Requested,
    *,
    ranker: Ranker,
    popular: Popular,
    sequences: Sequences,
    rules: Rules,
    users_per_batch: int,
) -> Iterator[Lists]:
    """The lists of all users, in their order. What is held at a time does not depend on how many they are."""
    known = _known(users, ranker, rules.before)

    def lists(span: tuple[int, int]) -> Lists:
        first, last = span
        batch = Requested(users.ids.slice(first, last - first), users.positions[first:last])
        exclude = _excluded(batch, rules.denied.take(np.arange(first, last)), sequences, rules)
        model = np.flatnonzero(known[first:last])
        others = np.flatnonzero(~known[first:last])
        ranked = _merged(
            last - first,
            [
                (model, _ranked_by_model(ranker, batch.positions[model], exclude.take(model), rules)),
                (others, popular.rank(exclude.take(others), top_k=rules.top_k)),
            ],
        )
        return Lists(batch.ids, ranked, np.where(known[first:last], MODEL, POPULAR))

    return _in_order(lists, itertools.pairwise(_batch_bounds(known, users_per_batch).tolist()))


def _in_order(lists: Callable[[tuple[int, int]], Lists], spans: Iterable[tuple[int, int]]) -> Iterator[Lists]:
    """The lists of each span. The first alone, since it compiles; of the others some are made ahead.

    A batch has work for one processor and work for all of them: two batches fill each other's gaps.
    """
    spans = iter(spans)
    for span in itertools.islice(spans, 1):
        yield lists(span)
    begun: deque[Future[Lists]] = deque()
    with ThreadPoolExecutor(BATCHES_AT_A_TIME) as pool:
        for span in spans:
            begun.append(pool.submit(lists, span))
            if len(begun) > BATCHES_AT_A_TIME:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


def _ranked_by_model(
    ranker: Ranker, positions: NDArray[np.int64], exclude: Ragged, rules: Rules
) -> Ranked | None:
    if not len(positions):
        return None
    return ranker.rank(
        positions, before=rules.before, top_k=rules.top_k, exclude=exclude, allowed=rules.allowed
    )


def _known(users: Requested, ranker: Ranker, before: Part | None) -> NDArray[np.bool_]:
    """(users,) whether the ranker orders the catalogue for each."""
    known = users.positions != UNKNOWN
    known[known] = ranker.knows(users.positions[known], before=before)
    return known


def _batch_bounds(known: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """Where batches begin, and the end. None holds more than `size` users of a kind.

    Counting each kind alone keeps the number of ranked users the same from batch to batch where
    the others are few: fewer shapes to compile.
    """
    ranked = np.cumsum(known)
    others = np.arange(1, len(known) + 1) - ranked
    batch = np.maximum(ranked - 1, 0) // size + np.maximum(others - 1, 0) // size
    return np.append(np.flatnonzero(np.diff(batch, prepend=-1)), len(known))


def _excluded(batch: Requested, denied: Ragged, sequences: Sequences, rules: Rules) -> Ragged:
    """Item numbers left out for each user: denied to them, or seen by them before the part."""
    if rules.include_seen:
        return denied
    inside = np.flatnonzero(batch.positions != UNKNOWN)
    positions = batch.positions[inside]
    history = Ragged(sequences.items, sequences.offsets)
    seen = history.spans(sequences.starts[positions], sequences.cut(rules.before)[positions])
    owners = [np.repeat(inside, seen.lengths()), denied.owners()]
    return rows_of(np.concatenate(owners), np.concatenate([seen.values, denied.values]), len(batch))


def _merged(count: int, parts: list[tuple[NDArray[np.int64], Ranked | None]]) -> Ranked:
    """Lists of some users each, as the lists of all; as wide as the widest."""
    given = [(rows, ranked) for rows, ranked in parts if ranked is not None]
    width = max(ranked.items.shape[1] for _, ranked in given)
    merged = Ranked(
        np.zeros((count, width), np.int32),
        np.full((count, width), -np.inf, np.float32),
        np.full((count, width), np.nan, np.float32),
    )
    for rows, ranked in given:
        for target, source in zip(merged, ranked, strict=True):
            target[rows, : source.shape[1]] = source
    return merged
