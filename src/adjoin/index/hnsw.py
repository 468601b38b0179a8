"""`hnsw`: a hierarchical navigable small world graph, from faiss. Source: Malkov and Yashunin, TPAMI 2020."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from adjoin.index.faiss_index import FaissIndex, faiss, norm
from adjoin.index.options import Option, Params
from adjoin.index.space import Space
from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats


class Hnsw(FaissIndex):
    """The same graph for the same rows, seed and one thread; several threads link rows in the order they come to them.

    efforts: `ef`, the candidates kept while walking. Memory and file: 4·width + 8·m + about 20 bytes a row.
    """

    family = "hnsw"
    metrics: ClassVar[tuple[Metric, ...]] = ("cosine", "euclidean", "dot", "manhattan", "chebyshev")
    options: ClassVar[dict[str, Option]] = {"m": Option(16, 2, 256), "ef_construction": Option(100, 8, 4096)}

    @classmethod
    def _made(cls, space: Space, vectors: Floats, params: Params, seed: int) -> Any:
        kernel = faiss().IndexHNSWFlat(space.width, params["m"], norm(space.metric))
        kernel.hnsw.efConstruction = params["ef_construction"]
        kernel.hnsw.rng = faiss().RandomGenerator(seed)
        return kernel

    def _setting(self, effort: int) -> Any:
        return faiss().SearchParametersHNSW(efSearch=effort)

    def _memory_bytes(self) -> int:
        hnsw = self._kernel.hnsw
        return self.n * (4 * self._space.width + 12) + 4 * int(hnsw.neighbors.size())
