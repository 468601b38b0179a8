"""The PostgreSQL engine, method by method as in `adjoin.engine.Engine`."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from adjoin.engine import Abilities, Batch, CollectionSpec, Engine, Found, Mode, SearchRequest, Written
from adjoin.engines.postgres import catalogue, checking, measuring, nearby, rows, schema, writing
from adjoin.engines.postgres.address import Address
from adjoin.engines.postgres.catalogue import Held
from adjoin.engines.postgres.connections import Connections
from adjoin.engines.postgres.facts import Sql, as_sql
from adjoin.engines.postgres.measuring import Curve
from adjoin.engines.postgres.searching import Many, Searcher, search
from adjoin.engines.postgres.statements import do, one, run
from adjoin.errors import CollectionReplaced, DuplicateId, NotFound, StoreClosed, StoreError, Unsupported
from adjoin.filters import OPERATORS, parse
from adjoin.types import METRICS, Diagnosis, Document, Erased, Finding, Id, Progress, RecallReport, Where

if TYPE_CHECKING:
    from adjoin.types import Floats

_log = logging.getLogger(__name__)

_SCAN_ROWS = 512


class PostgresEngine:
    """Collections in a PostgreSQL database with pgvector, for many processes that write and read at once."""

    abilities: ClassVar[Abilities] = Abilities(
        metrics=frozenset(METRICS),
        filters=frozenset(OPERATORS),
        durable=True,
        atomic=True,
        writers="many",
        indexes=frozenset(catalogue.INDEXES),
        storage=frozenset(catalogue.STORAGE),
        gaps={
            "E2": ("never", "the server's files, its write-ahead log, replicas and backups are not ours to read"),
            "B1": ("never", "a server is backed up by its own tools: pg_dump, pg_basebackup"),
        },
    )

    def __init__(self, url: str, *, write_timeout_s: float = 30.0) -> None:
        """url: as libpq takes it, and in its query `schema=` (adjoin) and `exact_below=` (10000). Makes its tables on first use.

        Raises StoreError where there is no such server or database, Unsupported where it has no pgvector, NewerFormat,
        NotAStore for a schema that holds something else, and MissingExtra without psycopg.
        """
        address = Address.of(url)
        self.location = address.shown
        self._exact_below = address.exact_below
        self._connections = Connections(address, write_timeout_s=write_timeout_s)
        self._sampled = checking.Sampled()
        self._many = Many()
        try:
            with self._connections.write() as connection:
                schema.prepare(connection, address)
        except BaseException:
            self._connections.close()
            raise

    # Collections

    def collections(self) -> list[CollectionSpec]:
        with self._connections.read() as connection:
            return [held.spec for held in catalogue.every(connection)]

    def spec(self, name: str) -> CollectionSpec | None:
        with self._connections.read() as connection:
            held = catalogue.find(connection, name)
            return held.spec if held else None

    def create(self, spec: CollectionSpec) -> CollectionSpec:
        with self._connections.write() as connection:
            held = catalogue.find(connection, spec.name)
            if held is not None:
                return held.spec
            catalogue.check(spec)
            made = run(
                connection,
                "INSERT INTO collections (name, metric, dim, embedder, identity, index_name, params, storage) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING RETURNING key",
                (spec.name, spec.metric, spec.dim, spec.embedder, spec.identity, spec.index,
                 json.dumps(dict(spec.params)), spec.storage),
            ).fetchone()  # fmt: skip
            if made is not None:
                schema.make_rows(connection, made[0], spec.storage, spec.dim)
            return catalogue.load(connection, spec.name, self.location).spec

    def drop(self, name: str) -> None:
        with self._connections.write() as connection:
            held = catalogue.load(connection, name, self.location, lock="FOR UPDATE")
            do(connection, f"DROP TABLE {held.table}")
            run(connection, "DELETE FROM collections WHERE key = %s", (held.key,))

    def version(self, name: str) -> str:
        with self._connections.read() as connection:
            return catalogue.version(connection, catalogue.load(connection, name, self.location))

    def rename(self, names: Mapping[str, str], *, unchanged: Mapping[str, str]) -> bool:
        with self._connections.write() as connection:
            found = {
                name: catalogue.load(connection, name, self.location, lock="FOR UPDATE")
                for name in sorted({*names, *unchanged})
            }
            for held in found.values():  # what is being written ends first, and nothing else begins
                do(connection, f"LOCK TABLE {held.table} IN SHARE MODE")
            if any(catalogue.version(connection, found[name]) != version for name, version in unchanged.items()):
                return False
            for name in names:
                run(connection, "UPDATE collections SET name = %s WHERE key = %s", (f"\1{name}", found[name].key))
            for name, new in names.items():
                if catalogue.find(connection, new) is not None:
                    raise DuplicateId(f"there is a collection {new!r} already, so none was renamed.")
                run(connection, "UPDATE collections SET name = %s WHERE key = %s", (new, found[name].key))
        return True

    # Writing

    def write(self, name: str, batches: Iterable[Batch], *, mode: Mode, key: int | None = None) -> Written:
        with self._connections.write() as connection:
            stage = writing.Stage(connection, catalogue.load(connection, name, self.location), mode)
            for batch in batches:
                stage.put(batch)
            return stage.pour(self.location, key)

    def update(self, name: str, changes: Iterable[tuple[Id, Mapping[str, Any]]], *, replace: bool) -> int:
        with self._connections.write() as connection:
            held = catalogue.load(connection, name, self.location, lock="FOR KEY SHARE")
            return writing.update(connection, held, changes, replace=replace)

    def delete(self, name: str, *, ids: Sequence[Id] | None = None, where: Where | None = None) -> int:
        condition = as_sql(parse(where)) if ids is None else None
        with self._connections.write() as connection:
            held = catalogue.load(connection, name, self.location, lock="FOR KEY SHARE")
            deleted = writing.delete(connection, held, ids=ids or (), condition=condition)
            writing.changed_count(connection, held, -deleted)
            return deleted

    # Reading

    def get(self, name: str, ids: Sequence[Id], *, with_vectors: bool = False) -> list[Document]:
        with self._connections.read() as connection:
            held = catalogue.load(connection, name, self.location)
            sql = f"SELECT {rows.DOCUMENT_COLUMNS} FROM {held.table} WHERE id_key = ANY(%s)"
            documents = [
                rows.decode(row, self.location, held.storage, with_vector=with_vectors)
                for row in run(connection, sql, (rows.id_keys(ids),))
            ]
        by_id = {document.id: document for document in documents}
        return [by_id[id_] for id_ in ids if id_ in by_id]

    def count(self, name: str, where: Where | None = None) -> int:
        sql, values = _condition(where)
        with self._connections.read() as connection:
            held = catalogue.load(connection, name, self.location)
            if where is None:
                return catalogue.count(connection, held)
            return int(one(connection, f"SELECT count(*) FROM {held.table} WHERE {sql}", values)[0])

    def scan(self, name: str, where: Where | None = None, *, with_vectors: bool = False) -> Iterator[Document]:
        sql, values = _condition(where)
        with self._connections.read() as connection:
            held = catalogue.load(connection, name, self.location)
            with connection.cursor(name="adjoin_scan") as cursor:
                chosen = f"SELECT {rows.DOCUMENT_COLUMNS} FROM {held.table} WHERE {sql} ORDER BY seq"
                cursor.execute(chosen.encode(), values, binary=True)
                while block := cursor.fetchmany(_SCAN_ROWS):
                    for row in block:
                        yield rows.decode(row, self.location, held.storage, with_vector=with_vectors)

    def search(self, name: str, request: SearchRequest) -> list[Found]:
        began = time.perf_counter()
        parse(request.where)
        with self._connections.read() as connection:
            held = catalogue.load(connection, name, self.location)
            if request.key is not None and request.key != held.key:
                raise CollectionReplaced.named(name)
            held.check_dim(request.vectors.shape[1])
            searcher = Searcher(connection, held, request.where, self._exact_below, self._many)
            found, curve = search(searcher, request, self.location, (time.perf_counter() - began) * 1000)
        self._sampled.add(held.key, request)
        if curve is not None and curve.fresh:
            self._keep(held, curve)
        return found

    def _keep(self, held: Held, curve: Curve) -> None:
        """What is not kept, on a standby for one, is measured again."""
        try:
            with self._connections.write() as connection:
                measuring.keep(connection, held, curve)
        except StoreClosed:
            raise
        except (StoreError, NotFound) as exc:
            _log.debug("what was measured of %r is not kept: %s", held.name, exc)

    def known_vectors(self, name: str, text_hashes: Sequence[bytes]) -> dict[bytes, Floats]:
        with self._connections.read() as connection:
            held = catalogue.load(connection, name, self.location)
            sql = f"SELECT text_hash, vector FROM {held.table} WHERE text_hash = ANY(%s::bytea[])"
            found = run(connection, sql, (list(dict.fromkeys(text_hashes)),)).fetchall()
        return {text_hash: rows.vectors_of([blob], held.storage)[0] for text_hash, blob in found}

    def notes(self, name: str, prefix: str = "") -> dict[str, str]:
        with self._connections.read() as connection:
            held = catalogue.load(connection, name, self.location)
            start = prefix.encode()
            sql = "SELECT key, value FROM notes WHERE collection = %s AND substring(key FROM 1 FOR %s) = %s::bytea"
            found = run(connection, sql, (held.key, len(start), start)).fetchall()
        return {key.decode(): value.decode() for key, value in found}

    def stats(self, name: str) -> dict[str, Any]:
        with self._connections.read() as connection:
            held = catalogue.load(connection, name, self.location)
            count, truncated, content, metadata, vectors, later, store, index = one(
                connection,
                "SELECT count(*), count(*) FILTER (WHERE truncated), coalesce(sum(octet_length(content)), 0)::bigint, "
                "coalesce(sum(octet_length(metadata)), 0)::bigint, coalesce(sum(pg_column_size(vector)), 0)::bigint, "
                "count(*) FILTER (WHERE seq > %s), pg_total_relation_size(to_regclass(%s)), "
                f"pg_relation_size(to_regclass(%s)) FROM {held.table}",
                (held.indexed_seq or 0, held.table, f"{held.table}_near"),
            )
            measured = run(
                connection,
                "SELECT live, filtered, k, dial, queries::integer, total / queries FROM measured WHERE collection = %s ORDER BY 1, 2, 3, 4",
                (held.key,),
            ).fetchall()
        columns = ("live", "filtered", "k", "dial", "queries", "recall")
        return {
            "documents": count, "tail": later, "segments": int(held.has_index), "tombstones": 0, "truncated": truncated,
            "bytes": {"content": content, "metadata": metadata, "vectors": vectors, "index": index or 0},
            "store_bytes": store, "measured": [dict(zip(columns, line, strict=True)) for line in measured],
        }  # fmt: skip

    # Looking after it

    def optimize(self, name: str, *, progress: Progress | None = None) -> None:
        with self._connections.read() as connection:
            held = catalogue.load(connection, name, self.location)
        with self._connections.write() as connection:
            catalogue.fold_counts(connection, held)
        nearby.build(self._connections, held, self._exact_below, progress)
        with self._connections.read() as connection:
            held = catalogue.load(connection, name, self.location)
            curves = (
                measuring.on_held_out_rows(Searcher(connection, held, None, self._exact_below))
                if held.has_index
                else []
            )
        with self._connections.write() as connection:
            run(connection, "DELETE FROM measured WHERE collection = %s AND NOT live", (held.key,))
            for curve in curves:
                measuring.keep(connection, held, curve, live=False)

    def erase(self, name: str, *, ids: Sequence[Id] | None = None, where: Where | None = None) -> Erased:
        """Delete, and write the table anew, so that its files hold no dead row. It is locked meanwhile.

        Not erased: what the write-ahead log, replicas and backups of the server still have. See the gap E2.
        """
        deleted = self.delete(name, ids=ids, where=where)
        with self._connections.outside() as connection:
            held = catalogue.load(connection, name, self.location)
            do(connection, f"VACUUM (FULL, ANALYZE) {held.table}")
        return Erased(deleted)

    def recall(self, name: str, *, k: int, budget_s: float) -> RecallReport:
        with self._connections.read() as connection:
            held = catalogue.load(connection, name, self.location)
            return checking.measure(connection, held, self._sampled.of(held.key), k, budget_s, self._exact_below)

    def live_queries(self, name: str) -> Floats | None:
        with self._connections.read() as connection:
            key = catalogue.load(connection, name, self.location).key
        return self._sampled.unfiltered(key)

    def backup(self, path: Path) -> None:
        self._connections.refuse_closed()
        raise Unsupported(
            f"{self.location} is a server's: back it up with pg_dump, for one. To copy collections into a folder, "
            "write those of db.collection(…).scan(vectors=True) into one."
        )

    def doctor(self, *, repair: bool = False) -> Diagnosis:
        findings: list[Finding] = []
        with self._connections.read() as connection:
            names = [held.name for held in catalogue.every(connection)]
            amcheck = checking.has_amcheck(connection)
            findings += checking.server_findings(connection)
        for name in names:
            with self._connections.write() if repair else self._connections.read() as connection:
                held = catalogue.find(connection, name, lock="FOR UPDATE" if repair else "")
                if held is not None:
                    findings += checking.examine(connection, held, self.location, repair=repair)
            if held is not None:
                with self._connections.outside() as connection:
                    findings += checking.examine_indexes(connection, held, repair=repair)
        looked = ["every row against its hash", "what filters look at", "counts", "that indexes are whole"]
        looked += ["indexes by amcheck"] if amcheck else []
        return Diagnosis(tuple(findings), tuple(looked))

    def rows_without_vectors(self, name: str, ids: Sequence[Id]) -> list[Document]:
        return self.get(name, ids)  # a row and its vector are one here

    def close(self) -> None:
        self._connections.close()


def _condition(where: Where | None) -> Sql:
    return ("TRUE", []) if where is None else as_sql(parse(where))


def _is_an_engine(engine: PostgresEngine) -> Engine:
    return engine  # checked by mypy: the protocol is kept
