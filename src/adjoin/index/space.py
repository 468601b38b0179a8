"""Where rows lie so that a kernel's own distance ranks them as the metric does.

    cosine                 unit vectors, under the Euclidean distance: ‖x - q‖² = 2 - 2cos(x, q)
    dot                    (x, √(M² - ‖x‖²)) / M and (q, 0) / ‖q‖, under the Euclidean distance, M the largest length:
                           Bachrach et al., RecSys 2014
    euclidean, manhattan,  as they are; moved to their middle and scaled where float32 would lose their differences
    chebyshev

Rows are padded with zeros to the width that the kernel takes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin.index.first_pass import lengths
from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats

_BLOCK_ELEMENTS: Final = 2**20
_FAR: Final = 10.0  # times their own spread from the origin: there float32 loses a digit of what tells rows apart
_SAFE_LENGTHS: Final = (1e-9, 1e9)  # their squares, and sums of these, are well within float32


@dataclass(frozen=True, eq=False)
class Space:
    """width: components of a point. centre: shape (dim,), None for the origin. scale: what rows are multiplied by.

    radius: dot only, the largest length; needed while rows are placed, not for queries.
    """

    metric: Metric
    dim: int
    width: int
    centre: Floats | None = None
    scale: float = 1.0
    radius: float = 1.0

    @classmethod
    def of(cls, vectors: Floats, metric: Metric, *, least: int = 1, multiple: int = 1) -> Space:
        """The space of these rows, shape (n, dim). least: the kernel's narrowest; multiple: widths it takes.

        Cost: a pass over the rows, none under cosine.
        """
        dim = vectors.shape[1]
        width = width_of(metric, dim, least, multiple)
        if metric == "cosine":
            return cls(metric, dim, width)
        if metric == "dot":
            longest = max((float(lengths(block).max()) for _, block in blocks(vectors)), default=0.0)
            return cls(metric, dim, width, radius=longest or 1.0)
        middle = np.mean([block.mean(axis=0, dtype=np.float64) for _, block in blocks(vectors)], axis=0)
        spread = max(float(lengths(block, middle).max()) for _, block in blocks(vectors))
        offset = float(np.sqrt(np.square(middle).sum()))
        if offset <= _FAR * spread and _SAFE_LENGTHS[0] < spread + offset < _SAFE_LENGTHS[1]:
            return cls(metric, dim, width)
        scale = 1.0 / spread if spread else 1.0
        return cls(metric, dim, width, middle.astype(np.float32), scale)

    def points(self, vectors: Floats) -> Floats:
        """Rows as the kernel takes them: shape (n, width), a copy; raw rows under cosine are scaled here."""
        placed = np.zeros((len(vectors), self.width), np.float32)
        for start, block in blocks(vectors):
            self._place(block, placed[start : start + len(block)])
        return placed

    def _place(self, block: Floats, placed: Floats) -> None:
        doubles = block.astype(np.float64)
        if self.metric == "cosine":
            doubles /= lengths(block)[:, None]
        elif self.metric == "dot":
            doubles /= self.radius
            placed[:, self.dim] = np.sqrt(np.maximum(0.0, 1.0 - np.square(doubles).sum(axis=1)))
        else:
            doubles = self._shifted(doubles)
        placed[:, : self.dim] = doubles

    def queries(self, queries: Floats) -> Floats:
        """Queries as the kernel takes them, shape (q, width). Under cosine they come in at length 1."""
        if self.metric == "dot":
            longest = np.abs(queries).max(axis=1, keepdims=True).astype(np.float64)
            doubles = queries / np.where(longest, longest, 1.0)
            size = np.sqrt(np.square(doubles).sum(axis=1, keepdims=True))
            queries = (doubles / np.where(size, size, 1.0)).astype(np.float32)
        elif self.centre is not None:
            queries = self._shifted(queries.astype(np.float64)).astype(np.float32)
        if self.width == queries.shape[1]:
            return np.ascontiguousarray(queries, np.float32)
        placed = np.zeros((len(queries), self.width), np.float32)
        placed[:, : self.dim] = queries
        return placed

    def query(self, query: Floats) -> Floats:
        """One query, shape (dim,), as the kernel takes it: (1, width)."""
        if self.centre is not None or self.metric == "dot":
            return self.queries(query[None])
        if self.width == self.dim:
            return query[None]
        placed = np.zeros((1, self.width), np.float32)
        placed[0, : self.dim] = query
        return placed

    def _shifted(self, doubles: Any) -> Any:
        return doubles if self.centre is None else (doubles - self.centre) * self.scale

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs beside metric and dim; empty where there is nothing to tell."""
        if self.centre is None:
            return {}
        return {"scale": self.scale, "centre": base64.b64encode(self.centre.astype("<f4").tobytes()).decode()}

    @classmethod
    def from_json(cls, told: dict[str, Any], metric: Metric, dim: int, width: int) -> Space:
        if not told:
            return cls(metric, dim, width)
        centre = np.frombuffer(base64.b64decode(told["centre"]), "<f4").astype(np.float32)
        if len(centre) != dim:
            raise ValueError(f"its centre has {len(centre)} components, not {dim}")
        return cls(metric, dim, width, centre, float(told["scale"]))


def width_of(metric: Metric, dim: int, least: int = 1, multiple: int = 1) -> int:
    """The width that a kernel takes: `dim`, and one more under dot, padded."""
    natural = max(least, dim + (metric == "dot"))
    return -(-natural // multiple) * multiple


def blocks(vectors: Floats) -> Iterator[tuple[int, Floats]]:
    """(first row, rows) of a matrix, a few megabytes at a time."""
    step = max(1, _BLOCK_ELEMENTS // vectors.shape[1])
    for start in range(0, len(vectors), step):
        yield start, vectors[start : start + step]
