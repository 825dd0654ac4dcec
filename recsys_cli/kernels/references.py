"""What each kernel computes, in plain NumPy and float64: for its tests, and for `recsys doctor`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]


class Attended(NamedTuple):
    """Attention's output, and the gradients of queries, keys and values; (rows, length, heads, dim) each."""

    output: Floats
    queries: Floats
    keys: Floats
    values: Floats


def attention(
    queries: Floats, keys: Floats, values: Floats, segments: Integers, upstream: Floats
) -> Attended:
    """In loops: each query sees the earlier tokens of its own window. `upstream` is the output's gradient."""
    queries, keys, values = (array.astype(np.float64) for array in (queries, keys, values))
    found = Attended(*(np.zeros_like(values) for _ in range(4)))
    rows, length, heads, dim = queries.shape
    for r, h, t in np.ndindex(rows, heads, length):
        seen = [s for s in range(t + 1) if segments[r, s] == segments[r, t]]
        query, key, value = queries[r, t, h] / np.sqrt(dim), keys[r, seen, h], values[r, seen, h]
        b = np.exp(key @ query - (key @ query).max())
        b /= b.sum()
        found.output[r, t, h] = b @ value
        worth = value @ upstream[r, t, h]
        dz = b * (worth - b @ worth)
        found.queries[r, t, h] = dz @ key / np.sqrt(dim)
        found.keys[r, seen, h] += np.outer(dz, query)
        found.values[r, seen, h] += np.outer(b, upstream[r, t, h])
    return found


def softmax_loss(
    states: Floats, items: Floats, labels: Integers, weights: Floats
) -> tuple[Floats, tuple[Floats, Floats]]:
    """Sum of weighted cross-entropies over all items, in nats, and the gradients of states and items."""
    states, items = states.astype(np.float64), items.astype(np.float64)
    logits = states @ items.T
    logits -= logits.max(axis=1, keepdims=True)
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    hit = labels[:, None] == np.arange(len(items))
    loss = -(weights * np.log(share[hit])).sum()
    rest = weights[:, None] * (share - hit)
    return loss, (rest @ items, rest.T @ states)


def softmax_sum(logits: Floats, contributions: Floats) -> float:
    """`softmax(logits) · contributions`, of one item's tokens or of one history."""
    weight = np.exp(logits - logits.max())
    return float((weight * contributions).sum() / weight.sum())


def attend_to_prefixes(
    keys: Floats, values: Floats, queries: Floats, outputs: Floats, visible: Floats
) -> Floats:
    """(rows, positions, candidates) `softmax_sum` over the tokens that each position sees."""
    rows, positions, _ = visible.shape
    found = np.zeros((rows, positions, len(queries)))
    for r, t, i in np.ndindex(*found.shape):
        seen = np.flatnonzero(visible[r, t])
        logits = keys[r, seen] @ queries[i] + np.log(visible[r, t, seen])
        found[r, t, i] = softmax_sum(logits, values[r, seen] @ outputs[i])
    return found


def attend_to_shared_tokens(
    id_logits: Floats,
    id_contributions: Floats,
    attribute_logits: Floats,
    attribute_contributions: Floats,
    attribute_lists: Integers,
) -> Floats:
    """(positions, candidates) `softmax_sum` over each candidate's id token and its own attributes'."""
    found = np.zeros(id_logits.shape)
    for p, c in np.ndindex(*found.shape):
        own = attribute_lists[c][attribute_lists[c] > 0]
        logits = np.append(id_logits[p, c], attribute_logits[p, own])
        found[p, c] = softmax_sum(logits, np.append(id_contributions[p, c], attribute_contributions[p, own]))
    return found


def full_sort(states: Floats, vectors: Floats, excluded: Integers, k: int) -> tuple[Floats, Integers]:
    """Scores and columns of the k best, best first, equal scores by column; excluded ones score -inf."""
    scores = np.vecdot(states[:, None], vectors)  # a dot product a pair, as the search scores them
    for row, columns in zip(scores, excluded, strict=True):
        row[columns[columns < len(vectors)]] = -np.inf
    columns = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, columns, axis=1), columns
