"""The true neighbours of many queries in a matrix that may lie on disk: what recall is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from adjoin.index.first_pass import first_pass, lengths
from adjoin.index.measure import Rows
from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats

_KEYS_AT_ONCE: Final = 2**22


def nearest(vectors: Floats, queries: Floats, metric: Metric, k: int) -> tuple[Rows, Floats]:
    """The k nearest rows of each query, nearest first: (rows, keys), both of shape (q, min(k, n)).

    vectors: float32 (n, dim), raw rows as stored. queries: (q, dim), of length 1 under cosine.
    keys rise as distances do, rounded to float32: rows whose distances differ by less may come in either order.
    Cost: one matrix product under cosine, Euclidean and dot; a block of rows and of keys in memory.
    """
    n, dim = vectors.shape
    k = min(k, n)
    method = first_pass(metric, vectors[: min(n, 1024)].mean(axis=0, dtype=np.float64))
    best_keys = np.full((len(queries), 2 * k), np.inf, np.float32)
    best_rows = np.zeros((len(queries), 2 * k), np.int64)
    filled = np.zeros(len(queries), np.int64)
    step = max(k, _KEYS_AT_ONCE // max(dim, len(queries)))
    for start in range(0, n, step):
        block = np.ascontiguousarray(vectors[start : start + step])
        if metric == "cosine":
            block = (block / lengths(block)[:, None]).astype(np.float32)
        keys = method.keys(block, method.figures(block), queries)
        for i, row in enumerate(keys):
            filled[i] = _merged(best_keys[i], best_rows[i], int(filled[i]), row, start, k)
    order = np.argsort(best_keys, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(best_rows, order, 1), np.take_along_axis(best_keys, order, 1)


def _merged(best_keys: Floats, best_rows: Rows, filled: int, keys: Floats, start: int, k: int) -> int:
    """Take what is nearer than the k-th so far; at most k of one block. Returns how many places are filled."""
    worst = best_keys[:filled].max() if filled == k else np.inf
    places = np.flatnonzero(keys < worst)
    if len(places) > k:
        places = places[np.argpartition(keys[places], k - 1)[:k]]
    end = filled + len(places)
    best_keys[filled:end] = keys[places]
    best_rows[filled:end] = places + start
    if end <= k:
        return end
    kept = np.argpartition(best_keys[:end], k - 1)[:k]
    best_keys[:k], best_rows[:k] = best_keys[kept], best_rows[kept]
    best_keys[k:] = np.inf
    return k
