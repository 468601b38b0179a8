"""What a process keeps in memory of a collection's rows that are not in a segment yet: vectors and filter columns.

Everything here is derived from SQLite and follows it: rows are only ever appended under rising `seq`, a replaced
row comes back under a new one, and one that is gone is masked until enough have gone to start afresh.
"""

from __future__ import annotations

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

if TYPE_CHECKING:
    import apsw
    from numpy.typing import NDArray

    from adjoin.store.snapshot import Snapshot

    Mask = NDArray[np.bool_]
    Seqs = NDArray[np.int64]

_LOAD_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of the tail in one snapshot: seqs (n,) ascending, and which of them are alive (None: all)."""

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
    """One collection's rows after the last sealed one. Every method takes a connection inside a read transaction, and
    the caller sees to it that transactions come in their order, one at a time."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._start([])

    def _start(self, seqs: Any) -> None:
        self._rows = Rows(np.asarray(seqs, np.int64), None)
        self._flat: Flat | None = None
        self._columns: Columns | None = None

    def restart(self, connection: apsw.Connection, now: Snapshot) -> None:
        """Read afresh which rows there are."""
        self._start(_seqs_after(connection, now.key, now.sealed))

    def follow(self, connection: apsw.Connection, now: Snapshot, removed: list[int], *, revised: bool) -> None:
        """Take in what has changed: rows that came behind, those that went, metadata that changed in place."""
        last = int(self._rows.seqs[-1]) if len(self._rows.seqs) else now.sealed
        self._extend(_seqs_after(connection, now.key, last))
        if removed:
            self._remove(np.array(removed, np.int64))
        if revised:
            self._columns = None

    @property
    def count(self) -> int:
        return self._rows.count

    def load(
        self, connection: apsw.Connection, now: Snapshot, *, where: Filter | None = None, vectors: bool = False
    ) -> Loaded:
        """The rows as this transaction sees them. Cost: only what changed since the last call."""
        rows = self._rows
        try:
            mask = self._matching(connection, now, where) if where is not None and len(rows.seqs) else rows.alive
            flat = self._loaded(connection, now, now.dim) if vectors and now.dim and len(rows.seqs) else None
        except BaseException:  # an interrupt among them: what was half appended is read again
            self._flat = self._columns = None
            raise
        return Loaded(rows.seqs, rows.count, mask, flat)

    def _extend(self, new: Seqs) -> None:
        if not len(new):
            return
        old = self._rows
        alive = None if old.alive is None else np.concatenate([old.alive, np.ones(len(new), np.bool_)])
        self._rows = Rows(np.concatenate([old.seqs, new]), alive)

    def _remove(self, gone: Seqs) -> None:
        seqs = self._rows.seqs
        places = np.searchsorted(seqs, gone)
        places = places[places < len(seqs)]
        alive = np.ones(len(seqs), np.bool_) if self._rows.alive is None else self._rows.alive.copy()
        alive[places[np.isin(seqs[places], gone)]] = False
        if np.count_nonzero(alive) * 2 < len(seqs):
            self._start(seqs[alive])
        else:
            self._rows = Rows(seqs, None if alive.all() else alive)

    def _loaded(self, connection: apsw.Connection, now: Snapshot, dim: int) -> Flat:
        if self._flat is None:
            self._flat = Flat(dim, now.metric)
        missing = self._rows.seqs[len(self._flat) :]
        if len(missing):
            for block in _vectors(connection, now, missing, self._location):
                try:
                    self._flat.append(block)
                except InvalidInput as exc:
                    raise corrupted(self._location, f"a vector is not as it was stored: {exc}") from exc
        return self._flat

    def _matching(self, connection: apsw.Connection, now: Snapshot, where: Filter) -> Mask:
        if self._columns is None:
            self._columns = Columns()
        missing = self._rows.seqs[self._columns.n :]
        if len(missing):
            self._columns.append(_metadata(connection, now.key, missing))
        matching = where.mask(self._columns)
        return matching if self._rows.alive is None else matching & self._rows.alive


def _seqs_after(connection: apsw.Connection, key: int, last: int) -> Seqs:
    rows = connection.execute("SELECT seq FROM documents WHERE collection = ? AND seq > ? ORDER BY seq", (key, last))
    return np.fromiter((seq for (seq,) in rows), np.int64)


def _vectors(connection: apsw.Connection, now: Snapshot, seqs: Seqs, location: str) -> Iterator[NDArray[np.float32]]:
    """Blocks of vectors, one for each seq; a row that has gone since gets a vector that its mask hides."""
    codec = now.codec
    cursor = connection.execute(
        "SELECT d.seq, v.vector FROM documents d LEFT JOIN vectors v USING (seq) "
        "WHERE d.collection = ? AND d.seq >= ? ORDER BY d.seq",
        (now.key, int(seqs[0])),
    )
    done = 0
    while done < len(seqs):
        rows = [row for _, row in zip(range(_LOAD_ROWS), cursor, strict=False)]
        last = rows[-1][0] if len(rows) == _LOAD_ROWS else int(seqs[-1])
        until = int(np.searchsorted(seqs, last, side="right"))
        for seq, vector in rows:
            if not isinstance(vector, bytes) or len(vector) != codec.row_bytes:
                raise corrupted(location, f"the vector of row {seq} is missing or has another length")
        block = np.ones((until - done, codec.dim), np.float32)
        at = np.searchsorted(seqs[done:until], np.fromiter((seq for seq, _ in rows), np.int64, len(rows)))
        if rows:
            block[at] = codec.decode_blobs([vector for _, vector in rows])
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
