"""From rows to a segment on disk: vectors poured into a file, guards, figures, columns, an index, and its recall.

A draft is a folder of its own; it becomes a segment when the database names it. Whatever ends the work before that
leaves a folder that nobody names, which the next builder removes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin._version import __version__
from adjoin.index.base import choose
from adjoin.index.calibrate import build_calibrated
from adjoin.index.curve import Curve
from adjoin.index.exact import Exact, figures_of
from adjoin.sealed import SealedColumns
from adjoin.store import files
from adjoin.store import manifest as names
from adjoin.store.files import Sum
from adjoin.store.manifest import Costs, Manifest
from adjoin.store.segment import Vectors, time_of
from adjoin.store.vectors import VectorCodec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.index.base import Built
    from adjoin.types import Floats, Metric, Progress

FLAT_BELOW: Final = 4096  # rows: fewer are searched exactly in less time than a graph takes
_BLOCK_ELEMENTS: Final = 2**20
_BALLAST_BYTES: Final = 2**18  # more than any kernel holds back before it writes


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a collection's segments are made. queries: live ones to measure recall with; seed: of all that is random."""

    metric: Metric
    dim: int
    storage: str
    index: str
    params: Mapping[str, Any]
    queries: Floats | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sealed:
    """A segment that is on disk, and its index, still in memory."""

    manifest: Manifest
    index: Built | None


class Draft:
    """A segment being made in `folder/<id>`, rows first and in rising order of seq, then `finish`."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.id = os.urandom(8).hex()
        self._recipe = recipe
        self._codec = VectorCodec(recipe.storage, recipe.dim)
        folder.mkdir(exist_ok=True)
        self._folder = folder / self.id
        self._folder.mkdir()
        self._seqs: list[NDArray[np.int64]] = []
        self._vectors = (self._folder / names.VECTORS).open("xb")

    @property
    def rows(self) -> int:
        return sum(map(len, self._seqs))

    @property
    def seqs(self) -> NDArray[np.int64]:
        return np.concatenate(self._seqs) if self._seqs else np.empty(0, np.int64)

    def pour(self, seqs: Sequence[int] | NDArray[np.int64], records: bytes | memoryview) -> None:
        """Further rows: their seqs and their records, one after the other."""
        self._seqs.append(np.asarray(seqs, np.int64))
        self._vectors.write(records)

    def discard(self) -> None:
        with contextlib.suppress(OSError):  # a full disk refuses what was still to be written, once more
            self._vectors.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def finish(self, columns: SealedColumns, *, progress: Progress | None = None) -> Sealed:
        """Write all that follows from the rows. Cost: the index's build. Memory: what that needs, beside mapped files."""
        self._vectors.flush()
        files.sync(self._vectors.fileno())
        self._vectors.close()
        seqs = self.seqs
        files.write_array(self._folder / names.SEQS, seqs.astype("<i8"))
        files.write_guards(self._folder / names.VECTORS, self._folder / names.BLOCKS, self._folder / names.PARITY)
        self._save(names.COLUMNS, columns.save)
        vectors = _mapped_vectors(self._folder, self._codec, len(seqs))
        made = derive(self._folder, vectors, self._recipe, progress=progress)
        manifest = Manifest(
            id=self.id, first=int(seqs[0]), last=int(seqs[-1]), rows=len(seqs), dim=self._recipe.dim,
            metric=self._recipe.metric, storage=self._recipe.storage, family=made.family, params=made.params,
            files={path.name: Sum.of(path) for path in sorted(self._folder.iterdir())},
            centre=tuple(made.centre.tolist()), costs=made.costs,
            curve=None if made.curve is None else made.curve.to_json(), notes=made.notes, made_by=_versions(),
        )  # fmt: skip
        for folder in (self._folder, self._folder.parent, self._folder.parent.parent):
            files.sync_folder(folder)
        return Sealed(manifest, made.index)

    def _save(self, name: str, save: Callable[[Path], object]) -> None:
        save(self._folder / name)
        files.sync_file(self._folder / name)


@dataclass(frozen=True, slots=True)
class Derived:
    """What follows from a segment's vectors."""

    family: str
    params: Mapping[str, Any]
    index: Built | None
    curve: Curve | None
    costs: Costs
    centre: NDArray[np.float64]
    notes: tuple[str, ...]


def derive(folder: Path, vectors: Vectors, recipe: Recipe, *, progress: Progress | None = None) -> Derived:
    """Write figures and index of mapped vectors into the folder, and measure the index's recall and what exact costs."""
    centre = _centre(vectors, recipe.metric)
    figures = _figures(vectors, recipe.metric, centre)
    if figures is not None:
        files.write_array(folder / names.FIGURES, figures.astype("<f4" if recipe.metric == "cosine" else "<f8"))
    costs = _costs(Exact(vectors, recipe.metric, figures, centre))
    family = choose(recipe.metric, vectors.n, vectors.dim) if recipe.index == "auto" else recipe.index
    if recipe.index == "auto" and vectors.n < FLAT_BELOW:
        family = "flat"
    if family == "flat":
        return Derived("flat", {}, None, None, costs, centre, ())
    matrix = vectors.take(slice(0, vectors.n))
    index, curve, notes = build_calibrated(
        family, matrix, recipe.metric, dict(recipe.params), queries=recipe.queries, seed=recipe.seed, progress=progress
    )
    _save(index, folder / names.INDEX)
    return Derived(index.family, index.params, index, curve, costs, centre, tuple(notes))


def _save(index: Built, path: Path) -> None:
    """Kernels say what the system refuses in words of their own, and of the last bytes they say nothing."""
    try:
        index.save(path)
        files.sync_file(path)
    except RuntimeError as exc:
        _refuse_full(path.parent)
        raise OSError(errno.EIO, f"the index cannot be written: {exc}") from exc
    _refuse_full(path.parent)


def _refuse_full(folder: Path) -> None:
    """Raises OSError if there is no space for a little more: then the end of a file may not have been written either."""
    ballast = folder / "ballast"
    try:
        with files.writing(ballast) as file:
            file.write(bytes(_BALLAST_BYTES))
    finally:
        ballast.unlink(missing_ok=True)


def _mapped_vectors(folder: Path, codec: VectorCodec, rows: int) -> Vectors:
    raw = files.mapped(folder / names.VECTORS)
    return Vectors(codec.over(raw, rows), raw, codec)


def _centre(vectors: Vectors, metric: Metric) -> NDArray[np.float64]:
    if metric != "euclidean":
        return np.zeros(vectors.dim)
    total = np.zeros(vectors.dim)
    for block in _blocks(vectors):
        total += block.sum(axis=0, dtype=np.float64)
    return total / vectors.n


def _figures(vectors: Vectors, metric: Metric, centre: NDArray[np.float64]) -> NDArray[Any] | None:
    parts = [figures_of(metric, block, centre) for block in _blocks(vectors)]
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def _blocks(vectors: Vectors) -> Iterator[Floats]:
    step = max(1, _BLOCK_ELEMENTS // vectors.dim)
    for start in range(0, vectors.n, step):
        yield vectors.take(slice(start, min(vectors.n, start + step)))


def _costs(exact: Exact) -> Costs:
    """Nanoseconds a row, measured here on these vectors."""
    n = exact.stored.n
    points = exact.points(exact.stored.take(np.linspace(0, n - 1, 16).astype(np.int64)))
    some = np.unique(np.linspace(0, n - 1, max(1, n // 20)).astype(np.int64))
    scan = time_of(lambda: exact.search(points[0], 10)) / n
    batch = time_of(lambda: exact.search_many(points, 10)) / n / len(points)
    gather = time_of(lambda: exact.search_rows(some, points[:1], 10)) / len(some)
    return Costs(scan * 1e9, batch * 1e9, gather * 1e9)


def _versions() -> dict[str, str]:
    found = {"adjoin": __version__, "numpy": np.__version__}
    for package in ("rabitqlib", "faiss-cpu"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
