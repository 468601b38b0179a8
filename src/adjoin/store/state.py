"""What a process has in memory of a collection: its segments, which of their rows live, and the tail.

All of it follows the database: the set of segments by the number `segments`, rows that went and metadata that changed
by the table `changes`, new rows by their seqs. A transaction that began before what is here must begin again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoin import metadata as metadata_codec
from adjoin.filters import Filter
from adjoin.forks import renew_in_child
from adjoin.store import rows as row_codec
from adjoin.store.faults import corrupted
from adjoin.store.files import DamagedFile
from adjoin.store.manifest import Manifest, digest
from adjoin.store.matching import Matchings
from adjoin.store.place import SegmentsFolder
from adjoin.store.segment import Segment
from adjoin.store.snapshot import REMOVED, REVISED, Snapshot, StaleSnapshot
from adjoin.store.tail import Loaded, Tail

if TYPE_CHECKING:
    import apsw
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Part:
    """A segment as one transaction sees it.

    alive: which rows are still there, None for all; count: how many. revised: row → its metadata, where that has
    changed since sealing.
    """

    segment: Segment
    alive: Mask | None
    count: int
    revised: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    matchings: Matchings = field(default_factory=Matchings, compare=False)

    @property
    def dead(self) -> int:
        return self.segment.n - self.count

    def rows_of(self, seqs: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row numbers of seqs that are in it."""
        return np.searchsorted(self.segment.seqs, seqs)

    def without(self, seqs: NDArray[np.int64]) -> Part:
        rows = self.rows_of(seqs)
        if (rows >= self.segment.n).any() or (self.segment.seqs[rows] != seqs).any():
            raise ValueError("a row that was removed is not in its segment")
        alive = np.ones(self.segment.n, np.bool_) if self.alive is None else self.alive.copy()
        alive[rows] = False
        return Part(self.segment, alive, int(np.count_nonzero(alive)), self.revised)

    def chosen(self, where: Filter | None) -> NDArray[np.int64]:
        """The rows that are alive and match, rising."""
        if where is None:
            return np.arange(self.segment.n) if self.alive is None else np.flatnonzero(self.alive)
        rows = self.segment.columns.rows(where)
        if self.revised:
            rows = self._revised_rows(rows, where)
        return rows if self.alive is None else rows[self.alive[rows]]

    def _revised_rows(self, rows: NDArray[np.int64], where: Filter) -> NDArray[np.int64]:
        changed = np.fromiter(self.revised, np.int64, len(self.revised))
        now = [row for row, metadata in self.revised.items() if where.matches(metadata)]
        kept = rows[~np.isin(rows, changed)]
        return np.sort(np.concatenate([kept, np.array(now, np.int64)]))

    def matches(self, where: Filter, rows: NDArray[np.int64]) -> Mask:
        """Which of some rows, which rise, match. Cost: that of the rows, not of the segment."""
        mask = self.segment.columns.answer(where).among(rows)
        if self.revised:
            for place, row in enumerate(rows.tolist()):
                if row in self.revised:
                    mask[place] = where.matches(self.revised[row])
        return mask


@dataclass(frozen=True, slots=True)
class View:
    """A collection's rows in one snapshot. tail has the mask of those that match, if a filter was given."""

    now: Snapshot
    parts: tuple[Part, ...]
    tail: Loaded

    def chosen(self, where: Filter | None) -> NDArray[np.int64]:
        """The seqs that match, in the order of storing."""
        found = [part.segment.seqs[part.chosen(where)] for part in self.parts]
        return np.concatenate([*found, self.tail.chosen()])

    def count(self, where: Filter | None) -> int:
        if where is None:
            return self.now.documents
        return sum(len(part.chosen(where)) for part in self.parts) + self.tail.count

    def blobs(self, connection: apsw.Connection, seqs: list[int]) -> dict[int, bytes]:
        """The stored vector of each seq, byte for byte."""
        found: dict[int, bytes] = {}
        tail = [seq for seq in seqs if seq > self.now.sealed]
        for block in row_codec.blocks(tail):
            found.update(
                connection.execute(f"SELECT seq, vector FROM vectors WHERE seq IN ({row_codec.marks(block)})", block)
            )
        if len(tail) < len(seqs):
            wanted = np.array([seq for seq in seqs if seq <= self.now.sealed], np.int64)
            for part in self.parts:
                segment = part.segment
                here = wanted[(wanted >= segment.first) & (wanted <= segment.last)]
                for seq, row in zip(here.tolist(), part.rows_of(here).tolist(), strict=True):
                    if row < segment.n and segment.seqs[row] == seq:
                        found[seq] = segment.vectors.blob(row)
        return found


class State:
    """One collection in memory. `view` takes a connection inside a read transaction."""

    def __init__(self, location: str, place: SegmentsFolder, *, salvage: bool = False) -> None:
        """salvage: open segments although their vectors are damaged."""
        self._location = location
        self._place = place
        self._lock = threading.RLock()
        renew_in_child(self, "_lock", threading.RLock)
        self._seen: Snapshot | None = None
        self._parts: tuple[Part, ...] = ()
        self._tail = Tail(location)
        self._last_change = 0
        self._adopted: dict[str, Any] = {}
        self._salvage = salvage

    def view(
        self,
        connection: apsw.Connection,
        now: Snapshot,
        *,
        where: Filter | None = None,
        vectors: bool = False,
    ) -> View:
        """The rows as this transaction sees them; `where` is asked of the tail alone, segments are the planner's.

        Raises StaleSnapshot if another thread has already moved past this transaction. Cost: only what changed.
        """
        with self._lock:
            if self._seen is None or now.version != self._seen.version:
                self._follow(connection, now)
            return View(now, self._parts, self._tail.load(connection, now, where=where, vectors=vectors))

    def adopt(self, segment_id: str, index: Any) -> None:
        """An index that was just built for a segment which will be seen soon."""
        with self._lock:
            self._adopted = {segment_id: index}

    def _follow(self, connection: apsw.Connection, now: Snapshot) -> None:
        seen = self._seen
        if seen is not None and now.version < seen.version:
            raise StaleSnapshot
        self._seen = None  # until all is done: an interrupt leaves nothing half followed
        if seen is None or now.segments != seen.segments:
            self._reopen(connection, now)
        else:
            self._follow_rows(connection, seen, now)
        held = sum(part.count for part in self._parts) + self._tail.count
        if held != now.documents:
            raise corrupted(self._location, f"{now.name!r} has {held:,} rows where {now.documents:,} were stored")
        self._seen = now

    def _reopen(self, connection: apsw.Connection, now: Snapshot) -> None:
        self._last_change = 0
        known = {part.segment.id: part.segment for part in self._parts}
        self._parts = tuple(
            Part(segment, None, segment.n)
            for segment in (known.get(one.id) or self._open(one) for one in manifests(connection, now, self._location))
        )
        self._change(connection, now)
        self._tail.restart(connection, now)

    def _open(self, manifest: Manifest) -> Segment:
        segment = Segment(self._place.path, manifest, salvage=self._salvage)
        index = self._adopted.pop(manifest.id, None)
        if index is not None:
            segment.adopt_index(index)
        return segment

    def _follow_rows(self, connection: apsw.Connection, seen: Snapshot, now: Snapshot) -> None:
        revised = now.revisions != seen.revisions
        removed = self._change(connection, now) if revised or now.removals != seen.removals else []
        self._tail.follow(connection, now, removed, revised=revised)

    def _change(self, connection: apsw.Connection, now: Snapshot) -> list[int]:
        """Take in the changes since the last one seen; returns the seqs that went from the tail."""
        removed: set[int] = set()
        revised: set[int] = set()
        sql = "SELECT n, seq, kind FROM changes WHERE +collection = ? AND n > ? ORDER BY n"
        for n, seq, kind in connection.execute(sql, (now.key, self._last_change)):
            (removed if kind == REMOVED else revised).add(seq)
            self._last_change = n
        gone = np.array(sorted(seq for seq in removed if seq <= now.sealed), np.int64)
        changed = [seq for seq in revised - removed if seq <= now.sealed]
        parts = []
        for part in self._parts:
            first, last = part.segment.first, part.segment.last
            here = gone[(gone >= first) & (gone <= last)]
            with self._damage():
                part = part.without(here) if len(here) else part
                mine = [seq for seq in changed if first <= seq <= last]
                parts.append(_with_revised(connection, part, mine) if mine else part)
        self._parts = tuple(parts)
        return [seq for seq in removed if seq > now.sealed]

    @contextlib.contextmanager
    def _damage(self) -> Any:
        try:
            yield
        except ValueError as exc:
            raise corrupted(self._location, str(exc)) from exc


def _with_revised(connection: apsw.Connection, part: Part, seqs: list[int]) -> Part:
    revised = dict(part.revised)
    for block in row_codec.blocks(seqs):
        sql = f"SELECT seq, metadata FROM documents WHERE seq IN ({row_codec.marks(block)})"
        for seq, metadata in connection.execute(sql, block):
            revised[int(part.rows_of(np.array([seq]))[0])] = metadata_codec.decode(metadata)
    return Part(part.segment, part.alive, part.count, revised)


def manifests(connection: apsw.Connection, now: Snapshot, location: str) -> list[Manifest]:
    """The collection's segments by the order of their rows."""
    found = []
    sql = "SELECT id, manifest, digest FROM segments WHERE collection = ? ORDER BY first"
    for segment_id, text, kept in connection.execute(sql, (now.key,)):
        try:
            if digest(text) != kept:
                raise ValueError("its digest differs")
            found.append(Manifest.from_json(text))
        except (ValueError, KeyError, TypeError) as exc:
            raise corrupted(location, f"the manifest of segment {segment_id} is damaged: {exc}") from exc
    return found


__all__ = ["REMOVED", "REVISED", "DamagedFile", "Part", "State", "View", "manifests"]
