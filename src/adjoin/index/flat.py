"""Exact search over a matrix that grows: no index, no build, every row compared.

A float32 pass orders all rows nearly; a bound on its error (`first_pass`) says which rows could be among the k
nearest; those alone are measured in float64. The answer is that of measuring all in float64, at the price of one
matrix product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from adjoin.distance import check_metric, check_vectors
from adjoin.errors import DimensionMismatch, InvalidOption
from adjoin.index.first_pass import FirstPass, first_pass
from adjoin.index.measure import BLOCK_ELEMENTS, Distances, Mask, Neighbours, Rows, candidates, measured, unit
from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats


GATHER_BELOW: Final = 0.15  # of the rows: fewer are copied together before the product
_KEYS_AT_ONCE: Final = 2**20  # keys of a block of queries


class _Held(NamedTuple):
    """One published state. Rows below `length` are never written again, whatever is appended later."""

    matrix: Floats
    figures: Distances
    length: int


class Flat:
    """The exact neighbours of a growing matrix.

    Cosine keeps the rows scaled to length 1 in float32, and its distances are those of these rows: within 1e-7 of
    the ones given. All other metrics keep the rows as given. Memory: the matrix once, and 8 bytes a row.
    One thread may append while others search: each search sees the rows that were there when it began.
    """

    def __init__(self, dim: int, metric: Metric) -> None:
        check_metric(metric)
        if dim < 1:
            raise InvalidOption(f"dim is {dim}; a vector has at least one component.")
        self.dim = dim
        self.metric: Metric = metric
        self._pass: FirstPass = first_pass(metric, np.zeros(dim))
        self._held = _Held(np.empty((0, dim), np.float32), np.empty(0), 0)

    def __len__(self) -> int:
        return self._held.length

    def append(self, vectors: Floats) -> None:
        """Add rows at the end: shape (n, dim). Raises as `check_vectors` does, and then adds none.

        Cost: O(n·dim), amortised: the room grows by half.
        """
        fresh = check_vectors(vectors, dim=self.dim, metric=self.metric)
        if not len(fresh):
            return
        if self.metric == "cosine":
            fresh = unit(fresh)
        if not self._held.length:
            # The first rows say where the middle is; any centre gives right answers.
            self._pass = first_pass(self.metric, fresh.mean(axis=0, dtype=np.float64))
        figures = self._pass.figures(fresh)
        held = self._with_room(len(fresh))
        end = held.length + len(fresh)
        held.matrix[held.length : end] = fresh
        held.figures[held.length : end] = figures
        self._held = held._replace(length=end)

    def search(
        self,
        query: Floats,
        k: int,
        *,
        mask: Mask | None = None,
        max_distance: float | None = None,
        rows: int | None = None,
    ) -> Neighbours:
        """The k nearest rows, and all that are exactly as far as the k-th.

        query: shape (dim,). mask: shape (rows,), the rows that may be returned. max_distance: none beyond it.
        rows: search the first so many alone, as a reader of an older state does; by default all.
        Returns fewer than k only when fewer rows may be returned.
        """
        query = np.asarray(query)
        if query.ndim != 1:
            raise DimensionMismatch(f"a query has shape (dim,); got shape {query.shape}. Use search_many for many.")
        return self.search_many(query[None, :], k, mask=mask, max_distance=max_distance, rows=rows)[0]

    def search_many(
        self,
        queries: Floats,
        k: int,
        *,
        mask: Mask | None = None,
        max_distance: float | None = None,
        rows: int | None = None,
    ) -> list[Neighbours]:
        """The answer of `search` for each query, shape (queries, dim), with one matrix product for many of them."""
        if k < 1:
            raise InvalidOption(f"k is {k}; ask for at least 1.")
        if max_distance is not None and np.isnan(max_distance):
            raise InvalidOption("max_distance is NaN; give a number, or None for no bound.")
        points = check_vectors(queries, dim=self.dim, metric=self.metric, what="query")
        if self.metric == "cosine":
            points = unit(points)
        chosen = _Chosen.of(self._held, mask, rows)
        found: list[Neighbours] = []
        step = max(1, _KEYS_AT_ONCE // max(1, chosen.compared))
        for start in range(0, len(points), step):
            found += self._search_block(points[start : start + step], chosen, k, max_distance)
        return found

    def _search_block(self, points: Floats, chosen: _Chosen, k: int, most: float | None) -> list[Neighbours]:
        if not chosen.matching:
            return [Neighbours(np.empty(0, np.int64), np.empty(0)) for _ in points]
        keys = self._keys(points, chosen)
        reached = [bool(np.isfinite(row).all()) for row in keys]
        if chosen.barred is not None:
            np.copyto(keys, np.inf, where=chosen.barred)
        figures = chosen.figures()
        largest = figures.max(keepdims=True)
        answers = []
        for i, point in enumerate(points):
            if reached[i]:
                limit = np.inf if most is None else self._pass.ceiling(point, most)
                rows = chosen.rows_at(candidates(self._pass, keys[i], figures, largest, point, k, limit))
            else:
                rows = chosen.all_rows()
            answers.append(measured(chosen.held.matrix.__getitem__, rows, point, k, self.metric, most))
        return answers

    def _keys(self, points: Floats, chosen: _Chosen) -> Floats:
        matrix, figures, _ = chosen.held
        if chosen.gathered is None:
            return self._pass.keys(matrix[: chosen.rows], figures[: chosen.rows], points)
        keys = np.empty((len(points), chosen.matching), np.float32)
        step = max(1, BLOCK_ELEMENTS // self.dim)
        for start in range(0, chosen.matching, step):
            rows = chosen.gathered[start : start + step]
            keys[:, start : start + step] = self._pass.keys(matrix[rows], figures[rows], points)
        return keys

    def _with_room(self, more: int) -> _Held:
        matrix, figures, length = self._held
        if length + more <= len(matrix):
            return self._held
        room = max(length + more, length + length // 2)
        grown = _Held(np.empty((room, self.dim), np.float32), np.empty(room), length)
        grown.matrix[:length] = matrix[:length]
        grown.figures[:length] = figures[:length]
        return grown


class _Chosen(NamedTuple):
    """Which rows are compared, and how: all of them and some barred after, or a few gathered before."""

    held: _Held
    rows: int
    matching: int
    barred: Mask | None
    gathered: Rows | None

    @classmethod
    def of(cls, held: _Held, mask: Mask | None, rows: int | None) -> _Chosen:
        rows = held.length if rows is None else min(rows, held.length)
        if mask is None:
            return cls(held, rows, rows, None, None)
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != (rows,):
            raise InvalidOption(f"the mask is {mask.dtype} of shape {mask.shape}; it must be bool of shape ({rows},).")
        count = int(np.count_nonzero(mask))
        if count == rows:
            return cls(held, rows, rows, None, None)
        if count < GATHER_BELOW * rows:
            return cls(held, rows, count, None, np.flatnonzero(mask))
        return cls(held, rows, count, ~mask, None)

    @property
    def compared(self) -> int:
        return self.rows if self.gathered is None else self.matching

    def figures(self) -> Distances:
        """Of the rows that are compared."""
        return self.held.figures[: self.rows] if self.gathered is None else self.held.figures[self.gathered]

    def rows_at(self, places: Rows) -> Rows:
        return places if self.gathered is None else self.gathered[places]

    def all_rows(self) -> Rows:
        if self.gathered is not None:
            return self.gathered
        return np.arange(self.rows) if self.barred is None else np.flatnonzero(~self.barred)
