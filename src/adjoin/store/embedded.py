"""The embedded engine: `Engine` on a folder, or in memory."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import apsw

from adjoin.engine import Abilities, Batch, CollectionSpec, Engine, Found, Mode, SearchRequest, Written
from adjoin.errors import (
    CollectionReplaced,
    DimensionMismatch,
    DuplicateId,
    InvalidOption,
    NotFound,
    StoreCorrupted,
    listed,
)
from adjoin.filters import EVERYTHING, OPERATORS, Filter, parse
from adjoin.forks import renew_in_child
from adjoin.index.base import FAMILIES, check
from adjoin.store import folder, rows
from adjoin.store.backup import backup
from adjoin.store.connections import Connections
from adjoin.store.doctor import examine
from adjoin.store.erasing import Traces, deleted_so_far, rewrite_and_look
from adjoin.store.faults import damaged_file
from adjoin.store.fetching import documents, ids_of, seqs_of
from adjoin.store.figures import figures
from adjoin.store.files import DamagedFile, size_of
from adjoin.store.keeper import Keeper
from adjoin.store.meter import Meter
from adjoin.store.place import SegmentsFolder
from adjoin.store.searching import search
from adjoin.store.snapshot import Snapshot, StaleSnapshot, find, one
from adjoin.store.state import Part, State, View
from adjoin.store.vectors import STORAGES
from adjoin.store.writing import Kept, Spool, Writer, change_metadata, delete_ids, delete_seqs, prune_changes
from adjoin.types import METRICS, Diagnosis, Document, Erased, Id, Progress, RecallReport, Where

if TYPE_CHECKING:
    from adjoin.types import Floats

T = TypeVar("T")
Pause: TypeAlias = Callable[[], Any]

_DIRECT_ROWS = 65_536  # a call of one batch up to this size is written at once; others are spooled first
_SCAN_ROWS = 512


class EmbeddedEngine:
    """A store in a folder, for many reading processes and one writing at a time; or in this process's memory."""

    abilities: ClassVar[Abilities] = Abilities(
        metrics=frozenset(METRICS),
        filters=frozenset(OPERATORS),
        durable=True,
        atomic=True,
        writers="one",
        indexes=frozenset({"auto", *FAMILIES}),
        storage=frozenset(STORAGES),
    )

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        *,
        create: bool = True,
        write_timeout_s: float = 30.0,
        maintain: bool = True,
    ) -> None:
        """path: the folder; None for memory. create: make it if it is not there.

        maintain: seal, merge and compact in the background as rows come and go; without it, only `optimize` does.
        Raises NotFound, NotAStore, NewerFormat or StoreCorrupted; the folder is then as it was.
        """
        database = None if path is None else folder.prepare(Path(path).absolute(), create=create)
        self._forget_states()
        renew_in_child(self, "_states_lock")
        self._connections = Connections(
            database, write_timeout_s=write_timeout_s, after_unclean_fork=self._forget_states
        )
        self.location = self._connections.location
        self._place = SegmentsFolder(database)
        self._meter = Meter()
        self._keeper = Keeper(self._connections, self._place, self._state, self._meter.queries, maintain=maintain)
        try:
            self._connections.bring_up_to_date()
            self.collections()
        except BaseException:
            self._connections.abandon()
            raise

    def _forget_states(self) -> None:
        self._states: dict[int, State] = {}
        self._states_lock = threading.Lock()

    # Collections

    def collections(self) -> list[CollectionSpec]:
        with self._connections.read() as connection:
            return [_spec(row) for row in connection.execute(f"SELECT {_SPEC} FROM collections ORDER BY name")]

    def spec(self, name: str) -> CollectionSpec | None:
        with self._connections.read() as connection:
            row = connection.execute(f"SELECT {_SPEC} FROM collections WHERE name = ?", (name,)).fetchone()
            return _spec(row) if row else None

    def create(self, spec: CollectionSpec) -> CollectionSpec:
        checked = check(spec.index, spec.metric, spec.params, spec.dim)
        params = {name: checked[name] for name in spec.params}  # those chosen; defaults may become better ones
        if spec.storage not in STORAGES:
            raise InvalidOption.unknown("storage", spec.storage, STORAGES)
        with self._connections.write() as connection:
            connection.execute(
                "INSERT INTO collections (name, metric, dim, embedder, identity, index_name, params, storage, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                (spec.name, spec.metric, spec.dim, spec.embedder, spec.identity, spec.index,
                 json.dumps(params, sort_keys=True), spec.storage,
                 datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")),
            )  # fmt: skip
            return _spec(one(connection, f"SELECT {_SPEC} FROM collections WHERE name = ?", spec.name))

    def drop(self, name: str) -> None:
        with self._connections.write() as connection:
            key = self._snapshot(connection, name).key
            connection.execute(
                "DELETE FROM vectors WHERE seq IN (SELECT seq FROM documents WHERE collection = ?)", (key,)
            )
            segments = [one for (one,) in connection.execute("SELECT id FROM segments WHERE collection = ?", (key,))]
            for table, column in (
                ("documents", "collection"), ("changes", "collection"), ("segments", "collection"),
                ("notes", "collection"), ("collections", "key"),
            ):  # fmt: skip
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (key,))
        self._states.pop(key, None)
        self._place.remove(segments)

    def version(self, name: str) -> str:
        with self._connections.read() as connection:
            now = self._snapshot(connection, name)
            return f"{now.key}.{now.version}.{_notes_digest(connection, now.key)}"

    def rename(self, names: Mapping[str, str], *, unchanged: Mapping[str, str]) -> bool:
        with self._connections.write() as connection:
            found = {name: self._snapshot(connection, name) for name in {*names, *unchanged}}
            for name, version in unchanged.items():
                now = found[name]
                if f"{now.key}.{now.version}.{_notes_digest(connection, now.key)}" != version:
                    return False
            for name in names:  # out of the way first, so that two may exchange theirs
                connection.execute("UPDATE collections SET name = ? WHERE key = ?", (f"\0{name}", found[name].key))
            for name, new in names.items():
                if find(connection, new) is not None:
                    raise DuplicateId(f"there is a collection {new!r} already, so none was renamed.")
                connection.execute("UPDATE collections SET name = ? WHERE key = ?", (new, found[name].key))
        for name in {*names, *names.values()}:
            self._meter.forget(name)
        return True

    # Writing

    def write(self, name: str, batches: Iterable[Batch], *, mode: Mode, key: int | None = None) -> Written:
        first, second, rest = _peek_two(batches)
        if first is None:
            self.count(name)  # says so if there is no such collection
            return Written()
        if second is None and len(first.rows) <= _DIRECT_ROWS:
            with self._connections.write() as connection:
                written = self._put(connection, name, key, mode, [first.vectors], lambda writer: writer.put(first))
        else:
            written = self._write_spooled(
                name, itertools.chain([first], [] if second is None else [second], rest), mode, key
            )
        self._keeper.wake(name)
        return written

    def _write_spooled(self, name: str, batches: Iterable[Batch], mode: Mode, key: int | None) -> Written:
        spec = self.spec(name)
        kept = Kept(spec.metric, spec.storage) if spec else Kept("cosine", "float32")
        with contextlib.closing(Spool(kept)) as spool:
            shapes: dict[int, Floats] = {}
            for batch in batches:
                spool.put(batch)
                if batch.vectors is not None:
                    shapes.setdefault(batch.vectors.shape[1], batch.vectors[:1])
            with self._connections.write() as connection:
                if self._snapshot(connection, name).storage != kept.storage:
                    raise NotFound(f"the collection {name!r} was dropped and made anew. Get it with db.collection(…).")
                return self._put(connection, name, key, mode, list(shapes.values()), spool.pour)

    def _put(
        self,
        connection: apsw.Connection,
        name: str,
        key: int | None,
        mode: Mode,
        vectors: Sequence[Floats | None],
        put: Callable[[Writer], None],
    ) -> Written:
        snapshot = self._snapshot(connection, name)
        if key is not None and key != snapshot.key:
            raise CollectionReplaced.named(name)
        self._agree_on_dim(connection, snapshot, vectors)
        writer = Writer(connection, snapshot, mode)
        put(writer)
        written = writer.written
        if written.added or written.replaced or written.deleted:
            _touch(
                connection,
                snapshot,
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
                (embedder,) = one(connection, "SELECT embedder FROM collections WHERE key = ?", now.key)
                raise DimensionMismatch.of_vector(now.name, held, given, embedder)

    def update(self, name: str, changes: Iterable[tuple[Id, Mapping[str, Any]]], *, replace: bool) -> int:
        changes = list(changes)
        with self._writing(name) as (connection, now, view):
            count = change_metadata(
                connection, now, changes, lambda seqs: view.blobs(connection, seqs), replace=replace
            )
            if count:
                _touch(connection, now, revisions=True)
        self._keeper.wake(name)
        return count

    def delete(self, name: str, *, ids: Sequence[Id] | None = None, where: Where | None = None) -> int:
        if ids is not None:
            with self._connections.write() as connection:
                now = self._snapshot(connection, name)
                deleted = delete_ids(connection, now.key, list(dict.fromkeys(ids)))
                if deleted:
                    _touch(connection, now, documents=-deleted, removals=True)
        else:
            parsed = parse(where or {})
            with self._writing(name, parsed) as (connection, now, view):
                deleted = delete_seqs(connection, now.key, view.chosen(parsed).tolist())
                if deleted:
                    _touch(connection, now, documents=-deleted, removals=True)
        self._keeper.wake(name)
        return deleted

    @contextlib.contextmanager
    def _writing(self, name: str, where: Filter | None = None) -> Iterator[tuple[apsw.Connection, Snapshot, View]]:
        """A write transaction with what it sees; nothing can be newer than that, so it is never stale."""
        with self._connections.write() as connection:
            now = self._snapshot(connection, name)
            with self._damage_told():
                yield connection, now, self._state(now).view(connection, now, where=where)

    # Reading

    def get(self, name: str, ids: Sequence[Id], *, with_vectors: bool = False) -> list[Document]:
        def work(connection: apsw.Connection, now: Snapshot) -> list[Document]:
            seq_of: dict[Id, int] = {}
            for block in rows.blocks(list(ids)):
                sql = f"SELECT id, seq FROM documents WHERE collection = ? AND id IN ({rows.marks(block)})"
                seq_of.update(connection.execute(sql, (now.key, *block)))
            view = self._state(now).view(connection, now)
            documents = self._documents(connection, view, list(seq_of.values()), with_vectors=with_vectors, check=True)
            return [documents[seq_of[id_]] for id_ in ids if id_ in seq_of]

        return self._on_snapshot(name, work)

    def count(self, name: str, where: Where | None = None) -> int:
        if where is None:
            with self._connections.read() as connection:
                return self._snapshot(connection, name).documents
        chosen = parse(where)
        return self._on_snapshot(
            name, lambda connection, now: self._state(now).view(connection, now, where=chosen).count(chosen)
        )

    def scan(self, name: str, where: Where | None = None, *, with_vectors: bool = False) -> Iterator[Document]:
        parsed = None if where is None else parse(where)
        if self._connections.in_memory:  # one connection, which a waiting scan must not hold; so it takes all at once
            yield from self._on_snapshot(name, lambda c, now: self._all(c, now, parsed, with_vectors=with_vectors))
            return
        with self._snapshot_of(name, parsed) as (connection, pause, view):
            for block in rows.blocks(view.chosen(parsed).tolist(), _SCAN_ROWS):
                documents = self._documents(connection, view, block, with_vectors=with_vectors, check=True)
                with pause():
                    yield from (documents[seq] for seq in block)

    def _all(
        self, connection: apsw.Connection, now: Snapshot, where: Filter | None, *, with_vectors: bool
    ) -> Iterable[Document]:
        view = self._state(now).view(connection, now, where=where)
        seqs = view.chosen(where).tolist()
        documents = self._documents(connection, view, seqs, with_vectors=with_vectors, check=True)
        return [documents[seq] for seq in seqs]

    @contextlib.contextmanager
    def _snapshot_of(self, name: str, where: Filter | None) -> Iterator[tuple[apsw.Connection, Pause, View]]:
        """A read transaction that stays open, and what it sees. The segments stay mapped, whatever becomes of them."""
        tries = _Tries(self._damaged)
        while True:
            with self._connections.read_with_pauses() as (connection, pause):
                now = self._snapshot(connection, name)
                try:
                    view = self._state(now).view(connection, now, where=where)
                    for part in view.parts:
                        _ = part.segment.exact
                except (StaleSnapshot, DamagedFile) as exc:
                    self._after(exc, tries, now)
                    continue
                with self._damage_told():
                    yield connection, pause, view
                return

    def search(self, name: str, request: SearchRequest) -> list[Found]:
        where = None if request.where is None else parse(request.where)
        self._meter.heard(name, request)

        def run(connection: apsw.Connection, now: Snapshot) -> list[Found]:
            began = time.perf_counter()
            dim = request.vectors.shape[1]
            if request.key is not None and request.key != now.key:
                raise CollectionReplaced.named(name)
            if now.dim is not None and dim != now.dim:
                raise DimensionMismatch.of_vector(name, now.dim, dim, str(self._embedder(connection, now)))
            view = self._state(now).view(connection, now, where=where, vectors=True)
            load_ms = (time.perf_counter() - began) * 1000
            return search(
                request,
                where,
                view,
                lambda seqs: self._documents(connection, view, seqs, with_vectors=request.with_vectors),
                lambda seqs: ids_of(connection, seqs),
                load_ms,
                self._meter.correction(name),
            )

        return self._on_snapshot(name, run)

    def known_vectors(self, name: str, text_hashes: Sequence[bytes]) -> dict[bytes, Floats]:
        def work(connection: apsw.Connection, now: Snapshot) -> dict[bytes, Floats]:
            seq_of: dict[bytes, int] = {}
            for block in rows.blocks(list(dict.fromkeys(text_hashes))):
                sql = (
                    f"SELECT text_hash, seq FROM documents WHERE collection = ? AND text_hash IN ({rows.marks(block)})"
                )
                seq_of.update(connection.execute(sql, (now.key, *block)))
            if not seq_of or now.storage != "float32":  # a rounded vector is not the one that the embedder gave
                return {}
            try:
                blobs = self._state(now).view(connection, now).blobs(connection, list(seq_of.values()))
            except DamagedFile:  # they can be had again, and are just what repair is embedding
                return {}
            return {text_hash: now.codec.decode_blob(blobs[seq]) for text_hash, seq in seq_of.items()}

        return self._on_snapshot(name, work)

    def notes(self, name: str, prefix: str = "") -> dict[str, str]:
        with self._connections.read() as connection:
            key = self._snapshot(connection, name).key
            sql = "SELECT key, value FROM notes WHERE collection = ? AND substr(key, 1, ?) = ?"
            return dict(connection.execute(sql, (key, len(prefix), prefix)))

    def stats(self, name: str) -> dict[str, Any]:
        def work(connection: apsw.Connection, now: Snapshot) -> dict[str, Any]:
            return figures(connection, self._state(now).view(connection, now), self._store_bytes())

        return self._on_snapshot(name, work)

    # Keeping

    def optimize(self, name: str, *, progress: Progress | None = None) -> None:
        self.count(name)
        with self._damage_told():
            self._keeper.optimize(name, progress=progress)

    def erase(self, name: str, *, ids: Sequence[Id] | None = None, where: Where | None = None) -> Erased:
        parsed = None if where is None else parse(where)
        with self._keeper.building():
            traces = Traces()
            with self._writing(name, parsed) as (connection, now, view):
                seqs = seqs_of(connection, now, ids) if ids is not None else view.chosen(parsed or EVERYTHING).tolist()
                traces.take(connection, view, seqs)
                # Those with dead or revised rows too: an earlier state of an erased row may be among them.
                touched = [part.segment.id for part in view.parts if part.dead or part.revised or _has_any(part, seqs)]
                delete_seqs(connection, now.key, seqs)
                if seqs:
                    _touch(connection, now, documents=-len(seqs), removals=True)
            with self._damage_told(), deleted_so_far(len(seqs)):
                self._keeper.rewrite(name, touched)
                return rewrite_and_look(self._connections, traces, len(seqs))

    def recall(self, name: str, *, k: int, budget_s: float) -> RecallReport:
        self.count(name)
        return self._meter.measure(name, self.search, k=k, budget_s=budget_s)

    def live_queries(self, name: str) -> Floats | None:
        self.count(name)
        return self._meter.queries(name)

    def backup(self, path: Path) -> None:
        backup(self._connections, self._place, path)

    def doctor(self, *, repair: bool = False) -> Diagnosis:
        with self._keeper.building():
            return examine(self._connections, self._place, self._keeper.rebuild, self._forget_states, repair=repair)

    def rows_without_vectors(self, name: str, ids: Sequence[Id]) -> list[Document]:
        with self._connections.read() as connection:
            now = self._snapshot(connection, name)
            found: list[Document] = []
            for block in rows.blocks(list(ids)):
                sql = f"SELECT {rows.DOCUMENT_COLUMNS} FROM documents WHERE collection = ? AND id IN ({rows.marks(block)})"
                found += [rows.decode(values, None) for values in connection.execute(sql, (now.key, *block))]
            return found

    def close(self) -> None:
        self._keeper.close()
        self._connections.close()
        self._states.clear()
        self._place.close()

    # Inside

    def _store_bytes(self) -> int:
        if self._connections.in_memory:
            with self._connections.read() as connection:
                pages = int(connection.pragma("page_count")) * int(connection.pragma("page_size"))
            return pages + self._place.bytes()
        return size_of(Path(self.location))

    def _on_snapshot(self, name: str, work: Callable[[apsw.Connection, Snapshot], T]) -> T:
        """Do the work in a read transaction, in a newer one if other threads have seen a later state already, or a
        segment went between the beginning of this one and its opening."""
        tries = _Tries(self._damaged)
        while True:
            with self._connections.read() as connection:
                now = self._snapshot(connection, name)
                try:
                    return work(connection, now)
                except (StaleSnapshot, DamagedFile) as exc:
                    self._after(exc, tries, now)

    def _after(self, exc: StaleSnapshot | DamagedFile, tries: _Tries, now: Snapshot) -> None:
        tries.after(exc, now)
        if isinstance(exc, DamagedFile):
            self._states.pop(now.key, None)  # a file may have been put right since it was mapped

    def _damaged(self, exc: DamagedFile) -> StoreCorrupted:
        return damaged_file(self.location, exc)

    @contextlib.contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except DamagedFile as exc:
            raise self._damaged(exc) from exc

    def _snapshot(self, connection: apsw.Connection, name: str) -> Snapshot:
        now = find(connection, name)
        if now is None:
            names = [known for (known,) in connection.execute("SELECT name FROM collections ORDER BY name")]
            raise NotFound(
                f"there is no collection {name!r} in {self.location}. "
                + (f"It has {listed(names)}." if names else "It has none yet.")
            )
        return now

    def _embedder(self, connection: apsw.Connection, now: Snapshot) -> str | None:
        (embedder,) = one(connection, "SELECT embedder FROM collections WHERE key = ?", now.key)
        return str(embedder) if embedder else None

    def _state(self, now: Snapshot) -> State:
        state = self._states.get(now.key)
        if state is None:
            with self._states_lock:
                state = self._states.setdefault(now.key, State(self.location, self._place))
        return state

    def _documents(
        self,
        connection: apsw.Connection,
        view: View,
        seqs: list[int],
        *,
        with_vectors: bool = False,
        check: bool = False,
    ) -> dict[int, Document]:
        return documents(
            connection, view, seqs,
            location=self.location, with_vectors=with_vectors, check=check or not self._connections.checked,
        )  # fmt: skip


_SPEC = "name, metric, dim, embedder, identity, index_name, params, storage, key"


def _spec(row: tuple[Any, ...]) -> CollectionSpec:
    name, metric, dim, embedder, identity, index, params, storage, key = row
    return CollectionSpec(name, metric, dim, embedder, identity, index, json.loads(params), storage, key)


def _notes_digest(connection: apsw.Connection, key: int) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for pair in connection.execute("SELECT key, value FROM notes WHERE collection = ? ORDER BY key", (key,)):
        digest.update(repr(pair).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _touch(
    connection: apsw.Connection, now: Snapshot, *, documents: int = 0, removals: bool = False, revisions: bool = False
) -> None:
    connection.execute(
        "UPDATE collections SET documents = documents + ?, version = version + 1, removals = removals + ?, "
        "revisions = revisions + ? WHERE key = ?",
        (documents, removals, revisions, now.key),
    )
    if removals or revisions:
        prune_changes(connection, now)


class _Tries:
    """Lets a search begin again while the store moves on under it, and tells of damage when it does not."""

    def __init__(self, damaged: Callable[[DamagedFile], StoreCorrupted]) -> None:
        self._damaged = damaged
        self._version: int | None = None

    def after(self, exc: StaleSnapshot | DamagedFile, now: Snapshot) -> None:
        """Raises what a file's damage is called once a second look, at the same state, has found it too."""
        if isinstance(exc, DamagedFile):
            if self._version == now.version:
                raise self._damaged(exc) from exc
            self._version = now.version


def _has_any(part: Part, seqs: list[int]) -> bool:
    return any(part.segment.first <= seq <= part.segment.last for seq in seqs)


def _peek_two(batches: Iterable[Batch]) -> tuple[Batch | None, Batch | None, Iterator[Batch]]:
    rest = iter(batches)
    return next(rest, None), next(rest, None), rest


def _is_an_engine(engine: EmbeddedEngine) -> Engine:
    return engine  # checked by mypy: the protocol is kept
