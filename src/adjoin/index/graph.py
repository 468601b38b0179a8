"""`graph`: a proximity graph whose neighbours are kept as RaBitQ codes beside each vertex, from `rabitqlib`.

Sources: Gou et al., SymphonyQG, SIGMOD 2025; Gao and Long, RaBitQ, SIGMOD 2024.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin.index import files
from adjoin.index.measure import Rows
from adjoin.index.options import Option, Params, ladder
from adjoin.index.space import Space, width_of
from adjoin.index.threads import apart, cores, spread
from adjoin.types import Metric, Progress

if TYPE_CHECKING:
    from adjoin.types import Floats

_LEAST_WIDTH: Final = 64  # the kernel's random rotation takes no narrower vectors
_WIDE: Final = 256
_MOST_TIMES: Final = 1.5
_MORE: Final = {0: (2, 0.0), 4: (10, 0.5), 8: (4, 0.1)}
"""By bits, how many candidates are taken beyond a depth, a number and a share of it: the codes err about who is last.

Measured on 41,000 × 384 and 50,000 × 50: with this many recall is what it is with all candidates, to .001.
"""


class Graph:
    """rabitqlib's `SymqgIndex`. Builds are not reproducible: its random rotation takes no seed.

    efforts: `ef`, the candidates kept while walking. Memory and file: at 8 bits about
    degree·(4 + width/8 + 16) + width bytes a row, width being dim padded to a multiple of 64.
    """

    family = "graph"
    nested = False
    metrics: tuple[Metric, ...] = ("cosine", "euclidean", "dot")
    options: Final = {
        "degree": Option(32, choices=(32, 64, 96, 128)),
        "bits": Option(None, choices=(0, 4, 8)),  # 0 keeps vectors as they are
        "ef_construction": Option(200, 8, 4096),
        "init": Option("pipnn", choices=("pipnn", "random")),
    }

    params: dict[str, Any]

    def __init__(self, kernel: Any, space: Space, n: int, memory_bytes: int) -> None:
        self.n, self.dim, self.metric = n, space.dim, space.metric
        self.efforts = ladder(n)
        self.memory_bytes = memory_bytes
        self._more, self._share = _MORE[kernel.quantization_bits]
        self._search = kernel.search
        self._kernel = kernel
        self._space = space

    @classmethod
    def build(
        cls, vectors: Floats, metric: Metric, params: Params, *, seed: int, threads: int, progress: Progress | None
    ) -> Graph:
        from rabitqlib import SymqgIndex

        space = Space.of(vectors, metric, least=_LEAST_WIDTH)
        bits = params["bits"] if params["bits"] is not None else _bits_for(space.width, params["degree"])
        kernel = SymqgIndex(space.width, params["degree"], "l2", bits)
        points = space.points(vectors)
        apart(lambda: kernel.build(points, params["ef_construction"], threads or cores(), params["init"]))
        if progress is not None:
            progress(len(vectors), len(vectors))
        return cls(kernel, space, len(vectors), len(vectors) * _bytes_a_row(space.width, params["degree"], bits))

    def pool(self, depth: int, effort: int) -> int:
        return min(depth + self._more + int(depth * self._share), effort, self.n)

    def search(self, query: Floats, k: int, effort: int) -> Rows:
        if k > effort:
            k = effort
        try:
            return self._search(self._space.query(query), k, effort)[0][0].astype(np.int64)  # type: ignore[no-any-return]
        except RuntimeError:  # fewer than k rows can be reached
            return self._reached(query, k, effort)

    def _reached(self, query: Floats, k: int, effort: int) -> Rows:
        """What is found where the graph falls into parts: by halves, about as many rows as there are to find."""
        point = self._space.query(query)
        while k := k // 2:
            try:
                return self._search(point, k, effort)[0][0].astype(np.int64)  # type: ignore[no-any-return]
            except RuntimeError:
                continue
        return np.empty(0, np.int64)

    def search_many(self, queries: Floats, k: int, effort: int, *, threads: int = 1) -> Rows:
        def part(some: Floats) -> Rows:
            found = np.full((len(some), k), -1, np.int64)
            asked = min(k, effort)
            try:
                found[:, :asked] = self._search(self._space.queries(some), asked, effort)[0]
            except RuntimeError:
                for row, query in zip(found, some, strict=True):
                    rows = self.search(query, asked, effort)
                    row[: len(rows)] = rows
            return found

        return spread(part, queries, threads)

    def save(self, path: Path) -> None:
        self._kernel.save(str(path))
        files.append(path, self._space.to_json())

    @classmethod
    def load(cls, path: Path, *, n: int, dim: int, metric: Metric, params: Params) -> Graph:
        from rabitqlib import SymqgIndex

        width = width_of(metric, dim, _LEAST_WIDTH)
        told, length = files.told(path)
        try:
            with files.kernel_part(path, length) as own:
                kernel = SymqgIndex.load(str(own))
            space = Space.from_json(told, metric, dim, width)
        except (RuntimeError, ValueError, KeyError, TypeError) as exc:
            raise files.damaged(path, str(exc)) from exc
        if (kernel.num_points, kernel.dim) != (n, width):
            raise files.damaged(path, f"it holds {kernel.num_points} points of {kernel.dim} components, not {n}")
        return cls(kernel, space, n, length)


def _bits_for(width: int, degree: int) -> int:
    """8 bits, but 4 where the graph of wide rows would otherwise take more than `_MOST_TIMES` their own bytes.

    Narrow rows pay most for their neighbours' numbers, whatever the bits. With 4 bits the same recall takes two to
    three times the effort, each a little cheaper.
    """
    return 4 if width >= _WIDE and _bytes_a_row(width, degree, 8) > _MOST_TIMES * 4 * width else 8


def _bytes_a_row(width: int, degree: int, bits: int) -> int:
    """Of the file, and of memory: the row itself, and for each neighbour its number, code and two factors."""
    padded = -(-width // 64) * 64
    own = padded * bits // 8 + 8 if bits else 4 * padded
    return own + degree * (padded // 8 + 12)
