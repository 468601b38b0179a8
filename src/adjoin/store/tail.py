"""What a process keeps in memory of a collection's rows that are not in a segment: vectors and filter columns.

Everything here is derived from SQLite and follows it: rows are only ever appended under rising `seq`, a replaced
row comes back under a new one, and one that is gone is masked until enough have gone to start afresh.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoin import metadata as metadata_codec
from adjoin.columns import Columns
from adjoin.errors import InvalidInput
from adjoin.filters import Filter
from adjoin.index.flat import Flat
from adjoin.store.faults import corrupted
from adjoin.store.rows import FLOAT

if TYPE_CHECKING:
    import apsw
    from numpy.typing import NDArray

    from adjoin.types import Metric

    Mask = NDArray[np.bool_]
    Seqs = NDArray[np.int64]

_LOAD_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The row of `collections` that a transaction sees. documents: how many rows it has. version rises with every
    change, removals when rows go, revisions when metadata changes in place."""

    key: int
    name: str
    metric: Metric
    dim: int | None
    documents: int
    version: int
    removals: int
    revisions: int


class StaleSnapshot(Exception):
    """The transaction began before what is in memory; begin another one."""


@dataclass(frozen=True, slots=True)
class View:
    """The rows of one snapshot: seqs (n,) ascending, and which of them are alive (None: all)."""

    seqs: Seqs
    alive: Mask | None

    @property
    def count(self) -> int:
        return _count(self.seqs, self.alive)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A view with what was asked for: rows that are alive and match (None: all), and the vectors.

    rows: how many are alive. flat holds the view's rows in its order, and perhaps later ones behind them.
    """

    seqs: Seqs
    rows: int
    mask: Mask | None
    flat: Flat | None

    @property
    def count(self) -> int:
        return _count(self.seqs, self.mask)

    def chosen(self) -> Seqs:
        return self.seqs if self.mask is None else self.seqs[self.mask]


def _count(seqs: Seqs, mask: Mask | None) -> int:
    return len(seqs) if mask is None else int(np.count_nonzero(mask))


class Tail:
    """One collection's rows in memory. Every method takes a connection inside a read transaction."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._lock = threading.RLock()
        self._seen: Snapshot | None = None
        self._start([])

    def _start(self, seqs: Any) -> None:
        self._view = View(np.asarray(seqs, np.int64), None)
        self._flat: Flat | None = None
        self._columns: Columns | None = None

    def load(
        self,
        connection: apsw.Connection,
        now: Snapshot,
        *,
        where: Filter | None = None,
        vectors: bool = False,
    ) -> Loaded:
        """The rows as this transaction sees them. Cost: only what changed since the last call.

        Raises StaleSnapshot if another thread has already moved past this transaction.
        """
        with self._lock:
            view = self._see(connection, now)
            try:
                mask = self._matching(connection, now, where) if where is not None else view.alive
                flat = self._loaded(connection, now, now.dim) if vectors and now.dim else None
            except BaseException:  # an interrupt among them: what was half appended is read again
                self._flat = self._columns = None
                raise
            return Loaded(view.seqs, view.count, mask, flat)

    def _see(self, connection: apsw.Connection, now: Snapshot) -> View:
        seen = self._seen
        if seen is None:
            self._start(_seqs_after(connection, now.key, 0))
        elif now.version < seen.version:
            raise StaleSnapshot
        elif now.version > seen.version:
            self._follow(connection, seen, now)
        if self._view.count != now.documents:
            found, self._seen = self._view.count, None
            raise corrupted(self._location, f"{now.name!r} has {found:,} rows where {now.documents:,} were stored")
        self._seen = now
        return self._view

    def _follow(self, connection: apsw.Connection, seen: Snapshot, now: Snapshot) -> None:
        if now.removals == seen.removals:
            last = int(self._view.seqs[-1]) if len(self._view.seqs) else 0
            self._extend(_seqs_after(connection, now.key, last))
        else:
            self._replace(_seqs_after(connection, now.key, 0))
        if now.revisions != seen.revisions:
            self._columns = None

    def _extend(self, new: Seqs) -> None:
        if not len(new):
            return
        old = self._view
        alive = None if old.alive is None else np.concatenate([old.alive, np.ones(len(new), np.bool_)])
        self._view = View(np.concatenate([old.seqs, new]), alive)

    def _replace(self, alive_seqs: Seqs) -> None:
        old = self._view.seqs
        last = int(old[-1]) if len(old) else 0
        seqs = np.concatenate([old, alive_seqs[alive_seqs > last]])
        if len(alive_seqs) * 2 < len(seqs):
            self._start(alive_seqs)
            return
        alive = np.isin(seqs, alive_seqs, assume_unique=True)
        self._view = View(seqs, None if alive.all() else alive)

    def _loaded(self, connection: apsw.Connection, now: Snapshot, dim: int) -> Flat:
        if self._flat is None:
            self._flat = Flat(dim, now.metric)
        missing = self._view.seqs[len(self._flat) :]
        if len(missing):
            for block in _vectors(connection, now.key, missing, dim, self._location):
                try:
                    self._flat.append(block)
                except InvalidInput as exc:
                    raise corrupted(self._location, f"a vector is not as it was stored: {exc}") from exc
        return self._flat

    def _matching(self, connection: apsw.Connection, now: Snapshot, where: Filter) -> Mask:
        if self._columns is None:
            self._columns = Columns()
        missing = self._view.seqs[self._columns.n :]
        if len(missing):
            self._columns.append(_metadata(connection, now.key, missing))
        matching = where.mask(self._columns)
        return matching if self._view.alive is None else matching & self._view.alive


def _seqs_after(connection: apsw.Connection, key: int, last: int) -> Seqs:
    rows = connection.execute("SELECT seq FROM documents WHERE collection = ? AND seq > ? ORDER BY seq", (key, last))
    return np.fromiter((seq for (seq,) in rows), np.int64)


def _vectors(
    connection: apsw.Connection, key: int, seqs: Seqs, dim: int, location: str
) -> Iterator[NDArray[np.float32]]:
    """Blocks of vectors, one for each seq; a row that has gone since gets a vector that its mask hides."""
    cursor = connection.execute(
        "SELECT d.seq, v.vector FROM documents d LEFT JOIN vectors v USING (seq) "
        "WHERE d.collection = ? AND d.seq >= ? ORDER BY d.seq",
        (key, int(seqs[0])),
    )
    done = 0
    while done < len(seqs):
        rows = [row for _, row in zip(range(_LOAD_ROWS), cursor, strict=False)]
        last = rows[-1][0] if len(rows) == _LOAD_ROWS else int(seqs[-1])
        until = int(np.searchsorted(seqs, last, side="right"))
        for seq, vector in rows:
            if not isinstance(vector, bytes) or len(vector) != dim * 4:
                raise corrupted(location, f"the vector of row {seq} is missing or has another length")
        block = np.ones((until - done, dim), np.float32)
        at = np.searchsorted(seqs[done:until], np.fromiter((seq for seq, _ in rows), np.int64, len(rows)))
        block[at] = np.frombuffer(b"".join(vector for _, vector in rows), FLOAT).reshape(-1, dim)
        yield block
        done = until


def _metadata(connection: apsw.Connection, key: int, seqs: Seqs) -> Iterator[dict[str, Any]]:
    """The metadata of each seq; of a row that has gone since, none."""
    rows = connection.execute(
        "SELECT seq, metadata FROM documents WHERE collection = ? AND seq >= ? ORDER BY seq", (key, int(seqs[0]))
    )
    found = next(rows, None)
    for seq in seqs.tolist():
        if found is not None and found[0] == seq:
            yield metadata_codec.decode(found[1])
            found = next(rows, None)
        else:
            yield {}
