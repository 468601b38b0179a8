"""A sealed segment: mapped files that never change, each verified before it is first used."""

from __future__ import annotations

import os
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin.index.base import Built, load
from adjoin.index.curve import Choice, Curve
from adjoin.index.exact import Exact
from adjoin.sealed import SealedColumns
from adjoin.store import manifest as names
from adjoin.store.files import DamagedFile, mapped, opened
from adjoin.store.manifest import Manifest
from adjoin.store.vectors import VectorCodec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.types import Floats, Metric

    Seqs = NDArray[np.int64]

_UNKNOWN: Final = object()
_PROBING: Final = ("ivf", "ivfpq")  # families whose effort is a number of lists
_MOST_OFFERS: Final = 1024
_LOAD_BYTES_PER_S: Final = 300e6  # of an index file; what a load is expected to cost before one was timed


class Vectors:
    """The mapped vectors of a segment, as `Exact` takes them, and byte for byte."""

    def __init__(self, records: NDArray[Any], raw: Any, codec: VectorCodec) -> None:
        self.n = len(records)
        self.dim = codec.dim
        self._records = records
        self._raw = raw
        self._codec = codec
        self._plain = codec.storage == "float32"

    def take(self, rows: Any) -> Floats:
        # `take` is quicker than indexing where it need not look for numbers out of range first.
        picked = self._records[rows] if isinstance(rows, slice) else self._records.take(rows, axis=0, mode="clip")
        return picked if self._plain else self._codec.decode(picked)

    def gather(self, rows: NDArray[np.int64], room: Floats) -> Floats:
        if not self._plain:
            return self.take(rows)
        return self._records.take(rows, axis=0, out=room[: len(rows)], mode="clip")

    def records(self, rows: NDArray[np.int64]) -> bytes:
        """The records of some rows, one after the other."""
        return np.ascontiguousarray(self._records[rows]).tobytes()

    def blob(self, row: int) -> bytes:
        """The record of a row, as the column `vector` would have it."""
        size = self._codec.row_bytes
        return bytes(self._raw[row * size : (row + 1) * size])


@dataclass(frozen=True, slots=True)
class Offer:
    """What the index promises for one recall and depth: so many neighbours. effort: what it takes, and for far queries the choice may say
    more. cost_ns: of a search, without measuring what it finds."""

    choice: Choice
    depth: int
    effort: int
    cost_ns: float
    promised: float
    reason: str


class Segment:
    """One segment's files. Opening maps them; `exact` and `columns` are read on first use, the index when it is asked for.

    Raises DamagedFile for a file that is missing or not as it was written.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, salvage: bool = False) -> None:
        """salvage: take vectors and columns as they are, zeros where they are missing; for repair alone."""
        self._salvage = salvage
        self.folder = folder / manifest.id
        self.manifest = manifest
        self.id = manifest.id
        self.n = manifest.rows
        self.first, self.last = manifest.first, manifest.last
        self.metric: Metric = manifest.metric  # type: ignore[assignment]
        self.codec = VectorCodec(manifest.storage, manifest.dim)
        self.seqs: Seqs = np.frombuffer(self._open(names.SEQS), "<i8").astype(np.int64, copy=False)
        if len(self.seqs) != self.n:
            raise DamagedFile(self.folder / names.SEQS, f"has {len(self.seqs):,} rows of {self.n:,}")
        # From here on the file may be removed; so all are mapped now, and read when they are needed.
        self._mapped = {name: self._map(name) for name in (names.VECTORS, names.FIGURES, names.COLUMNS)}
        self._columns_read = self._read_columns()
        self._lock = threading.RLock()
        self._vectors: Vectors | None = None
        self._exact: Exact | None = None
        self._columns: SealedColumns | None = None
        self._index: Built | None = None
        self._loading: threading.Thread | None = None
        self._index_damage: DamagedFile | None = None
        self._offers: dict[tuple[float, int, int], Offer | object | None] = {}
        self.exact_spent_s = 0.0
        self.curve = None if manifest.curve is None else Curve.from_json(manifest.curve)
        _living.add(self)

    def after_fork(self) -> None:
        """In a child the loading thread is not, and a lock that it held would stay locked."""
        self._lock = threading.RLock()
        self._loading = None

    def _map(self, name: str) -> Any:
        if name not in self.manifest.files:
            return None
        try:
            return mapped(self.folder / name)
        except DamagedFile as exc:
            if name == names.VECTORS and not self._salvage:
                raise
            return b"" if self._salvage else exc  # what is derived is told when it is needed, and can be made again

    def _open(self, name: str) -> Any:
        return opened(self.folder / name, self.manifest.files[name])

    def _verified(self, name: str) -> Any:
        content = self._mapped[name]
        if self._salvage:
            size = self.manifest.files[name].size
            return content[:size].ljust(size, b"\0")
        if isinstance(content, DamagedFile):
            raise content
        self.manifest.files[name].verify(self.folder / name, content)
        return content

    @property
    def exact(self) -> Exact:
        if self._exact is None:
            with self._lock:
                if self._exact is None:
                    self._exact = self._open_exact()
        return self._exact

    def _open_exact(self) -> Exact:
        figures: NDArray[Any] | None = None
        if names.FIGURES in self.manifest.files:
            dtype = "<f4" if self.metric == "cosine" else "<f8"
            figures = np.frombuffer(self._verified(names.FIGURES), dtype)
        return Exact(self.vectors, self.metric, figures, np.array(self.manifest.centre, np.float64))

    @property
    def vectors(self) -> Vectors:
        """Without what is derived from them, so that this can be made again."""
        if self._vectors is None:
            with self._lock:
                if self._vectors is None:
                    raw = self._verified(names.VECTORS)
                    self._vectors = Vectors(self.codec.over(raw, self.n), raw, self.codec)
        return self._vectors

    @property
    def columns(self) -> SealedColumns:
        if self._columns is None:
            with self._lock:
                if self._columns is None:
                    content = self._mapped[names.COLUMNS]
                    if isinstance(content, DamagedFile):
                        raise content
                    self.manifest.files[names.COLUMNS].verify(self.folder / names.COLUMNS, content)
                    if isinstance(self._columns_read, DamagedFile):
                        raise self._columns_read
                    self._columns = self._columns_read
        return self._columns

    def _read_columns(self) -> SealedColumns | DamagedFile:
        """Map the file now, since it may be removed; say what is wrong with it when it is needed."""
        path = self.folder / names.COLUMNS
        try:
            return SealedColumns.load(path)
        except (ValueError, OSError) as exc:
            return DamagedFile(path, str(exc))

    # The index

    @property
    def has_index(self) -> bool:
        return names.INDEX in self.manifest.files and self._index_damage is None

    @property
    def index(self) -> Built | None:
        """The index where it is in memory."""
        return self._index

    @property
    def index_damage(self) -> DamagedFile | None:
        """Why the index cannot be used, once that was found; searches are exact then."""
        return self._index_damage

    @property
    def load_s(self) -> float:
        """What loading the index is expected to cost."""
        return self.manifest.files[names.INDEX].size / _LOAD_BYTES_PER_S if self.has_index else 0.0

    def offer(self, recall: float, depth: int, pool: int) -> Offer | None:
        """How the index keeps this recall for so many neighbours and brings a pool of candidates; None: it does not."""
        known = self._offers.get((recall, depth, pool), _UNKNOWN)
        if known is _UNKNOWN:
            if len(self._offers) > _MOST_OFFERS:
                self._offers.clear()
            known = self._offers[recall, depth, pool] = self._offer(recall, depth, pool)
        return known  # type: ignore[return-value]  # an object that is no offer stands for what is not known

    def _offer(self, recall: float, depth: int, pool: int) -> Offer | None:
        curve = self.curve
        choice = curve.cheapest(recall, depth) if curve is not None and pool <= self.n else None
        if curve is None or choice is None:
            return None
        effort = choice.effort
        if self.manifest.family not in _PROBING:  # effort is a number of candidates, and no less than are wanted
            if pool > curve.efforts[-1]:
                return None
            effort = max(effort, pool)
        promised = max(curve.lower_bound(effort, depth), recall)
        return Offer(
            choice, depth, effort, self.search_ns(effort), promised, f"{self.manifest.family} at effort {effort}"
        )

    def search_ns(self, effort: int) -> float:
        """What one search of the index costs, between the efforts that were measured."""
        assert self.curve is not None
        return 1000 * float(np.interp(effort, self.curve.efforts, self.curve.cost_us))

    def load_index(self) -> Built | None:
        """Load it now, if it is not in memory; None if there is none or it is damaged."""
        with self._lock:
            if self._index is None and self.has_index:
                path = self.folder / names.INDEX
                try:
                    self._open(names.INDEX)
                    manifest = self.manifest
                    self._index = load(
                        manifest.family,
                        path,
                        n=self.n,
                        dim=manifest.dim,
                        metric=self.metric,
                        params=dict(manifest.params),
                    )
                except DamagedFile as exc:
                    self._index_damage = exc
                except Exception as exc:  # a kernel's own words for a file that it cannot read
                    self._index_damage = DamagedFile(path, f"cannot be loaded: {exc}")
            return self._index

    def load_index_behind(self) -> None:
        """Begin to load it in a thread of its own."""
        if self._index is None and self.has_index and self._loading is None:
            self._loading = threading.Thread(target=self.load_index, name=f"adjoin-load-{self.id}")
            self._loading.start()

    def adopt_index(self, index: Built) -> None:
        """Take an index that was just built and written, rather than load it again."""
        self._index = index

    def spent(self, seconds: float) -> None:
        """Count what exact search has cost where the index could have served; when it is enough, load the index.

        A process that asks once never pays for loading; one that goes on asking pays at most a share more.
        """
        self.exact_spent_s += seconds
        if self.exact_spent_s > 0.25 * self.load_s:
            self.load_index_behind()


_living: weakref.WeakSet[Segment] = weakref.WeakSet()


def _after_fork() -> None:
    for segment in list(_living):
        segment.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def time_of(work: Any) -> float:
    """Seconds, the best of three."""
    best = np.inf
    for _ in range(3):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return float(best)
