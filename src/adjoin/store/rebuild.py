"""Making one segment out of others and the tail: what is read, what is built, and the transaction that swaps them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin import metadata as metadata_codec
from adjoin.errors import AdjoinError, StoreCorrupted, listed
from adjoin.sealed import SealedColumns
from adjoin.store import rows as row_codec
from adjoin.store.connections import Connections
from adjoin.store.faults import corrupted, refusals_told
from adjoin.store.files import DamagedFile
from adjoin.store.manifest import Manifest, digest
from adjoin.store.place import SegmentsFolder
from adjoin.store.sealing import Draft, Recipe
from adjoin.store.snapshot import REMOVED, REVISED, Snapshot, find, one
from adjoin.store.state import Part, State
from adjoin.store.writing import tell

if TYPE_CHECKING:
    import apsw

    from adjoin.types import Floats, Progress

_BLOCK_ROWS: Final = 4096


class Superseded(Exception):
    """The collection was dropped, or its segments are others by now; what was built is of no use."""


@dataclass(frozen=True, slots=True)
class Job:
    """What becomes one segment: these segments, which follow each other, and the tail if it is to be sealed."""

    segments: tuple[str, ...]
    tail: bool


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What was read, as of one moment. change: the last that was logged by then. hashes: of the tail's rows, in order."""

    now: Snapshot
    first: int
    last: int
    change: int
    draft: Draft | None
    columns: SealedColumns | None
    hashes: bytes = b""


class Rebuild:
    """One collection's segments, made anew. The caller holds the lock on building."""

    def __init__(self, connections: Connections, place: SegmentsFolder, state_of: Callable[[Snapshot], State]) -> None:
        self._connections = connections
        self._place = place
        self._state_of = state_of

    def run(
        self,
        name: str,
        job: Job,
        *,
        queries: Floats | None = None,
        progress: Progress | None = None,
        salvage: bool = False,
    ) -> None:
        """Build and swap. Raises Superseded, with nothing changed, if the collection has moved on otherwise.

        salvage: take the vectors of a damaged file, each checked by its row's hash; StoreCorrupted names those lost.

        Readers go on with what they have; rows that go, or whose metadata changes, while the build runs are told to
        the new segment by the log of changes.
        """
        with refusals_told(self._connections.location):
            self._run(self._gather(name, job, queries, salvage=salvage), job, progress)

    def _run(self, gathered: _Gathered, job: Job, progress: Progress | None) -> None:
        draft = gathered.draft
        try:
            sealed = None
            if draft is not None and gathered.columns is not None:
                sealed = draft.finish(gathered.columns, progress=progress)
            with self._connections.write() as connection:
                now = self._unmoved(connection, gathered.now, job)
                for segment in job.segments:
                    connection.execute("DELETE FROM segments WHERE id = ?", (segment,))
                if sealed is not None:
                    _name(connection, now, sealed.manifest)
                if job.tail and now.segments != gathered.now.segments:
                    _tell_again(connection, now, gathered)
                _settle(connection, now, gathered, job)
                if sealed is not None and sealed.index is not None:
                    self._state_of(now).adopt(sealed.manifest.id, sealed.index)
        except BaseException:
            if draft is not None and not self._may_be_named(draft):
                draft.discard()
            raise
        if job.segments:
            # While the swap is in the log alone, damage to the log could bring back the names of what is removed here.
            with contextlib.suppress(AdjoinError):
                self._connections.checkpoint()
            self._place.remove(job.segments)

    def _may_be_named(self, draft: Draft) -> bool:
        """Whether the database has it after all: an interrupt may come when COMMIT is done. In doubt the next build
        removes what is not named."""
        try:
            with self._connections.read() as connection:
                return connection.execute("SELECT 1 FROM segments WHERE id = ?", (draft.id,)).fetchone() is not None
        except AdjoinError:
            return True

    def _gather(self, name: str, job: Job, queries: Floats | None, *, salvage: bool) -> _Gathered:
        """Pour the rows into a draft, as of one moment."""
        with self._connections.read() as connection:
            now = find(connection, name)
            if now is None or now.dim is None:
                raise Superseded
            # What is salvaged is seen by this build alone: no search may take zeros for what was stored.
            state = State(self._connections.location, self._place, salvage=True) if salvage else self._state_of(now)
            view = state.view(connection, now)
            parts = [part for part in view.parts if part.segment.id in job.segments]
            if len(parts) != len(job.segments):
                raise Superseded
            draft = Draft(self._place.make(), _recipe(connection, now, queries))
            hashes = bytearray()
            try:
                columns = [_pour_part(connection, now, draft, part, salvage=salvage) for part in parts]
                if job.tail:
                    columns.append((_pour_tail(connection, now, draft, hashes), None))
                last = self._last(connection, now, parts, job)
                (change,) = one(connection, "SELECT ifnull(max(n), 0) FROM changes")
                if not draft.rows:
                    draft.discard()
                    return _Gathered(now, _first(parts, now), last, change, None, None)
                merged = columns[0][0] if len(columns) == 1 and columns[0][1] is None else SealedColumns.merge(columns)
            except BaseException:
                draft.discard()
                raise
            return _Gathered(now, _first(parts, now), last, change, draft, merged, bytes(hashes))

    def _last(self, connection: apsw.Connection, now: Snapshot, parts: Sequence[Part], job: Job) -> int:
        if not job.tail:
            return parts[-1].segment.last
        sql = "SELECT ifnull(max(seq), ?) FROM documents WHERE collection = ?"
        (last,) = one(connection, sql, now.sealed, now.key)
        return max(int(last), now.sealed)

    def _unmoved(self, connection: apsw.Connection, before: Snapshot, job: Job) -> Snapshot:
        now = find(connection, before.name)
        if now is None or now.key != before.key or (job.tail and now.sealed != before.sealed):
            raise Superseded
        for segment in job.segments:
            if connection.execute("SELECT 1 FROM segments WHERE id = ?", (segment,)).fetchone() is None:
                raise Superseded
        return now


def _first(parts: Sequence[Part], now: Snapshot) -> int:
    return parts[0].segment.first if parts else now.sealed + 1


def _recipe(connection: apsw.Connection, now: Snapshot, queries: Floats | None) -> Recipe:
    index, params = one(connection, "SELECT index_name, params FROM collections WHERE key = ?", now.key)
    assert now.dim is not None
    return Recipe(now.metric, now.dim, now.storage, index, json.loads(params), queries)


def _pour_part(
    connection: apsw.Connection, now: Snapshot, draft: Draft, part: Part, *, salvage: bool
) -> tuple[SealedColumns, Any]:
    segment = part.segment
    rows = part.chosen(None)
    vectors = segment.vectors
    if salvage:
        _refuse_lost(connection, now, part)
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        draft.pour(segment.seqs[block], vectors.records(block))
    if not part.revised:
        try:
            return segment.columns, part.alive
        except DamagedFile:
            pass  # metadata is in the database too
    sql = "SELECT metadata FROM documents WHERE collection = ? AND seq BETWEEN ? AND ? ORDER BY seq"
    found = connection.execute(sql, (now.key, segment.first, segment.last))
    return SealedColumns.build(metadata_codec.decode(text) for (text,) in found), None


def _refuse_lost(connection: apsw.Connection, now: Snapshot, part: Part) -> None:
    """Raise if the vector of a living row is not the one that was stored."""
    sql = f"SELECT seq, {row_codec.DOCUMENT_COLUMNS} FROM documents WHERE collection = ? AND seq BETWEEN ? AND ?"
    lost = []
    for seq, *values in connection.execute(sql, (now.key, part.segment.first, part.segment.last)):
        row = int(part.rows_of(np.array([seq]))[0])
        try:
            row_codec.decode(tuple(values), part.segment.vectors.blob(row))
        except ValueError:
            lost.append(values[0])
    if lost:
        raise StoreCorrupted(
            f"the vectors of {len(lost)} rows are lost ({listed(lost)}). Store them again with upsert()."
        )


def _pour_tail(connection: apsw.Connection, now: Snapshot, draft: Draft, hashes: bytearray) -> SealedColumns:
    codec = now.codec
    sql = (
        "SELECT d.seq, d.metadata, d.row_hash, v.vector FROM documents d LEFT JOIN vectors v USING (seq) "
        "WHERE d.collection = ? AND d.seq > ? ORDER BY d.seq"
    )
    cursor = connection.execute(sql, (now.key, now.sealed))

    def rows() -> Iterator[dict[str, Any]]:
        while block := [row for _, row in zip(range(_BLOCK_ROWS), cursor, strict=False)]:
            for seq, _, _, vector in block:
                if not isinstance(vector, bytes) or len(vector) != codec.row_bytes:
                    raise corrupted(now.name, f"the vector of row {seq} is missing or has another length")
            draft.pour([seq for seq, *_ in block], b"".join(vector for *_, vector in block))
            hashes.extend(b"".join(row_hash for _, _, row_hash, _ in block))
            for _, text, _, _ in block:
                yield metadata_codec.decode(text)

    return SealedColumns.build(rows())


def _name(connection: apsw.Connection, now: Snapshot, manifest: Manifest) -> None:
    text = manifest.to_json()
    connection.execute(
        "INSERT INTO segments (id, collection, first, last, rows, manifest, digest) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (manifest.id, now.key, manifest.first, manifest.last, manifest.rows, text, digest(text)),
    )


def _tell_again(connection: apsw.Connection, now: Snapshot, gathered: _Gathered) -> None:
    """Find out from the rows themselves which of the tail have gone or changed while the build ran.

    Whoever changed so many of them that the log became long has cut it short, for readers then read the tail afresh;
    but the new segment needs every word of it.
    """
    assert gathered.draft is not None
    seqs = [seq for seq in gathered.draft.seqs.tolist() if seq > gathered.now.sealed]
    size = len(gathered.hashes) // max(1, len(seqs))
    sql = "SELECT seq, row_hash FROM documents WHERE collection = ? AND seq > ? AND seq <= ?"
    living = dict(connection.execute(sql, (now.key, gathered.now.sealed, gathered.last)))
    before = {seq: gathered.hashes[i * size : (i + 1) * size] for i, seq in enumerate(seqs)}
    tell(connection, now.key, [seq for seq in seqs if seq not in living], REMOVED)
    tell(connection, now.key, [seq for seq in seqs if seq in living and living[seq] != before[seq]], REVISED)


def _settle(connection: apsw.Connection, now: Snapshot, gathered: _Gathered, job: Job) -> None:
    """Forget what the new segment has taken in: vectors of the tail, and changes up to the moment it was read."""
    if job.tail:
        connection.execute(
            "DELETE FROM vectors WHERE seq > ? AND seq <= ? AND seq IN "
            "(SELECT seq FROM documents WHERE collection = ? AND seq > ? AND seq <= ?)",
            (now.sealed, gathered.last, now.key, now.sealed, gathered.last),
        )
    connection.execute(
        "DELETE FROM changes WHERE collection = ? AND n <= ? AND seq BETWEEN ? AND ?",
        (now.key, gathered.change, gathered.first, gathered.last),
    )
    sealed = gathered.last if job.tail else now.sealed
    connection.execute(
        "UPDATE collections SET sealed = ?, segments = segments + 1, version = version + 1 WHERE key = ?",
        (sealed, now.key),
    )
