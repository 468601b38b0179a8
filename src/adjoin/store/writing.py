"""How rows get in, change and go: statements inside a write transaction."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import apsw
import numpy as np

from adjoin import metadata as metadata_codec
from adjoin.engine import Batch, Mode, Written
from adjoin.errors import DuplicateId, InvalidVector, NotFound, listed
from adjoin.store import rows as row_codec
from adjoin.store.faults import translated
from adjoin.store.rows import Encoded, blocks, marks
from adjoin.store.snapshot import REMOVED, REVISED, Snapshot, one
from adjoin.store.vectors import VectorCodec
from adjoin.types import Id, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_CHANGES: Final = 4096

_INSERT_DOCUMENT = """
    INSERT INTO documents (collection, id, kind, content, metadata, origin, text_hash, row_hash, truncated)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SPOOL = """
    CREATE TABLE spool (
        n INTEGER PRIMARY KEY, id ANY NOT NULL UNIQUE, kind INTEGER, content ANY, metadata TEXT, origin TEXT,
        text_hash BLOB, row_hash BLOB, truncated INTEGER, vector BLOB
    ) STRICT
"""
_INTO_SPOOL = """
    INSERT INTO spool (id, kind, content, metadata, origin, text_hash, row_hash, truncated, vector)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Writer:
    """Writes batches into one collection, in a transaction that is the caller's."""

    def __init__(self, connection: apsw.Connection, now: Snapshot, mode: Mode) -> None:
        self._connection = connection
        self._key = now.key
        self._name = now.name
        self._kept = Kept(now.metric, now.storage)
        self._mode = mode
        self.written = Written()

    def put(self, batch: Batch) -> None:
        encoded = encode(batch, self._kept)
        deleted = delete_ids(self._connection, self._key, list(batch.delete))
        self.written = dataclasses.replace(self.written, deleted=self.written.deleted + deleted)
        self.put_encoded(encoded)
        remember(self._connection, self._key, batch.notes)

    def put_encoded(self, encoded: list[Encoded]) -> None:
        added, replaced, unchanged = self._insert(encoded)
        before = self.written
        self.written = Written(
            before.added + added, before.replaced + replaced, before.unchanged + unchanged, before.deleted
        )

    def _insert(self, encoded: list[Encoded]) -> tuple[int, int, int]:
        held = self._held([row[0] for row in encoded])
        if held and self._mode == "add":
            raise DuplicateId.existing(self._name, held)
        changed = [row for row in encoded if held.get(row[0]) != row[6]]
        replaced = delete_ids(self._connection, self._key, [row[0] for row in changed if row[0] in held])
        # One pass each: the documents get consecutive seqs, because AUTOINCREMENT counts up and no one else writes.
        first = self._next_seq()
        self._connection.executemany(_INSERT_DOCUMENT, ((self._key, *row[:8]) for row in changed))
        self._connection.executemany(
            "INSERT INTO vectors (seq, vector) VALUES (?, ?)", ((first + n, row[8]) for n, row in enumerate(changed))
        )
        return len(changed) - replaced, replaced, len(encoded) - len(changed)

    def _held(self, ids: list[Id]) -> dict[Id, bytes]:
        """The row hashes of those ids that exist."""
        found: dict[Id, bytes] = {}
        for block in blocks(ids):
            sql = f"SELECT id, row_hash FROM documents WHERE collection = ? AND id IN ({marks(block)})"
            found.update(self._connection.execute(sql, (self._key, *block)))
        return found

    def _next_seq(self) -> int:
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'documents'").fetchone()
        return (row[0] if row else 0) + 1


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """How a collection keeps its vectors."""

    metric: Metric
    storage: str


def encode(batch: Batch, kept: Kept) -> list[Encoded]:
    """Every row of the batch as it will be stored, refusing what cannot be, before anything is written."""
    if not batch.rows:
        return []
    assert batch.vectors is not None
    refuse_repeated([row.id for row in batch.rows])
    records = VectorCodec(kept.storage, batch.vectors.shape[1]).encode(batch.vectors)
    if kept.metric == "cosine" and kept.storage == "float16":
        _refuse_rounded_to_zero(records)
    return [row_codec.encode(row, record.tobytes()) for row, record in zip(batch.rows, records, strict=True)]


def _refuse_rounded_to_zero(records: NDArray[np.uint8]) -> None:
    zero = ~(records.view(np.uint16) & 0x7FFF).any(axis=1)
    if zero.any():
        raise InvalidVector(
            f"vector {int(np.flatnonzero(zero)[0])} is so short that storage='float16' makes it zero, which has no direction "
            "for the cosine metric. Scale the vectors up, or use storage='float32'."
        )


def refuse_repeated(ids: list[Id]) -> None:
    if len(set(ids)) != len(ids):
        raise DuplicateId.repeated([id_ for id_, count in Counter(ids).items() if count > 1])


def delete_ids(connection: apsw.Connection, key: int, ids: list[Id]) -> int:
    """Remove rows by id; those that are not there do not count."""
    deleted = 0
    for block in blocks(ids):
        sql = f"SELECT seq FROM documents WHERE collection = ? AND id IN ({marks(block)})"
        deleted += delete_seqs(connection, key, [seq for (seq,) in connection.execute(sql, (key, *block))])
    return deleted


def delete_seqs(connection: apsw.Connection, key: int, seqs: list[int]) -> int:
    """Remove rows, and leave word of it for whoever has them in memory or in a segment."""
    for block in blocks(seqs):
        connection.execute(f"DELETE FROM vectors WHERE seq IN ({marks(block)})", block)
        connection.execute(f"DELETE FROM documents WHERE seq IN ({marks(block)})", block)
    tell(connection, key, seqs, REMOVED)
    return len(seqs)


def tell(connection: apsw.Connection, key: int, seqs: list[int], kind: int) -> None:
    """Log that rows went, or that their metadata changed; the newest word on a row is the only one."""
    connection.executemany("DELETE FROM changes WHERE collection = ? AND seq = ?", ((key, seq) for seq in seqs))
    connection.executemany(
        "INSERT INTO changes (collection, seq, kind) VALUES (?, ?, ?)", ((key, seq, kind) for seq in seqs)
    )


def prune_changes(connection: apsw.Connection, now: Snapshot) -> None:
    """Forget changes of the tail when they have become many, and have everyone read the tail afresh.

    Those of sealed rows stay until their segment is made anew.
    """
    sql = "SELECT count(*) FROM (SELECT 1 FROM changes WHERE collection = ? AND seq > ? LIMIT ?)"
    (count,) = one(connection, sql, now.key, now.sealed, _MOST_CHANGES)
    if count == _MOST_CHANGES:
        connection.execute("DELETE FROM changes WHERE collection = ? AND seq > ?", (now.key, now.sealed))
        connection.execute("UPDATE collections SET segments = segments + 1 WHERE key = ?", (now.key,))


def remember(connection: apsw.Connection, key: int, notes: Mapping[str, str | None]) -> None:
    gone = [note for note, value in notes.items() if value is None]
    kept = [(key, note, value) for note, value in notes.items() if value is not None]
    connection.executemany("DELETE FROM notes WHERE collection = ? AND key = ?", ((key, note) for note in gone))
    connection.executemany("INSERT OR REPLACE INTO notes (collection, key, value) VALUES (?, ?, ?)", kept)


def change_metadata(
    connection: apsw.Connection,
    now: Snapshot,
    changes: Iterable[tuple[Id, Mapping[str, Any]]],
    blobs: Callable[[list[int]], dict[int, bytes]],
    *,
    replace: bool,
) -> int:
    """Merge into, or replace, metadata. blobs: gives stored vectors by seq. Raises NotFound for an id that is not there."""
    missing: list[Id] = []
    changed: list[int] = []
    for id_, change in changes:
        row = connection.execute(
            "SELECT seq, kind, content, metadata, origin FROM documents WHERE collection = ? AND id = ?", (now.key, id_)
        ).fetchone()
        if row is None:
            missing.append(id_)
            continue
        seq, kind, content, old, origin = row
        text = metadata_codec.encode(change if replace else {**metadata_codec.decode(old), **change})
        row_hash = row_codec.hash_row(id_, kind, content, text, origin, blobs([seq])[seq])
        connection.execute("UPDATE documents SET metadata = ?, row_hash = ? WHERE seq = ?", (text, row_hash, seq))
        changed.append(seq)
    if missing:
        raise NotFound(f"collection {now.name!r} has no {listed(missing)}. Nothing of this call was changed.")
    tell(connection, now.key, list(dict.fromkeys(changed)), REVISED)
    return len(changed)


class Spool:
    """Batches kept aside in a temporary database until all have come, so that a long call holds no lock meanwhile.

    It is a file of its own in the system's temporary folder, which goes when it is closed or the process ends.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        with translated(_TEMPORARY, 0):
            self._connection = apsw.Connection("")
            self._connection.execute("PRAGMA journal_mode = OFF")  # one that fails is thrown away whole
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute(_SPOOL)
            self._connection.execute("BEGIN")
        self._rest: list[Batch] = []

    def put(self, batch: Batch) -> None:
        rows = encode(batch, self._kept)
        refuse_repeated([*self._held([row[0] for row in rows])])
        with translated(_TEMPORARY, 0):
            self._connection.executemany(_INTO_SPOOL, rows)
        if batch.delete or batch.notes:
            self._rest.append(Batch(delete=batch.delete, notes=batch.notes))

    def _held(self, ids: list[Id]) -> Iterator[Id]:
        """Those of the ids that came before, each twice."""
        for block in blocks(ids):
            for (id_,) in self._connection.execute(f"SELECT id FROM spool WHERE id IN ({marks(block)})", block):
                yield from (cast(Id, id_), cast(Id, id_))

    def pour(self, writer: Writer) -> None:
        """Write everything through `writer`, a block at a time."""
        for batch in self._rest:
            writer.put(batch)
        rows = self._connection.execute(
            "SELECT id, kind, content, metadata, origin, text_hash, row_hash, truncated, vector FROM spool ORDER BY n"
        )
        while block := list(itertools.islice(rows, 500)):
            writer.put_encoded([cast(Encoded, row) for row in block])

    def close(self) -> None:
        self._connection.close(True)


_TEMPORARY = "the system's temporary folder"
