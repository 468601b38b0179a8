"""Exact search over stored rows that are mapped and never change: all of them, or those that a filter leaves."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from adjoin.index.first_pass import CosineOfRaw, FirstPass, first_pass
from adjoin.index.measure import BLOCK_ELEMENTS, NONE, Distances, Mask, Neighbours, Rows, candidates, measured, unit
from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats

_KEYS_AT_ONCE: Final = 2**20
_FEW: Final = 48  # rows that are measured exactly in less time than a first pass takes to leave some out


class Stored(Protocol):
    """Vectors as they are kept, by row number."""

    n: int
    dim: int

    def take(self, rows: Any) -> Floats:
        """Float32 (len(rows), dim) of row numbers or of a slice; a view where nothing has to be converted."""
        ...

    def gather(self, rows: Rows, room: Floats) -> Floats:
        """The same of row numbers, into `room` where nothing has to be converted; it has as many rows at least."""
        ...


class _Room(threading.local):
    """Memory of each thread for gathered rows: fresh memory for every search costs more than the gathering."""

    def __init__(self) -> None:
        self._held: Floats = np.empty((0, 0), np.float32)

    def of(self, rows: int, dim: int) -> Floats:
        if self._held.shape[1] != dim or len(self._held) < rows:
            self._held = np.empty((rows, dim), np.float32)
        return self._held


_ROOM: Final = _Room()


class Exact:
    """The exact neighbours among stored rows. Distances equal those of `Flat` over the same vectors, to the last bit.

    figures: what `figures_of` gave for the rows. centre: what it was given; Euclidean alone uses it.
    """

    def __init__(self, stored: Stored, metric: Metric, figures: NDArray[Any] | None, centre: Distances) -> None:
        self.stored = stored
        self.metric: Metric = metric
        self._pass = pass_for(metric, centre)
        self._figures: NDArray[Any] = np.zeros(stored.n) if figures is None else figures
        self._largest = np.asarray(self._figures.max(initial=0.0, keepdims=True), np.float64)

    def points(self, queries: Floats) -> Floats:
        """Queries as the other methods take them: of length 1 under cosine."""
        return unit(queries) if self.metric == "cosine" else queries

    def take(self, rows: Any) -> Floats:
        """Vectors as distances are measured on them: of length 1 under cosine."""
        vectors = self.stored.take(rows)
        return unit(vectors) if self.metric == "cosine" else vectors

    def measure(self, rows: Rows, point: Floats, k: int, most: float | None = None) -> Neighbours:
        """The nearest k of some rows, and all that are as far as the k-th."""
        return measured(self.take, rows, point, k, self.metric, most) if len(rows) else NONE

    def shortlist(self, rows: Rows, point: Floats, k: int) -> Rows:
        """Those of some rows that could be among their k nearest, rising: one product in place of exact distances."""
        if len(rows) <= max(k, _FEW):
            return np.sort(rows)
        keys = self._pass.keys(self.stored.take(rows), self._figures[rows], point[None, :])[0]
        if not np.isfinite(keys).all():
            return np.sort(rows)
        error = 2 * float(np.max(self._pass.error(np.abs(keys).max(keepdims=True), self._largest, point)))
        bound = np.partition(keys, k - 1)[k - 1] + 2 * error
        near: Rows = rows[keys <= bound]
        near.sort()
        return near

    def search(self, point: Floats, k: int, *, mask: Mask | None = None, most: float | None = None) -> Neighbours:
        """The k nearest of all rows, or of those that the mask has, and all that are as far as the k-th."""
        return self.search_many(point[None, :], k, mask=mask, most=most)[0]

    def search_many(
        self, points: Floats, k: int, *, mask: Mask | None = None, most: float | None = None
    ) -> list[Neighbours]:
        n = self.stored.n
        if not n:
            return [NONE] * len(points)
        barred = None if mask is None else ~mask
        found: list[Neighbours] = []
        step = max(1, _KEYS_AT_ONCE // n)
        for start in range(0, len(points), step):
            some = points[start : start + step]
            keys = self._keys(some)
            for i, point in enumerate(some):
                found.append(self._nearest(keys[i], barred, point, k, most))
        return found

    def _keys(self, points: Floats) -> Floats:
        n, dim = self.stored.n, self.stored.dim
        whole = self.stored.take(slice(0, 0))
        if whole.base is not None:  # a view: nothing to convert, so one product
            return self._pass.keys(self.stored.take(slice(0, n)), self._figures, points)
        keys = np.empty((len(points), n), np.float32)
        step = max(1, BLOCK_ELEMENTS // dim)
        for start in range(0, n, step):
            part = slice(start, min(n, start + step))
            keys[:, part] = self._pass.keys(self.stored.take(part), self._figures[part], points)
        return keys

    def _nearest(self, keys: Floats, barred: Mask | None, point: Floats, k: int, most: float | None) -> Neighbours:
        reached = bool(np.isfinite(np.dot(keys, keys)) or np.isfinite(keys).all())
        if not reached:
            rows = np.arange(self.stored.n) if barred is None else np.flatnonzero(~barred)
            return self.measure(rows, point, k, most)
        if barred is not None:
            np.copyto(keys, np.inf, where=barred)
        limit = np.inf if most is None else self._pass.ceiling(point, most)
        return self.measure(candidates(self._pass, keys, self._figures, self._largest, point, k, limit), point, k, most)

    def search_rows(
        self, rows: Rows, points: Floats, k: int, *, most: float | None = None, copy: Floats | None = None
    ) -> list[Neighbours]:
        """The k nearest of the given rows, which rise. copy: their stored vectors, where they are at hand.

        Cost: one gather of the rows, in blocks, and a product a query.
        """
        if not len(rows):
            return [NONE] * len(points)
        keys = np.empty((len(points), len(rows)), np.float32)
        figures = self._figures[rows]
        dim = self.stored.dim
        step = len(rows) if copy is not None else max(1, BLOCK_ELEMENTS // dim)
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            vectors = copy if copy is not None else self.stored.gather(rows[some], _ROOM.of(min(step, len(rows)), dim))
            keys[:, some] = self._pass.keys(vectors, figures[some], points)
        found = []
        for i, point in enumerate(points):
            if np.isfinite(keys[i]).all():
                limit = np.inf if most is None else self._pass.ceiling(point, most)
                near = rows[candidates(self._pass, keys[i], figures, self._largest, point, k, limit)]
            else:
                near = rows
            found.append(self.measure(near, point, k, most))
        return found


def pass_for(metric: Metric, centre: Distances) -> FirstPass:
    return CosineOfRaw(len(centre)) if metric == "cosine" else first_pass(metric, centre)


def figures_of(metric: Metric, vectors: Floats, centre: Distances) -> NDArray[Any] | None:
    """What `Exact` needs to know of each row: shape (n,); None where the metric needs nothing."""
    if metric == "cosine":
        return pass_for(metric, centre).figures(vectors).astype(np.float32)
    if metric in ("dot", "euclidean"):
        return pass_for(metric, centre).figures(vectors)
    return None
