"""`lsh`: rows as short binary codes that differ in about as many bits as the rows lie apart; all codes compared.

Sources: Charikar, STOC 2002 (cosine); Indyk and Motwani, STOC 1998 (Hamming); Dietzfelbinger, STACS 1996 (the hash).
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from adjoin.index import files
from adjoin.index.faiss_index import FaissIndex, faiss, serially
from adjoin.index.measure import Rows
from adjoin.index.options import Option, Params, ladder
from adjoin.index.pq import CANDIDATES
from adjoin.index.space import Space, blocks
from adjoin.index.threads import cores, spread
from adjoin.types import Metric, Progress

if TYPE_CHECKING:
    from adjoin.types import Floats

Codes = NDArray[np.uint8]
OPTIONS: Final = {"bits": Option(None, 8, 65_536)}
_HASHES: Final = 4  # bits a component where components take many values


class CosineLsh(FaissIndex):
    """Which side of each of `bits` random hyperplanes a row lies on: by default of the larger of 256 and twice the dim.

    efforts: candidates, the rows with the nearest codes, to be measured exactly. Memory and file: bits/8 bytes a row.
    The same codes whatever the seed: the hyperplanes are faiss's own, kept in the file.
    """

    family = "lsh"
    nested = True
    metrics: ClassVar[tuple[Metric, ...]] = ("cosine",)
    options: ClassVar[dict[str, Option]] = OPTIONS

    @classmethod
    def _made(cls, space: Space, vectors: Floats, params: Params, seed: int) -> Any:
        bits = params["bits"] or max(256, 2 * space.dim)
        kernel = faiss().IndexLSH(space.width, -(-bits // 8) * 8, True, False)
        kernel.train(space.points(vectors[:1]))
        return kernel

    def _ladder(self) -> tuple[int, ...]:
        return ladder(self.n, CANDIDATES)

    def pool(self, depth: int, effort: int) -> int:
        return min(effort, self.n)


class HammingLsh:
    """One bit a component where every component takes at most two values: the codes then rank as the rows do.

    Else `bits` hash bits, by default four a component; unequal components differ in each with probability 1/2.
    efforts and memory as for cosine.
    """

    family = "lsh"
    nested = True
    metrics: tuple[Metric, ...] = ("hamming",)
    options: Final = OPTIONS

    params: dict[str, Any]

    def __init__(self, kernel: Any, coder: _Coder, n: int) -> None:
        self.n, self.dim = n, coder.dim
        self.metric: Metric = "hamming"
        self.efforts = ladder(n, CANDIDATES)
        self.memory_bytes = n * int(kernel.code_size)
        self._kernel = kernel
        self._coder = coder

    @classmethod
    def build(
        cls, vectors: Floats, metric: Metric, params: Params, *, seed: int, threads: int, progress: Progress | None
    ) -> HammingLsh:
        coder = _Coder.of(vectors, params["bits"], seed)
        kernel = faiss().IndexBinaryFlat(8 * coder.bytes)
        for start, block in blocks(vectors):
            kernel.add(coder.codes(block))
            if progress is not None:
                progress(start + len(block), len(vectors))
        return cls(kernel, coder, len(vectors))

    def pool(self, depth: int, effort: int) -> int:
        return min(effort, self.n)

    def search(self, query: Floats, k: int, effort: int) -> Rows:
        found: Rows = serially(self._kernel.search, self._coder.codes(query[None]), min(k, self.n))[1][0]
        return found

    def search_many(self, queries: Floats, k: int, effort: int, *, threads: int = 1) -> Rows:
        def part(some: Floats) -> Rows:
            found: Rows = serially(self._kernel.search, self._coder.codes(some), k)[1]
            return found

        return spread(part, queries, threads)

    def save(self, path: Path) -> None:
        faiss().write_index_binary(self._kernel, str(path))
        files.append(path, self._coder.to_json())

    @classmethod
    def load(cls, path: Path, *, n: int, dim: int, metric: Metric, params: Params) -> HammingLsh:
        told, _ = files.told(path)
        try:
            kernel = faiss().read_index_binary(str(path))
            coder = _Coder.from_json(told)
        except (RuntimeError, ValueError, KeyError, TypeError) as exc:
            raise files.damaged(path, str(exc)) from exc
        if (kernel.ntotal, kernel.code_size, coder.dim) != (n, coder.bytes, dim):
            raise files.damaged(path, f"it holds {kernel.ntotal} codes of {coder.dim} components, not {n} of {dim}")
        return cls(kernel, coder, n)


class _Coder:
    """Rows to bits: above or below a threshold a component, or hashes of components.

    thresholds: shape (dim,), or None. places, factors, terms: shape (bits,), the component that a bit hashes and how.
    """

    def __init__(self, dim: int, thresholds: Floats | None, numbers: NDArray[np.uint64]) -> None:
        self.dim = dim
        self._thresholds = thresholds
        self._numbers = numbers  # (2, bits): factors and terms
        self._places = np.arange(numbers.shape[1]) % dim
        self.bytes = -(-(numbers.shape[1] if thresholds is None else dim) // 8)

    @classmethod
    def of(cls, vectors: Floats, bits: int | None, seed: int) -> _Coder:
        dim = vectors.shape[1]
        low, high = vectors[0].copy(), vectors[0].copy()
        for _, block in blocks(vectors):
            np.minimum(low, block.min(axis=0), out=low)
            np.maximum(high, block.max(axis=0), out=high)
        if all(((block == low) | (block == high)).all() for _, block in blocks(vectors)):
            return cls(dim, high, np.empty((2, 0), np.uint64))
        random = np.random.default_rng(seed)
        numbers = random.integers(0, 2**64, (2, bits or _HASHES * dim), np.uint64)
        return cls(dim, None, numbers)

    def codes(self, vectors: Floats) -> Codes:
        """Shape (n, bytes)."""
        if self._thresholds is not None:
            return np.packbits(vectors >= self._thresholds, axis=1)
        values = (np.ascontiguousarray(vectors, np.float32) + np.float32(0)).view(np.uint32)  # 0 and -0 are equal
        codes = np.empty((len(vectors), self.bytes), np.uint8)
        for row, value in zip(codes, values, strict=True):
            hashed = value[self._places].astype(np.uint64) * self._numbers[0] + self._numbers[1]
            row[:] = np.packbits(hashed >> np.uint64(63))
        return codes

    def to_json(self) -> dict[str, Any]:
        thresholds = None if self._thresholds is None else _text(self._thresholds.astype("<f4"))
        return {"dim": self.dim, "thresholds": thresholds, "numbers": _text(self._numbers.astype("<u8"))}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> _Coder:
        numbers = np.frombuffer(base64.b64decode(told["numbers"]), "<u8").astype(np.uint64).reshape(2, -1)
        thresholds = None
        if told["thresholds"] is not None:
            thresholds = np.frombuffer(base64.b64decode(told["thresholds"]), "<f4").astype(np.float32)
        return cls(int(told["dim"]), thresholds, numbers)


class Lsh:
    """The family: each metric has its own codes."""

    family = "lsh"
    metrics: tuple[Metric, ...] = ("cosine", "hamming")
    options: Final = OPTIONS

    @classmethod
    def build(
        cls, vectors: Floats, metric: Metric, params: Params, *, seed: int, threads: int, progress: Progress | None
    ) -> CosineLsh | HammingLsh:
        kind = HammingLsh if metric == "hamming" else CosineLsh
        return kind.build(vectors, metric, params, seed=seed, threads=threads or cores(), progress=progress)

    @classmethod
    def load(cls, path: Path, *, n: int, dim: int, metric: Metric, params: Params) -> CosineLsh | HammingLsh:
        kind = HammingLsh if metric == "hamming" else CosineLsh
        return kind.load(path, n=n, dim=dim, metric=metric, params=params)


def _text(numbers: NDArray[Any]) -> str:
    return base64.b64encode(numbers.tobytes()).decode()
