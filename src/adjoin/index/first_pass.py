"""Fast float32 keys that order rows nearly as their distances do, each with a bound on its error.

The bounds hold for any order of summation, so for any BLAS: with u = 2⁻²⁴, a float32 inner product of n terms errs by
at most γₙ·Σ|xᵢyᵢ| ≤ γₙ‖x‖‖y‖, where γₙ = nu / (1 - nu), plus what underflow takes (Higham, *Accuracy and Stability of
Numerical Algorithms*, 2nd ed., section 3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats

Doubles: TypeAlias = NDArray[np.float64]

_UNIT: Final = 2.0**-24
_SMALLEST_NORMAL: Final = 2.0**-126
_SHORTEST, _LONGEST = 1e-12, 1e18  # of a row whose products with a query of length 1 keep float32's precision
_SLACK: Final = 1e-12  # for the float64 steps, whose own error is a thousand times smaller
_BLOCK_ELEMENTS: Final = 2**16


class FirstPass(Protocol):
    """One metric's way to near-distances. same_error: what every key may be off by, where that is the same for all."""

    same_error: float | None

    def figures(self, vectors: Floats) -> Doubles:
        """What is kept beside each row: shape (n,)."""
        ...

    def keys(self, matrix: Floats, figures: Doubles, queries: Floats) -> Floats:
        """Keys, shape (queries, rows); values that are not finite mean that float32 does not reach."""
        ...

    def error(self, keys: Doubles, figures: Doubles, query: Floats) -> Doubles:
        """What keys of rows with these figures may be off by at most; it rises with both, by less than half a key."""
        ...

    def ceiling(self, query: Floats, max_distance: float) -> float:
        """A key that no row within the distance exceeds by more than its error."""
        ...


def first_pass(metric: Metric, centre: Doubles) -> FirstPass:
    """The pass for a metric. centre: shape (dim,), anywhere near the middle of the rows; Euclidean uses it."""
    if metric == "cosine":
        return _Cosine(len(centre))
    if metric == "dot":
        return _Dot(len(centre))
    if metric == "euclidean":
        return _Euclidean(centre)
    return _Elementwise(metric, len(centre))


class _Cosine:
    """Rows and queries are of length 1 to within float32's rounding."""

    def __init__(self, dim: int) -> None:
        # The roundings of row and query, their lengths' distance from 1, and the inner product's own error.
        self._error = np.array(_gamma(dim + 8))
        self.same_error: float | None = float(self._error)

    def figures(self, vectors: Floats) -> Doubles:
        return np.zeros(len(vectors))

    def keys(self, matrix: Floats, figures: Doubles, queries: Floats) -> Floats:
        return _negative(_products(matrix, queries))

    def error(self, keys: Doubles, figures: Doubles, query: Floats) -> Doubles:
        return self._error

    def ceiling(self, query: Floats, max_distance: float) -> float:
        return max_distance - 1.0 + _SLACK


class CosineOfRaw:
    """Rows as given, of any length; queries of length 1. Figures are the rows' inverse lengths.

    A row whose length leaves no room for float32's products has NaN, and with it a key that is not finite.
    """

    def __init__(self, dim: int) -> None:
        # As for rows of length 1, and the roundings of the inverse length and of its product.
        self._error = np.array(_gamma(dim + 16))
        self.same_error: float | None = float(self._error)

    def figures(self, vectors: Floats) -> Doubles:
        found = lengths(vectors)
        found[(found < _SHORTEST) | (found > _LONGEST)] = np.nan
        return 1.0 / found

    def keys(self, matrix: Floats, figures: Doubles, queries: Floats) -> Floats:
        keys = _products(matrix, queries)
        keys *= figures
        return _negative(keys)

    def error(self, keys: Doubles, figures: Doubles, query: Floats) -> Doubles:
        return self._error

    def ceiling(self, query: Floats, max_distance: float) -> float:
        return max_distance - 1.0 + _SLACK


class _Dot:
    """Figures are the rows' lengths."""

    same_error: float | None = None

    def __init__(self, dim: int) -> None:
        self._dim = dim

    def figures(self, vectors: Floats) -> Doubles:
        return lengths(vectors)

    def keys(self, matrix: Floats, figures: Doubles, queries: Floats) -> Floats:
        return _negative(_products(matrix, queries))

    def error(self, keys: Doubles, figures: Doubles, query: Floats) -> Doubles:
        reach = lengths(query[None, :])
        return _gamma(self._dim + 1) * reach * figures + self._dim * _SMALLEST_NORMAL

    def ceiling(self, query: Floats, max_distance: float) -> float:
        return max_distance + abs(max_distance) * _SLACK


class _Euclidean:
    """‖x - q‖² less what is the same for all rows, with x and q taken from a common centre c.

    With p = q - c it is ‖x - c‖² - 2x·p + constant: the rounding error goes with ‖x‖‖p‖, so a query near the centre
    costs little even where all rows lie far from the origin. Figures are ‖x - c‖².
    """

    same_error: float | None = None

    def __init__(self, centre: Doubles) -> None:
        self._centre = centre
        self._offset = float(np.sqrt(np.square(centre).sum()))

    def figures(self, vectors: Floats) -> Doubles:
        return np.square(lengths(vectors, self._centre))

    def keys(self, matrix: Floats, figures: Doubles, queries: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            keys = _products(matrix, (queries - self._centre).astype(np.float32))
            keys *= np.float32(-2)
            keys += figures.astype(np.float32)
        return keys

    def error(self, keys: Doubles, figures: Doubles, query: Floats) -> Doubles:
        dim = len(self._centre)
        reach = float(np.sqrt(np.square(query - self._centre).sum()))
        largest = np.sqrt(figures) + self._offset  # ≥ ‖x‖
        error = 2 * _gamma(dim + 4) * reach * largest + _gamma(4) * figures + 4 * dim * _SMALLEST_NORMAL
        return error + _SLACK * (figures + reach * (reach + self._offset))

    def ceiling(self, query: Floats, max_distance: float) -> float:
        if max_distance < 0:
            return -np.inf
        point = query - self._centre
        constant = float(np.square(point).sum() + 2.0 * (self._centre * point).sum())
        return max_distance * max_distance * (1 + _SLACK) - constant


class _Elementwise:
    """Manhattan, Chebyshev and Hamming: all terms have one sign, so the error goes with the distance itself."""

    same_error: float | None = None

    def __init__(self, metric: Metric, dim: int) -> None:
        self._metric = metric
        self._share = {"manhattan": _gamma(dim + 2), "chebyshev": _gamma(2), "hamming": _gamma(2)}[metric]

    def figures(self, vectors: Floats) -> Doubles:
        return np.zeros(len(vectors))

    def keys(self, matrix: Floats, figures: Doubles, queries: Floats) -> Floats:
        keys = np.empty((len(queries), len(matrix)), np.float32)
        step = max(1, _BLOCK_ELEMENTS // matrix.shape[1])
        room = np.empty((step, matrix.shape[1]), np.float32)
        for start in range(0, len(matrix), step):
            block = matrix[start : start + step]
            for i, query in enumerate(queries):
                keys[i, start : start + step] = self._to_block(block, query, room[: len(block)])
        return keys

    def error(self, keys: Doubles, figures: Doubles, query: Floats) -> Doubles:
        return keys * self._share / (1 - self._share) + len(query) * _SMALLEST_NORMAL

    def _to_block(self, block: Floats, query: Floats, room: Floats) -> NDArray[np.floating]:
        if self._metric == "hamming":
            unequal: NDArray[np.floating] = np.count_nonzero(block != query, axis=1) / block.shape[1]
            return unequal
        with np.errstate(over="ignore"):
            np.subtract(block, query, out=room)
            np.abs(room, out=room)
            found: NDArray[np.floating] = room.sum(axis=1) if self._metric == "manhattan" else room.max(axis=1)
        return found

    def ceiling(self, query: Floats, max_distance: float) -> float:
        return max_distance + abs(max_distance) * _SLACK


def lengths(vectors: Floats, centre: Doubles | None = None) -> Doubles:
    """Euclidean lengths in float64, from a centre if one is given; no temporary of the whole matrix."""
    found = np.empty(len(vectors))
    step = max(1, _BLOCK_ELEMENTS // vectors.shape[1])
    for start in range(0, len(vectors), step):
        block = vectors[start : start + step].astype(np.float64)
        if centre is not None:
            block -= centre
        found[start : start + step] = np.sqrt(np.square(block, out=block).sum(axis=1))
    return found


def _products(matrix: Floats, queries: Floats) -> Floats:
    """Inner products, shape (queries, rows)."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if len(queries) == 1:
            one: Floats = (matrix @ queries[0])[None, :]
            return one
        many: Floats = queries @ matrix.T
        return many


def _negative(values: Floats) -> Floats:
    return np.negative(values, out=values)


def _gamma(terms: int) -> float:
    return terms * _UNIT / (1 - terms * _UNIT)
