"""What the families on faiss share: one search, one file, and no threads left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from adjoin.index import files
from adjoin.index.measure import Rows
from adjoin.index.options import Option, Params, ladder
from adjoin.index.space import Space, blocks, width_of
from adjoin.index.threads import apart, cores, spread
from adjoin.types import Metric, Progress

if TYPE_CHECKING:
    from typing import Self

    from adjoin.types import Floats

T = TypeVar("T")
_NORMS = {"manhattan": "METRIC_L1", "chebyshev": "METRIC_Linf"}


class FaissIndex:
    """An index of faiss over points of a `Space`.

    Subclasses say how one is made (`_made`), which options it has, and what its effort means.
    """

    family: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    options: ClassVar[dict[str, Option]]
    nested = False

    params: dict[str, Any]

    def __init__(self, kernel: Any, space: Space, n: int) -> None:
        self.n, self.dim, self.metric = n, space.dim, space.metric
        self._kernel = kernel
        self._space = space
        self._settings: dict[int, Any] = {}
        self.memory_bytes = self._memory_bytes()
        self.efforts = self._ladder()

    @classmethod
    def build(
        cls, vectors: Floats, metric: Metric, params: Params, *, seed: int, threads: int, progress: Progress | None
    ) -> Self:
        space = Space.of(vectors, metric, multiple=cls._multiple(params, vectors.shape[1]))
        kernel = with_threads(threads or cores(), lambda: cls._filled(space, vectors, params, seed, progress))
        return cls(kernel, space, len(vectors))

    @classmethod
    def _filled(cls, space: Space, vectors: Floats, params: Params, seed: int, progress: Progress | None) -> Any:
        kernel = cls._made(space, vectors, params, seed)
        for start, block in blocks(vectors):
            kernel.add(space.points(block))
            if progress is not None:
                progress(start + len(block), len(vectors))
        return kernel

    @classmethod
    def _made(cls, space: Space, vectors: Floats, params: Params, seed: int) -> Any:
        """The kernel, trained and empty."""
        raise NotImplementedError

    @classmethod
    def _multiple(cls, params: Params, dim: int) -> int:
        """What the width of a point must be a multiple of."""
        return 1

    def _ladder(self) -> tuple[int, ...]:
        return ladder(self.n)

    def _memory_bytes(self) -> int:
        """As long as the file would be."""
        return self.n * int(self._kernel.sa_code_size())

    def _setting(self, effort: int) -> Any:
        """faiss's parameters of a search with this effort."""
        return None

    def _kept_setting(self, effort: int) -> Any:
        """Made once for each effort: a search makes no objects of faiss."""
        if effort not in self._settings:
            self._settings[effort] = self._setting(effort)
        return self._settings[effort]

    def pool(self, depth: int, effort: int) -> int:
        return min(depth, effort, self.n)

    def search(self, query: Floats, k: int, effort: int) -> Rows:
        setting = self._kept_setting(effort)
        found: Rows = serially(self._kernel.search, self._space.query(query), k, params=setting)[1][0]
        return found if found[-1] >= 0 else found[found >= 0]

    def search_many(self, queries: Floats, k: int, effort: int, *, threads: int = 1) -> Rows:
        setting = self._kept_setting(effort)

        def part(some: Floats) -> Rows:
            found: Rows = serially(self._kernel.search, self._space.queries(some), k, params=setting)[1]
            return found

        return spread(part, queries, threads)

    def save(self, path: Path) -> None:
        faiss().write_index(self._kernel, str(path))
        files.append(path, self._space.to_json())

    @classmethod
    def load(cls, path: Path, *, n: int, dim: int, metric: Metric, params: Params) -> Self:
        told, _ = files.told(path)
        width = width_of(metric, dim, multiple=cls._multiple(params, dim))
        try:
            kernel = faiss().read_index(str(path))
            space = Space.from_json(told, metric, dim, width)
        except (RuntimeError, ValueError, KeyError, TypeError) as exc:
            raise files.damaged(path, str(exc)) from exc
        if (kernel.ntotal, kernel.d) != (n, width):
            raise files.damaged(path, f"it holds {kernel.ntotal} points of {kernel.d} components, not {n} of {width}")
        return cls(kernel, space, n)


def faiss() -> Any:
    """The module, loaded when it is first needed: it takes a tenth of a second."""
    import faiss as module

    return module


def serially(search: Callable[..., T], *given: Any, **named: Any) -> T:
    """A search in the caller's thread alone. It costs a microsecond; a second thread would cost tens to wake up."""
    module = faiss()
    before = module.omp_get_max_threads()
    if before == 1:
        return search(*given, **named)
    module.omp_set_num_threads(1)
    try:
        return search(*given, **named)
    finally:
        module.omp_set_num_threads(before)


def with_threads(threads: int, work: Callable[[], T]) -> T:
    """The result of work that faiss does with that many threads, none of which stay."""

    def limited() -> T:
        faiss().omp_set_num_threads(threads)
        return work()

    return apart(limited)


def norm(metric: Metric) -> int:
    """faiss's number for the distance between points of a metric's space."""
    return int(getattr(faiss(), _NORMS.get(metric, "METRIC_L2")))


def sample(vectors: Floats, space: Space, most: int, seed: int) -> Floats:
    """Points to train on: all rows, or that many drawn without replacement; shape (≤ most, width)."""
    if len(vectors) <= most:
        return space.points(vectors)
    rows = np.random.default_rng(seed).choice(len(vectors), most, replace=False)
    rows.sort()  # in the order of the file they may lie in
    return space.points(vectors[rows])
