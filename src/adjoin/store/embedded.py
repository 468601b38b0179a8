"""The embedded engine: `Engine` on a folder, or in memory."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import apsw
import numpy as np

from adjoin.engine import Abilities, Batch, CollectionSpec, Engine, Found, Mode, SearchRequest, Written
from adjoin.errors import DimensionMismatch, NotFound, StoreCorrupted, listed
from adjoin.filters import OPERATORS, Filter, parse
from adjoin.store import folder, rows
from adjoin.store.connections import Connections
from adjoin.store.faults import corrupted
from adjoin.store.searching import search
from adjoin.store.tail import Snapshot, StaleSnapshot, Tail
from adjoin.store.writing import Spool, Writer, change_metadata, delete_ids, delete_seqs
from adjoin.types import METRICS, Document, Id, Where

if TYPE_CHECKING:
    from adjoin.store.tail import Seqs
    from adjoin.types import Floats

T = TypeVar("T")
Pause: TypeAlias = Callable[[], Any]

_DIRECT_ROWS = 65_536  # a call of one batch up to this size is written at once; others are spooled first
_SCAN_ROWS = 512


class EmbeddedEngine:
    """A store in a folder, for many reading processes and one writing at a time; or in this process's memory."""

    abilities: ClassVar[Abilities] = Abilities(
        metrics=frozenset(METRICS), filters=frozenset(OPERATORS), durable=True, atomic=True, writers="one"
    )

    def __init__(
        self, path: str | os.PathLike[str] | None, *, create: bool = True, write_timeout_s: float = 30.0
    ) -> None:
        """path: the folder; None for memory. create: make it if it is not there.

        Raises NotFound, NotAStore, NewerFormat or StoreCorrupted; the folder is then as it was.
        """
        database = None if path is None else folder.prepare(Path(path).absolute(), create=create)
        self._forget_tails()
        self._connections = Connections(
            database, write_timeout_s=write_timeout_s, after_unclean_fork=self._forget_tails
        )
        self.location = self._connections.location
        try:
            self.collections()
        except BaseException:
            self._connections.abandon()
            raise

    def _forget_tails(self) -> None:
        self._tails: dict[int, Tail] = {}
        self._tails_lock = threading.Lock()

    # Collections

    def collections(self) -> list[CollectionSpec]:
        with self._connections.read() as connection:
            return [_spec(row) for row in connection.execute(f"SELECT {_SPEC} FROM collections ORDER BY name")]

    def spec(self, name: str) -> CollectionSpec | None:
        with self._connections.read() as connection:
            row = connection.execute(f"SELECT {_SPEC} FROM collections WHERE name = ?", (name,)).fetchone()
            return _spec(row) if row else None

    def create(self, spec: CollectionSpec) -> CollectionSpec:
        with self._connections.write() as connection:
            connection.execute(
                "INSERT INTO collections (name, metric, dim, embedder, identity, index_name, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                (spec.name, spec.metric, spec.dim, spec.embedder, spec.identity, spec.index,
                 datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")),
            )  # fmt: skip
            return _spec(_one(connection, f"SELECT {_SPEC} FROM collections WHERE name = ?", spec.name))

    def drop(self, name: str) -> None:
        with self._connections.write() as connection:
            key = self._snapshot(connection, name).key
            connection.execute(
                "DELETE FROM vectors WHERE seq IN (SELECT seq FROM documents WHERE collection = ?)", (key,)
            )
            for table, column in (("documents", "collection"), ("notes", "collection"), ("collections", "key")):
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (key,))
        self._tails.pop(key, None)

    # Writing

    def write(self, name: str, batches: Iterable[Batch], *, mode: Mode) -> Written:
        first, second, rest = _peek_two(batches)
        if first is None:
            self.count(name)  # says so if there is no such collection
            return Written()
        if second is None and len(first.rows) <= _DIRECT_ROWS:
            with self._connections.write() as connection:
                return self._put(connection, name, mode, [first.vectors], lambda writer: writer.put(first))
        return self._write_spooled(name, itertools.chain([first], [] if second is None else [second], rest), mode)

    def _write_spooled(self, name: str, batches: Iterable[Batch], mode: Mode) -> Written:
        with contextlib.closing(Spool()) as spool:
            shapes: dict[int, Floats] = {}
            for batch in batches:
                spool.put(batch)
                if batch.vectors is not None:
                    shapes.setdefault(batch.vectors.shape[1], batch.vectors[:1])
            with self._connections.write() as connection:
                return self._put(connection, name, mode, list(shapes.values()), spool.pour)

    def _put(
        self,
        connection: apsw.Connection,
        name: str,
        mode: Mode,
        vectors: Sequence[Floats | None],
        put: Callable[[Writer], None],
    ) -> Written:
        snapshot = self._snapshot(connection, name)
        self._agree_on_dim(connection, snapshot, vectors)
        writer = Writer(connection, snapshot.key, name, mode)
        put(writer)
        written = writer.written
        if written.added or written.replaced or written.deleted:
            _touch(
                connection,
                snapshot.key,
                documents=written.added - written.deleted,
                removals=bool(written.replaced or written.deleted),
            )
        return written

    def _agree_on_dim(self, connection: apsw.Connection, now: Snapshot, vectors: Sequence[Floats | None]) -> None:
        held = now.dim
        for given in (matrix.shape[1] for matrix in vectors if matrix is not None and len(matrix)):
            if held is None:
                held = given
                connection.execute("UPDATE collections SET dim = ? WHERE key = ?", (given, now.key))
            elif given != held:
                (embedder,) = _one(connection, "SELECT embedder FROM collections WHERE key = ?", now.key)
                raise DimensionMismatch.of_vector(now.name, held, given, embedder)

    def update(self, name: str, changes: Iterable[tuple[Id, Mapping[str, Any]]], *, replace: bool) -> int:
        with self._connections.write() as connection:
            key = self._snapshot(connection, name).key
            count = change_metadata(connection, key, name, changes, replace=replace)
            if count:
                _touch(connection, key, revisions=True)
            return count

    def delete(self, name: str, *, ids: Sequence[Id] | None = None, where: Where | None = None) -> int:
        with self._connections.write() as connection:
            snapshot = self._snapshot(connection, name)
            if ids is not None:
                deleted = delete_ids(connection, snapshot.key, list(dict.fromkeys(ids)))
            else:
                chosen = self._tail(snapshot).load(connection, snapshot, where=parse(where or {})).chosen()
                deleted = delete_seqs(connection, chosen.tolist())
            if deleted:
                _touch(connection, snapshot.key, documents=-deleted, removals=True)
            return deleted

    # Reading

    def get(self, name: str, ids: Sequence[Id], *, with_vectors: bool = False) -> list[Document]:
        with self._connections.read() as connection:
            key = self._snapshot(connection, name).key
            seq_of: dict[Id, int] = {}
            for block in rows.blocks(list(ids)):
                sql = f"SELECT id, seq FROM documents WHERE collection = ? AND id IN ({rows.marks(block)})"
                seq_of.update(connection.execute(sql, (key, *block)))
            documents = self._documents(connection, list(seq_of.values()), with_vectors=with_vectors)
            return [documents[seq_of[id_]] for id_ in ids if id_ in seq_of]

    def count(self, name: str, where: Where | None = None) -> int:
        if where is None:
            with self._connections.read() as connection:
                return self._snapshot(connection, name).documents
        chosen = parse(where)
        return self._on_snapshot(name, lambda c, now: self._tail(now).load(c, now, where=chosen).count)

    def scan(self, name: str, where: Where | None = None, *, with_vectors: bool = False) -> Iterator[Document]:
        parsed = None if where is None else parse(where)
        if self._connections.in_memory:  # one connection, which a waiting scan must not hold; so it takes all at once
            yield from self._on_snapshot(name, lambda c, now: self._all(c, now, parsed, with_vectors=with_vectors))
            return
        with self._snapshot_of(name, parsed) as (connection, pause, seqs):
            for block in rows.blocks(seqs.tolist(), _SCAN_ROWS):
                documents = self._documents(connection, block, with_vectors=with_vectors)
                with pause():
                    yield from (documents[seq] for seq in block)

    def _all(
        self, connection: apsw.Connection, now: Snapshot, where: Filter | None, *, with_vectors: bool
    ) -> Iterable[Document]:
        seqs = self._tail(now).load(connection, now, where=where).chosen().tolist()
        documents = self._documents(connection, seqs, with_vectors=with_vectors)
        return [documents[seq] for seq in seqs]

    @contextlib.contextmanager
    def _snapshot_of(self, name: str, where: Filter | None) -> Iterator[tuple[apsw.Connection, Pause, Seqs]]:
        """A read transaction that stays open, and the rows that match in it."""
        while True:
            with self._connections.read_with_pauses() as (connection, pause):
                now = self._snapshot(connection, name)
                try:
                    seqs = self._tail(now).load(connection, now, where=where).chosen()
                except StaleSnapshot:
                    continue
                yield connection, pause, seqs
                return

    def search(self, name: str, request: SearchRequest) -> list[Found]:
        where = None if request.where is None else parse(request.where)

        def run(connection: apsw.Connection, now: Snapshot) -> list[Found]:
            began = time.perf_counter()
            dim = request.vectors.shape[1]
            if now.dim is not None and dim != now.dim:
                raise DimensionMismatch.of_vector(name, now.dim, dim, str(self._embedder(connection, now)))
            loaded = self._tail(now).load(connection, now, where=where, vectors=True)
            load_ms = (time.perf_counter() - began) * 1000
            return search(
                request,
                loaded,
                lambda seqs: self._documents(connection, seqs, with_vectors=request.with_vectors),
                lambda seqs: self._ids(connection, seqs),
                load_ms,
            )

        return self._on_snapshot(name, run)

    def known_vectors(self, name: str, text_hashes: Sequence[bytes]) -> dict[bytes, Floats]:
        known: dict[bytes, Floats] = {}
        with self._connections.read() as connection:
            key = self._snapshot(connection, name).key
            for block in rows.blocks(list(dict.fromkeys(text_hashes))):
                sql = (
                    "SELECT d.text_hash, v.vector FROM documents d JOIN vectors v USING (seq) "
                    f"WHERE d.collection = ? AND d.text_hash IN ({rows.marks(block)})"
                )
                for text_hash, blob in connection.execute(sql, (key, *block)):
                    known[text_hash] = np.frombuffer(blob, rows.FLOAT).astype(np.float32, copy=False)
        return known

    def notes(self, name: str, prefix: str = "") -> dict[str, str]:
        with self._connections.read() as connection:
            key = self._snapshot(connection, name).key
            sql = "SELECT key, value FROM notes WHERE collection = ? AND substr(key, 1, ?) = ?"
            return dict(connection.execute(sql, (key, len(prefix), prefix)))

    def stats(self, name: str) -> dict[str, Any]:
        with self._connections.read() as connection:
            now = self._snapshot(connection, name)
            count, truncated, content, metadata, vectors = _one(
                connection,
                "SELECT count(*), ifnull(sum(truncated), 0), ifnull(sum(octet_length(content)), 0), "
                "ifnull(sum(octet_length(metadata)), 0), ifnull(sum(octet_length(v.vector)), 0) "
                "FROM documents d JOIN vectors v USING (seq) WHERE collection = ?", now.key,
            )  # fmt: skip
        return {
            "documents": count, "tail": count, "segments": 0, "tombstones": 0, "truncated": truncated,
            "bytes": {"content": content, "metadata": metadata, "vectors": vectors},
            "store_bytes": self._store_bytes(),
        }  # fmt: skip

    def close(self) -> None:
        self._connections.close()
        self._tails.clear()

    # Inside

    def _store_bytes(self) -> int:
        if self._connections.in_memory:
            with self._connections.read() as connection:
                return int(connection.pragma("page_count")) * int(connection.pragma("page_size"))
        return sum(file.stat().st_size for file in Path(self.location).rglob("*") if file.is_file())

    def _on_snapshot(self, name: str, work: Callable[[apsw.Connection, Snapshot], T]) -> T:
        """Do the work in a read transaction, in a newer one if other threads have seen a later state already."""
        while True:
            with self._connections.read() as connection, contextlib.suppress(StaleSnapshot):
                return work(connection, self._snapshot(connection, name))

    def _snapshot(self, connection: apsw.Connection, name: str) -> Snapshot:
        row = connection.execute(
            "SELECT key, name, metric, dim, documents, version, removals, revisions FROM collections WHERE name = ?",
            (name,),
        ).fetchone()
        if row is None:
            names = [known for (known,) in connection.execute("SELECT name FROM collections ORDER BY name")]
            raise NotFound(
                f"there is no collection {name!r} in {self.location}. "
                + (f"It has {listed(names)}." if names else "It has none yet.")
            )
        return Snapshot(*row)

    def _embedder(self, connection: apsw.Connection, now: Snapshot) -> str | None:
        (embedder,) = _one(connection, "SELECT embedder FROM collections WHERE key = ?", now.key)
        return str(embedder) if embedder else None

    def _tail(self, now: Snapshot) -> Tail:
        with self._tails_lock:
            return self._tails.setdefault(now.key, Tail(self.location))

    def _documents(self, connection: apsw.Connection, seqs: list[int], *, with_vectors: bool) -> dict[int, Document]:
        """Rows by seq."""
        documents: dict[int, Document] = {}
        for block in rows.blocks(seqs):
            sql = (
                f"SELECT d.seq, {rows.DOCUMENT_COLUMNS} FROM documents d LEFT JOIN vectors v USING (seq) "
                f"WHERE d.seq IN ({rows.marks(block)})"
            )
            for seq, *values in connection.execute(sql, block):
                documents[seq] = self._document(seq, tuple(values), with_vectors=with_vectors)
        if len(documents) < len(seqs):
            raise corrupted(self.location, f"{len(seqs) - len(documents)} of {len(seqs)} rows cannot be found")
        return documents

    def _document(self, seq: int, values: tuple[Any, ...], *, with_vectors: bool) -> Document:
        try:
            return rows.decode(values, with_vector=with_vectors)
        except (ValueError, TypeError, KeyError, AttributeError, StoreCorrupted) as exc:
            raise corrupted(self.location, f"row {seq} cannot be read: {exc}") from exc

    def _ids(self, connection: apsw.Connection, seqs: list[int]) -> dict[int, Id]:
        ids: dict[int, Id] = {}
        for block in rows.blocks(seqs):
            ids.update(connection.execute(f"SELECT seq, id FROM documents WHERE seq IN ({rows.marks(block)})", block))
        return ids


_SPEC = "name, metric, dim, embedder, identity, index_name"


def _one(connection: apsw.Connection, sql: str, value: object) -> tuple[Any, ...]:
    """The one row that there always is."""
    row: tuple[Any, ...] | None = connection.execute(sql, (value,)).fetchone()
    assert row is not None
    return row


def _spec(row: tuple[Any, ...]) -> CollectionSpec:
    return CollectionSpec(*row)


def _touch(
    connection: apsw.Connection, key: int, *, documents: int = 0, removals: bool = False, revisions: bool = False
) -> None:
    connection.execute(
        "UPDATE collections SET documents = documents + ?, version = version + 1, removals = removals + ?, "
        "revisions = revisions + ? WHERE key = ?",
        (documents, removals, revisions, key),
    )


def _peek_two(batches: Iterable[Batch]) -> tuple[Batch | None, Batch | None, Iterator[Batch]]:
    rest = iter(batches)
    return next(rest, None), next(rest, None), rest


def _is_an_engine(engine: EmbeddedEngine) -> Engine:
    return engine  # checked by mypy: the protocol is kept
