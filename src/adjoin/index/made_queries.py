"""Queries like those that users will ask, made from the rows: near ones, far ones, and ones that are like no row.

A row itself is too easy a query: the walk ends at the row, whose neighbours are the answer. What is made here was chosen
because its recall is a little below that of real queries, at every effort: docs/decisions/2026-11-recall-calibration.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from adjoin.index.first_pass import lengths
from adjoin.index.truth import nearest
from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats

Doubles = NDArray[np.float64]
_DIRECTIONS: Final = 400  # rows whose random mixtures vary as all rows do


@dataclass(frozen=True, eq=False, slots=True)
class Made:
    """Shapes (queries, dim), of length 1 under cosine. neighbours: the nearest other row of some rows, and which."""

    near: Floats
    far: Floats
    alien: Floats
    rows: NDArray[np.int64]
    neighbours: NDArray[np.int64]


def made_queries(vectors: Floats, metric: Metric, count: int, random: np.random.Generator) -> Made:
    """That many queries of each kind. vectors: float32 (n, dim), raw rows, n at least 1.

    near: a row, moved as far as its nearest neighbour lies, in a direction in which rows vary.
    far: drawn from a normal distribution with the rows' means and covariance.
    alien: drawn from one with their variance, but without directions; under cosine and dot about all or some of their
    means or none.
    Under Hamming, near ones have as many components from other rows as the nearest neighbour has of its own; far ones
    take every component from another row, and alien ones other components' values.
    Cost: one pass over the rows (`nearest`).
    """
    drawn = random.choice(len(vectors), min(len(vectors), count), replace=False)
    rows = np.sort(np.concatenate([drawn, random.choice(len(vectors), count - len(drawn))]))
    points = unit(vectors[rows], metric)
    neighbours = _others(vectors, points, rows, metric)
    others = unit(vectors[neighbours], metric)
    sample = unit(vectors[np.sort(random.choice(len(vectors), min(len(vectors), _DIRECTIONS), replace=False))], metric)
    if metric == "hamming":
        near, far, alien = _mixed(points, others, sample, random)
        return Made(near, far, alien, rows, neighbours)
    steps = np.sqrt(np.square(others.astype(np.float64) - points).sum(axis=1))[:, None]
    middle = sample.mean(axis=0, dtype=np.float64)
    varied = (sample - middle) / np.sqrt(len(sample))

    moves = random.standard_normal((count, len(varied))) @ varied
    size = np.sqrt(np.square(moves).sum(axis=1))[:, None]
    near = _fit(points + steps * moves / np.where(size, size, 1.0), points, metric)
    far = _fit(middle + random.standard_normal((count, len(varied))) @ varied, points, metric)
    spread = np.sqrt(np.square(varied).sum() / vectors.shape[1])
    # What is foreign to the rows need not share the direction of their middle either.
    share = random.random((count, 1)) if metric in ("cosine", "dot") else 1.0
    alien = _fit(share * middle + spread * random.standard_normal(points.shape), points, metric)
    return Made(near, far, alien, rows, neighbours)


def unit(vectors: Any, metric: Metric) -> Floats:
    """Rows as queries come in: scaled to length 1 under cosine, else as they are."""
    if metric != "cosine":
        return np.ascontiguousarray(vectors, np.float32)
    floats = np.ascontiguousarray(vectors, np.float32)
    return (floats / lengths(floats)[:, None]).astype(np.float32)


def _others(vectors: Floats, points: Floats, rows: NDArray[np.int64], metric: Metric) -> NDArray[np.int64]:
    """The nearest row that is another; under dot, where the nearest may lie anywhere, by Euclidean distance."""
    found, _ = nearest(vectors, points, "euclidean" if metric == "dot" else metric, 2)
    return np.where(found[:, 0] == rows, found[:, -1], found[:, 0])


def _mixed(
    points: Floats, others: Floats, sample: Floats, random: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    shape = points.shape
    taken = np.take_along_axis(sample, random.integers(0, len(sample), shape), axis=0)
    share = (points != others).mean(axis=1, keepdims=True)
    near = np.where(random.random(shape) < share, taken, points)
    return near, taken, random.permuted(taken, axis=1)


def _fit(made: Doubles, points: Floats, metric: Metric) -> Floats:
    """float32 with a direction where one is needed: what has none is replaced by a row."""
    floats = made.astype(np.float32)
    if metric != "cosine":
        return floats
    zero = ~floats.any(axis=1)
    floats[zero] = points[zero]
    return unit(floats, metric)
