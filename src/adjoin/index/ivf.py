"""`ivf` and `ivfpq`: rows in lists, one around each of nlist centres; a search reads the lists nearest to the query.

Sources: Sivic and Zisserman, ICCV 2003; Jégou, Douze and Schmid, TPAMI 2011.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final

from adjoin.index.faiss_index import FaissIndex, faiss, sample
from adjoin.index.options import Option, Params, ladder
from adjoin.index.pq import parts, quiet
from adjoin.index.space import Space
from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats

_ROWS_A_LIST: Final = 64  # to train on
_PROBES: Final = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096)


class Ivf(FaissIndex):
    """Lists of 8-bit codes: a quarter of the rows' size. The same for the same rows and seed.

    efforts: `nprobe`, the lists that are read. nlist: by default 4·√n.
    """

    family = "ivf"
    metrics: ClassVar[tuple[Metric, ...]] = ("cosine", "euclidean", "dot")
    options: ClassVar[dict[str, Option]] = {"nlist": Option(None, 1, 2**20)}
    _more: ClassVar[int] = 10

    @classmethod
    def _made(cls, space: Space, vectors: Floats, params: Params, seed: int) -> Any:
        lists = _lists(params, len(vectors))
        kernel = cls._empty(space, params, lists)
        quiet(kernel.cp, seed)
        kernel.train(sample(vectors, space, max(16_384, _ROWS_A_LIST * lists), seed))
        return kernel

    @classmethod
    def _empty(cls, space: Space, params: Params, lists: int) -> Any:
        middles = faiss().IndexFlatL2(space.width)
        kernel = faiss().IndexIVFScalarQuantizer(middles, space.width, lists, faiss().ScalarQuantizer.QT_8bit)
        return _owning(kernel, middles)

    def _setting(self, effort: int) -> Any:
        return faiss().SearchParametersIVF(nprobe=effort)

    def _ladder(self) -> tuple[int, ...]:
        return ladder(self._kernel.nlist, _PROBES)

    def _memory_bytes(self) -> int:
        return self.n * (int(self._kernel.code_size) + 8) + 4 * int(self._kernel.nlist) * self._space.width

    def pool(self, depth: int, effort: int) -> int:
        return min(depth + max(self._more, depth // 4), self.n)


class IvfPq(Ivf):
    """Lists of product-quantised codes of what sets a row off from its centre; many candidates are measured exactly."""

    family = "ivfpq"
    options: ClassVar[dict[str, Option]] = {
        "nlist": Option(None, 1, 2**20),
        "m": Option(None, 1, 4096),
        "bits": Option(8, 4, 8),
    }

    @classmethod
    def _empty(cls, space: Space, params: Params, lists: int) -> Any:
        middles = faiss().IndexFlatL2(space.width)
        kernel = faiss().IndexIVFPQ(middles, space.width, lists, parts(params, space.dim), params["bits"])
        quiet(kernel.pq.cp, 0)
        return _owning(kernel, middles)

    @classmethod
    def _multiple(cls, params: Params, dim: int) -> int:
        return parts(params, dim)

    def pool(self, depth: int, effort: int) -> int:
        return min(max(100, 5 * depth), self.n)


def _lists(params: Params, n: int) -> int:
    """No more lists than leave a few rows for each."""
    return max(1, min(int(params["nlist"] or 4 * math.isqrt(n)), n // 4))


def _owning(kernel: Any, middles: Any) -> Any:
    """The kernel frees the index of its centres, which Python must then not free."""
    middles.this.disown()
    kernel.own_fields = True
    return kernel
