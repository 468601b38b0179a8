"""`pq`: every row as a product-quantised code, all codes compared. Source: Jégou, Douze and Schmid, TPAMI 2011."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from adjoin.index.faiss_index import FaissIndex, faiss, sample
from adjoin.index.options import Option, Params, ladder
from adjoin.index.space import Space
from adjoin.types import Metric

if TYPE_CHECKING:
    from adjoin.types import Floats

_TRAIN_ROWS: Final = 65_536
CANDIDATES: Final = (10, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Pq(FaissIndex):
    """The same codes for the same rows and seed.

    efforts: candidates, the rows with the nearest codes, to be measured exactly. Memory and file: m·bits/8 bytes a row.
    Cost of a search: O(n·m) look-ups, whatever the effort.
    """

    family = "pq"
    nested = True
    metrics: ClassVar[tuple[Metric, ...]] = ("cosine", "euclidean", "dot")
    options: ClassVar[dict[str, Option]] = {"m": Option(None, 1, 4096), "bits": Option(8, 4, 8)}

    @classmethod
    def _made(cls, space: Space, vectors: Floats, params: Params, seed: int) -> Any:
        kernel = faiss().IndexPQ(space.width, parts(params, vectors.shape[1]), params["bits"])
        quiet(kernel.pq.cp, seed)
        kernel.train(sample(vectors, space, _TRAIN_ROWS, seed))
        return kernel

    @classmethod
    def _multiple(cls, params: Params, dim: int) -> int:
        return parts(params, dim)

    def _ladder(self) -> tuple[int, ...]:
        return ladder(self.n, CANDIDATES)

    def pool(self, depth: int, effort: int) -> int:
        return min(effort, self.n) if effort >= depth else effort


def parts(params: Params, dim: int) -> int:
    """Into how many parts a row is cut, each of which becomes one code: by default of four components each."""
    return min(dim, int(params["m"] or -(-dim // 4)))


def quiet(clustering: Any, seed: int) -> None:
    """Reproducible, and without faiss's advice on standard error for small sets."""
    clustering.seed = seed
    clustering.min_points_per_centroid = 1
    clustering.verbose = False
