"""Distances between vectors, in float64 and without cancellation, and the check that vectors must pass.

    cosine      1 - cos(a, b), in [0, 2]; not defined for zero vectors
    euclidean   √Σ(aᵢ - bᵢ)²
    manhattan   Σ|aᵢ - bᵢ|
    chebyshev   max|aᵢ - bᵢ|
    dot         -Σaᵢbᵢ: the inner product with its sign turned, so that the nearest is the smallest here too
    hamming     the share of components that differ, in [0, 1]

docs/metrics.md says which to choose.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from adjoin.errors import DimensionMismatch, InvalidOption, InvalidVector
from adjoin.types import METRICS, Metric

if TYPE_CHECKING:
    from adjoin.types import Floats

Distances = NDArray[np.float64]

_BLOCK_ELEMENTS: Final = 2**17  # 1 MB of float64: stays in the cache, and bounds the temporary memory
_SMALLEST_SAFE, _LARGEST_SAFE = 1e-140, 1e140  # squares of these neither underflow nor overflow in float64
_HUGE: Final = 1e300  # beyond here differences and sums are taken of values scaled down
_LINEAR: Final = ("euclidean", "manhattan", "chebyshev")


def distance(a: Any, b: Any, metric: Metric) -> float | Distances:
    """The distance of vectors to vectors, computed in float64.

    a, b: a vector of shape (dim,) or a matrix of shape (n, dim); lists or arrays of any real dtype.
    Returns a float for two vectors, shape (n,) for a vector and a matrix, (n, m) for two matrices. Hamming compares
    components of the common dtype: a float32 0.1 is not the float64 0.1. A true result above 1.8e308 is inf.
    Raises InvalidVector for NaN, infinity, a zero vector under cosine or what is no vector, naming the row;
    DimensionMismatch; InvalidOption for an unknown metric.
    Cost: O(n·m·dim) time; beside the result and float64 copies of a block, no memory that grows.
    """
    check_metric(metric)
    left, right = _matrix(a, "a"), _matrix(b, "b")
    if left.shape[1] != right.shape[1]:
        raise DimensionMismatch(
            f"a has {left.shape[1]} dimensions and b has {right.shape[1]}; distances need vectors of one length."
        )
    for name, matrix in (("a", left), ("b", right)):
        _check_finite(matrix, f"{name}: vector")
        if metric == "cosine":
            _check_direction(matrix, f"{name}: vector")
    table = _pairwise(left, right, metric)  # (n, m)
    if np.ndim(a) == 1 and np.ndim(b) == 1:
        return float(table[0, 0])
    narrowed: Distances = table[0] if np.ndim(a) == 1 else table[:, 0] if np.ndim(b) == 1 else table
    return narrowed


def score_of(distances: Any, metric: Metric) -> Distances:
    """Scores that rise with likeness, of the shape of the distances.

    cosine: 1 - d, the cosine. dot: -d, the inner product. hamming: 1 - d, the share that agrees.
    euclidean, manhattan, chebyshev: 1 / (1 + d), in (0, 1].
    """
    check_metric(metric)
    found: Distances = np.asarray(distances, np.float64)
    if metric == "dot":
        return -found + 0.0  # + 0.0: no score of -0.0
    if metric in _LINEAR:
        return 1.0 / (1.0 + found)
    return 1.0 - found


def scorer(metric: Metric) -> Callable[[float], float]:
    """`score_of` for one distance at a time."""
    if metric == "dot":
        return lambda distance: 0.0 - distance
    if metric in _LINEAR:
        return lambda distance: 1.0 / (1.0 + distance)
    return lambda distance: 1.0 - distance


def check_metric(metric: str) -> None:
    """Raises InvalidOption unless the metric is known."""
    if metric not in METRICS:
        raise InvalidOption.unknown("metric", metric, METRICS)


def check_vectors(
    vectors: Any, *, dim: int | None = None, metric: Metric | None = None, what: str = "vector"
) -> Floats:
    """The vectors as contiguous float32 of shape (n, dim), without a copy where they are that already.

    vectors: a matrix, or one vector, as lists or arrays of any real dtype. An empty list is no vectors.
    dim: what they must have. metric: under cosine a zero vector is refused, as is one that rounds to zero.
    what: how to call one of them in a message.
    Raises InvalidVector naming the row and the component; DimensionMismatch.
    """
    if dim is not None and isinstance(vectors, list | tuple) and len(vectors) == 0:
        return np.empty((0, dim), np.float32)
    if type(vectors) is np.ndarray and vectors.dtype == np.float32 and vectors.shape == (1, dim):
        with np.errstate(over="ignore", invalid="ignore"):
            length = float(np.dot(vectors[0], vectors[0]))
        if (
            0 < length < np.inf and vectors.flags.c_contiguous
        ):  # so it is neither zero nor has anything that is no number
            return vectors
    given = _matrix(vectors, what)
    if dim is not None and given.shape[1] != dim:
        raise DimensionMismatch(
            f"{_named(what, 0, len(given))} has {given.shape[1]} dimensions; {dim} are needed. "
            "Embed with the model that the others were embedded with."
        )
    with np.errstate(over="ignore"):  # what overflows is reported below
        floats: Floats = np.ascontiguousarray(given, np.float32)
    _check_fits(given, floats, what)
    if metric == "cosine":
        _check_direction(floats, what)
    return floats


def distances_to(matrix: NDArray[Any], vector: NDArray[Any], metric: Metric, *, near_unit: bool = False) -> Distances:
    """The distance of each row to one vector, in float64: checked input, nothing refused.

    matrix: shape (n, dim). vector: shape (dim,). Returns shape (n,).
    near_unit: rows and vector are of length 1 but for float32's rounding, which is left as it is under cosine: the
    result is within 1e-7 of the true one, and exactly 0 for equal rows.
    A row's distance depends on that row alone, to the last bit, so that equal rows are exactly equally far.
    """
    if near_unit and metric == "cosine":
        return _between(matrix.astype(np.float64), vector.astype(np.float64), metric)
    result = np.empty(len(matrix), np.float64)
    point = _prepared(vector[None, :], metric)[0]
    for start, stop in _blocks(*matrix.shape):
        result[start:stop] = _between(_prepared(matrix[start:stop], metric), point, metric)
    return result


def _pairwise(left: NDArray[Any], right: NDArray[Any], metric: Metric) -> Distances:
    result = np.empty((len(left), len(right)), np.float64)
    scale = 1.0
    if metric in _LINEAR and max(_largest(left), _largest(right)) > _HUGE:
        scale = 2.0**-12
        left, right = left * scale, right * scale
    for start, stop in _blocks(*right.shape):
        rows = _prepared(right[start:stop], metric)
        for first, last in _blocks(*left.shape):
            for i, point in enumerate(_prepared(left[first:last], metric), first):
                result[i, start:stop] = _between(rows, point, metric)
    if scale != 1.0:
        with np.errstate(over="ignore"):
            result /= scale
    return result


def _prepared(rows: NDArray[Any], metric: Metric) -> NDArray[Any]:
    """Rows as `_between` takes them: float64, of length 1 under cosine, and untouched under Hamming."""
    if metric == "hamming":
        return rows
    doubles: Distances = rows.astype(np.float64, order="C", copy=False)
    return _unit(doubles) if metric == "cosine" else doubles


def _between(rows: NDArray[Any], point: NDArray[Any], metric: Metric) -> Distances:
    """Prepared rows to a prepared point. No BLAS: its kernels round equal rows differently by their position."""
    if metric == "hamming":
        unequal: Distances = np.count_nonzero(rows != point, axis=1) / rows.shape[1]
        return unequal
    if metric == "dot":
        return _dots(rows, point)
    with np.errstate(over="ignore"):
        differences: Distances = rows - point
    if metric == "cosine":
        # Half the squared chord: exactly 0 for equal vectors, where 1 - cos would leave rounding noise.
        halves: Distances = np.square(differences, out=differences).sum(axis=1) / 2
        return np.minimum(halves, 2.0, out=halves)
    if metric == "euclidean":
        return _lengths(differences)
    np.abs(differences, out=differences)
    found: Distances = differences.sum(axis=1) if metric == "manhattan" else differences.max(axis=1)
    return found


def _lengths(rows: Distances) -> Distances:
    """Euclidean lengths, scaling only the rows whose squares would leave the range of float64."""
    with np.errstate(over="ignore", under="ignore"):
        lengths: Distances = np.sqrt(np.square(rows).sum(axis=1))
    odd = np.flatnonzero((lengths < _SMALLEST_SAFE) | (lengths > _LARGEST_SAFE))
    if len(odd):
        largest = np.abs(rows[odd]).max(axis=1)
        odd, largest = odd[largest > 0], largest[largest > 0]
        with np.errstate(over="ignore", under="ignore"):
            lengths[odd] = largest * np.sqrt(np.square(rows[odd] / largest[:, None]).sum(axis=1))
    return lengths


def _unit(rows: Distances) -> Distances:
    """Rows of length 1; none of them may be zero."""
    largest = np.abs(rows).max(axis=1)
    odd = (largest < _SMALLEST_SAFE) | (largest > _LARGEST_SAFE)
    if odd.any():
        rows = np.where(odd[:, None], _by_power_of_two(rows, -_exponents(rows)), rows)
    unit: Distances = rows / np.sqrt(np.square(rows).sum(axis=1))[:, None]
    return unit


def _dots(rows: Distances, point: Distances) -> Distances:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        largest = _largest(rows) * _largest(point)
        if len(point) * largest < np.inf and (largest == 0 or largest > 1e-280):
            direct: Distances = 0.0 - (rows * point).sum(axis=1)
            return direct
        row_powers, point_power = _exponents(rows), _exponents(point[None, :])
        scaled = _by_power_of_two(rows, -row_powers) * _by_power_of_two(point[None, :], -point_power)
        found: Distances = 0.0 - np.ldexp(scaled.sum(axis=1), row_powers + point_power)
    return found


def _exponents(rows: Distances) -> NDArray[np.int32]:
    """For each row the power of two just above its largest component."""
    powers: NDArray[np.int32] = np.frexp(np.abs(rows).max(axis=1))[1]
    return powers


def _by_power_of_two(rows: Distances, powers: NDArray[np.int32]) -> Distances:
    with np.errstate(under="ignore"):
        scaled: Distances = np.ldexp(rows, powers[:, None])
    return scaled


def _largest(values: NDArray[Any]) -> float:
    return float(max(values.max(), -float(values.min()))) if values.size else 0.0


def _blocks(rows: int, dim: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BLOCK_ELEMENTS // dim)
    for start in range(0, rows, step):
        yield start, min(rows, start + step)


def _matrix(values: Any, what: str) -> NDArray[Any]:
    """Shape (n, dim) and a real dtype; one vector becomes one row."""
    if isinstance(values, np.ma.MaskedArray):
        raise InvalidVector(f"{what}: masked arrays hide components; pass .filled(value) of it.")
    try:
        given = np.asarray(values)
    except (ValueError, TypeError) as exc:
        raise InvalidVector(f"{_ragged(values, what)} Give vectors of one length.") from exc
    if given.dtype.kind not in "buif":
        raise InvalidVector(f"{_odd_one(given, what)}. Give real numbers.")
    if given.ndim not in (1, 2):
        raise InvalidVector(
            f"{what}: shape {given.shape}; give one vector of shape (dim,) or a matrix of shape (n, dim)."
        )
    if given.shape[-1] == 0:
        raise InvalidVector(f"{what}: shape {given.shape}; a vector has at least one component.")
    if given.dtype.kind == "f" and given.dtype.itemsize > 8:
        with np.errstate(over="ignore"):  # becomes inf, which is refused
            given = given.astype(np.float64)
    return given[None, :] if given.ndim == 1 else given


def _ragged(values: Any, what: str) -> str:
    lengths = [len(row) if hasattr(row, "__len__") else 1 for row in values]
    for i, length in enumerate(lengths):
        if length != lengths[0]:
            return f"{what} {i} has {length} components and {what} 0 has {lengths[0]}."
    return f"{what}: the rows are no vectors of numbers."


def _odd_one(given: NDArray[Any], what: str) -> str:
    if given.dtype.kind != "O":
        kind = "text" if given.dtype.kind in "US" else f"of dtype {given.dtype}"
        return f"{what}: the components are {kind}"
    if given.ndim == 0:
        return f"{what}: a {type(given.item()).__name__} is no vector"
    for place, value in np.ndenumerate(given):
        if not isinstance(value, bool | int | float):
            return f"{_named(what, place[0], len(given))}: {str(value)[:40]!r} is a {type(value).__name__}"
        if isinstance(value, int) and abs(value) >= 2**63:
            return f"{_named(what, place[0], len(given))}: an integer beyond 64 bits; use a float"
    return f"{what}: the array has dtype object; use .astype(np.float32)"


def _check_finite(matrix: NDArray[Any], what: str) -> None:
    if matrix.dtype.kind != "f":
        return
    for start, stop in _blocks(*matrix.shape):
        finite = np.isfinite(matrix[start:stop])
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            raise InvalidVector(
                f"{_named(what, start + row, len(matrix))} has {matrix[start + row, column]} at component {column}. "
                "Drop it, or put a number there."
            )


def _check_fits(given: NDArray[Any], floats: Floats, what: str) -> None:
    _check_finite(given, what)
    if given.dtype == np.float32:
        return
    for start, stop in _blocks(*floats.shape):
        finite = np.isfinite(floats[start:stop])
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            raise InvalidVector(
                f"{_named(what, start + row, len(given))} has {given[start + row, column]} at component {column}, "
                "which is beyond float32 (3.4e38). Scale the vectors down."
            )


def _check_direction(matrix: NDArray[Any], what: str) -> None:
    for start, stop in _blocks(*matrix.shape):
        zero = ~matrix[start:stop].any(axis=1)
        if zero.any():
            row = start + int(np.flatnonzero(zero)[0])
            raise InvalidVector(
                f"{_named(what, row, len(matrix))} is zero, and has no direction for the cosine metric. "
                "Drop it, or use the euclidean or dot metric."
            )


def _named(what: str, row: int, rows: int) -> str:
    return what if rows == 1 else f"{what} {row}"


class _CallableModule(ModuleType):
    """`adjoin.distance` is the function; but whatever imports this module makes it the module: so it is callable."""

    def __call__(self, a: Any, b: Any, metric: Metric) -> float | Distances:
        return distance(a, b, metric)


sys.modules[__name__].__class__ = _CallableModule
