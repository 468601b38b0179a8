"""What every family is where there is little to index: the rows themselves, compared one and all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin.index.files import damaged
from adjoin.index.flat import Flat
from adjoin.index.measure import Rows
from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats

MOST_ROWS: Final = 256
"""Below this a scan takes no longer than any index, and kernels that train have too little to learn from."""


class Small:
    """Exact search under another family's name. Its dial has one position."""

    params: dict[str, Any]
    nested = False

    def __init__(self, family: str, vectors: Floats, metric: Metric) -> None:
        self.family = family
        self.n, self.dim = len(vectors), vectors.shape[1]
        self.metric = metric
        self.efforts: tuple[int, ...] = (max(1, self.n),)
        self.memory_bytes = vectors.nbytes + 8 * self.n
        self._flat = Flat(self.dim, metric)
        self._flat.append(vectors)
        self._raw = np.array(vectors, np.float32)

    def pool(self, depth: int, effort: int) -> int:
        return min(depth, self.n)

    def search(self, query: Floats, k: int, effort: int) -> Rows:
        return self._flat.search(query, k).rows[:k]

    def search_many(self, queries: Floats, k: int, effort: int, *, threads: int = 1) -> Rows:
        found = np.full((len(queries), k), -1, np.int64)
        for row, (rows, _) in zip(found, self._flat.search_many(queries, k), strict=True):
            row[: len(rows)] = rows[:k]
        return found

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, self._raw, allow_pickle=False)

    @classmethod
    def load(cls, family: str, path: Path, *, n: int, dim: int, metric: Metric) -> Small:
        try:
            vectors = np.load(path, allow_pickle=False)
        except ValueError as exc:
            raise damaged(path, str(exc)) from exc
        if vectors.shape != (n, dim) or vectors.dtype != np.float32:
            raise damaged(path, f"it holds {vectors.dtype} of shape {vectors.shape}, not ({n}, {dim})")
        return cls(family, vectors, metric)
