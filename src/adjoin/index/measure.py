"""From fast keys to exact neighbours: which rows could be near enough, and how far those truly are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adjoin.distance import distances_to
from adjoin.index.first_pass import FirstPass, lengths
from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats

Rows = NDArray[np.int64]
Distances = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FEW: Final = 256
_LARGEST: Final = float(np.finfo(np.float32).max)
BLOCK_ELEMENTS: Final = 2**20  # gathered or scored at once


class Neighbours(NamedTuple):
    """rows: int64, nearest first and by row where equally far. distances: float64, the metric's own."""

    rows: Rows
    distances: Distances


NONE: Final = Neighbours(np.empty(0, np.int64), np.empty(0))


def candidates(
    method: FirstPass, keys: Floats, figures: Distances, largest: Distances, point: Floats, k: int, limit: float
) -> Rows:
    """The places that could be among the k nearest, given what each key may be off by.

    largest: of the figures, shape (1,). limit: a key that no place within max_distance exceeds by more than its error.
    """
    same = method.same_error
    if same is not None:  # then one comparison tells all
        if k < len(keys):
            ordered = keys.copy()
            ordered.partition(k - 1)
            limit = min(limit, float(ordered[k - 1]) + same)
        highest = np.nextafter(np.float32(max(-_LARGEST, min(_LARGEST, limit + same))), np.float32(_LARGEST))
        found: Rows = np.flatnonzero(keys <= highest)
        return found
    bound = np.array([limit])
    if k < len(keys):
        kth = np.partition(keys, k - 1)[k - 1 : k].astype(np.float64)
        bound = np.minimum(bound, kth + method.error(kth, largest, point))
    # By the largest error first, which is one comparison a row: an error that rises with the key by less than half of
    # it is at most twice what it is at the bound. Then by each row's own error among those that are left.
    reach = bound + 2 * method.error(bound, largest, point)
    places = np.flatnonzero(keys <= _rounded_up(reach))
    near = keys[places].astype(np.float64)
    own = method.error(near, figures[places], point)
    if k < len(places):
        limit = min(limit, float(np.partition(near + own, k - 1)[k - 1]))
    return places[near - own <= limit]


def measured(
    take: Callable[[Rows], Floats], rows: Rows, point: Floats, k: int, metric: Metric, most: float | None = None
) -> Neighbours:
    """The nearest k of the rows, ties included, by their exact distances.

    take: gives the vectors of rows, of length 1 under cosine. rows: rising.
    """
    if len(rows) * len(point) <= BLOCK_ELEMENTS:
        distances = distances_to(take(rows), point, metric, near_unit=True)
    else:
        distances = np.empty(len(rows))
        step = max(1, BLOCK_ELEMENTS // len(point))
        for start in range(0, len(rows), step):
            some = take(rows[start : start + step])
            distances[start : start + step] = distances_to(some, point, metric, near_unit=True)
    if len(rows) <= _FEW:
        return _sorted(rows, distances, k, most)
    bound = np.inf if most is None else most
    if len(rows) > k:
        bound = min(bound, float(np.partition(distances, k - 1)[k - 1]))
    if bound < np.inf:
        kept = distances <= bound
        rows, distances = rows[kept], distances[kept]
    order = np.argsort(distances, kind="stable")  # the rows rise, so ties stay in their order
    return Neighbours(rows[order], distances[order])


def _sorted(rows: Rows, distances: Distances, k: int, most: float | None) -> Neighbours:
    """The same by sorting all of them, which is quicker for a few."""
    order = distances.argsort(kind="stable")
    distances = distances[order]
    kept = len(order)
    if kept > k:
        kept = int(distances.searchsorted(distances[k - 1], "right"))
    if most is not None:
        kept = min(kept, int(distances.searchsorted(most, "right")))
    return Neighbours(rows[order[:kept]], distances[:kept])


def within(near: Neighbours, most: float) -> Neighbours:
    """Those no farther than `most`."""
    kept = near.distances <= most
    return Neighbours(near.rows[kept], near.distances[kept])


def unit(vectors: Floats) -> Floats:
    """Rows of length 1, computed in float64. A row that came from an equal one is equal."""
    if vectors.size <= BLOCK_ELEMENTS // 8:
        doubles = vectors.astype(np.float64)
        doubles /= np.sqrt(np.square(doubles).sum(axis=1))[:, None]
        return doubles.astype(np.float32)
    result = np.empty_like(vectors)
    step = max(1, BLOCK_ELEMENTS // vectors.shape[1])
    for start in range(0, len(vectors), step):
        block = vectors[start : start + step]
        result[start : start + step] = block / lengths(block)[:, None]
    return result


def _rounded_up(value: Distances) -> Floats:
    """In float32, and finite: barred rows have infinite keys, and stay out."""
    largest = np.finfo(np.float32).max
    return np.nextafter(np.clip(value, -largest, largest).astype(np.float32), largest)
