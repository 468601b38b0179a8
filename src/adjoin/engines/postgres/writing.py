"""How rows get in, change and go: statements inside a write transaction.

Batches go by COPY into a temporary table as they come, where they hold no lock that another waits for; then one
statement moves them over. Rows are locked in the order of their keys, so that writers wait for each other but never in
a circle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from adjoin import metadata as metadata_codec
from adjoin.engine import Batch, Mode, Written
from adjoin.engines.postgres import catalogue, rows, schema
from adjoin.engines.postgres.catalogue import Held
from adjoin.engines.postgres.facts import facts
from adjoin.engines.postgres.statements import do, one, run
from adjoin.errors import CollectionReplaced, DimensionMismatch, DuplicateId, NotFound, listed
from adjoin.types import Id

if TYPE_CHECKING:
    from adjoin.engines.postgres.connections import Connection

_COLUMNS = ", ".join(schema.COLUMNS)
_STAGE = """
    CREATE TEMPORARY TABLE IF NOT EXISTS adjoin_stage (
        n bigint, id_key uuid, id_int bigint, id_text bytea, kind smallint, content bytea, metadata text, origin text,
        text_hash bytea, row_hash bytea, truncated boolean, tokens uuid[], orders bytea[], odd boolean, {column}
    ) ON COMMIT DELETE ROWS
"""
_FOLD_AFTER = 64  # lines of `counts`
_SHOWN = 6
_UPDATED_AT_ONCE = 500


class Stage:
    """Batches on their way, in a temporary table of this connection."""

    def __init__(self, connection: Connection, held: Held, mode: Mode) -> None:
        self._connection = connection
        self._held = held
        self._mode = mode
        self._dim = held.spec.dim
        self._half = held.storage == "float16"
        self._rows = 0
        self._gone: list[Id] = []
        self._notes: dict[str, str | None] = {}
        self._table = f"adjoin_stage_{'half' if self._half else 'full'}"

    def put(self, batch: Batch) -> None:
        """Raises as the protocol's `write` does for what can be told from the call alone."""
        if batch.rows:
            self._copy(batch)
        self._gone += batch.delete
        self._notes |= batch.notes

    def _copy(self, batch: Batch) -> None:
        assert batch.vectors is not None
        self._agree_on_dim(batch.vectors.shape[1])
        vectors = rows.rounded(batch.vectors, self._held.storage, self._held.metric)
        blobs = rows.vector_bytes(vectors, self._held.storage)
        encoded = [rows.encode(row, blob) for row, blob in zip(batch.rows, blobs, strict=True)]
        _refuse_repeated([row.id for row in encoded])
        if not self._rows:
            column = "vector halfvec" if self._half else "vector vector"
            do(self._connection, _STAGE.format(column=column).replace("adjoin_stage", self._table))
        statement = f"COPY {self._table} (n, {_COLUMNS}, vector) FROM STDIN (FORMAT binary)".encode()
        with self._connection.cursor().copy(statement) as copy:
            copy.write(rows.COPY_BEGIN)
            odd = rows.odd_ones(vectors, self._held.metric)
            for n, (row, is_odd, blob) in enumerate(zip(encoded, odd, blobs, strict=True), self._rows):
                copy.write(rows.copied(n, row, is_odd, blob))
            copy.write(b"\xff\xff")
        self._rows += len(encoded)

    def _agree_on_dim(self, given: int) -> None:
        if self._dim is None:
            catalogue.check_dim(given)
            self._dim = given
        elif self._held.spec.dim is not None:
            self._held.check_dim(given)
        elif given != self._dim:
            raise DimensionMismatch.of_vector(self._held.name, self._dim, given, str(self._held.spec.embedder))

    def pour(self, location: str, key: int | None = None) -> Written:
        """Move everything over. Raises DuplicateId, NotFound if the collection is gone, CollectionReplaced if it has another
        key."""
        self._refuse_repeated()
        decides = self._held.spec.dim is None and self._dim is not None
        # At once as strong as it will be: two that hold the weaker lock would wait for each other.
        lock = "FOR NO KEY UPDATE" if decides else "FOR KEY SHARE"
        held = catalogue.load(self._connection, self._held.name, location, lock=lock)
        if key is not None and key != held.key:
            raise CollectionReplaced.named(held.name)
        if self._dim is not None and held.spec.dim is None:
            schema.set_dim(self._connection, held.key, held.storage, self._dim)
        elif self._dim is not None:
            held.check_dim(self._dim)
        deleted = delete(self._connection, held, ids=self._gone)
        added, replaced = self._move(held) if self._rows else (0, 0)
        remember(self._connection, held, self._notes)
        changed_count(self._connection, held, added - deleted)
        return Written(added, replaced, self._rows - added - replaced, deleted)

    def _refuse_repeated(self) -> None:
        if self._rows:
            found = run(
                self._connection,
                f"SELECT min(id_int), min(id_text) FROM {self._table} GROUP BY id_key HAVING count(*) > 1 LIMIT {_SHOWN}",
            ).fetchall()
            if found:
                raise DuplicateId.repeated([rows.id_of(*pair) for pair in found])

    def _move(self, held: Held) -> tuple[int, int]:
        """How many were added, and how many replaced."""
        replace = ", ".join(f"{name} = excluded.{name}" for name in ("seq", *schema.COLUMNS[1:], "vector"))
        on_conflict = (
            "NOTHING"
            if self._mode == "add"
            else f"UPDATE SET {replace} WHERE {held.table}.row_hash IS DISTINCT FROM excluded.row_hash"
        )
        added, replaced = one(
            self._connection,
            f"WITH numbered AS MATERIALIZED (SELECT nextval('{held.table}_seqs') AS seq, s.* "
            f"FROM (SELECT * FROM {self._table} ORDER BY n) s), "
            f"moved AS (INSERT INTO {held.table} (seq, {_COLUMNS}, vector) SELECT seq, {_COLUMNS}, vector "
            f"FROM numbered ORDER BY id_key ON CONFLICT (id_key) DO {on_conflict} RETURNING xmax = 0 AS fresh) "
            "SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM moved",
        )
        if self._mode == "add" and added < self._rows:
            found = run(
                self._connection,
                f"SELECT s.id_int, s.id_text FROM {self._table} s JOIN {held.table} r USING (id_key) "
                f"WHERE r.xmin <> pg_current_xact_id()::xid ORDER BY s.n LIMIT {_SHOWN}",
            ).fetchall()
            raise DuplicateId.existing(held.name, [rows.id_of(*pair) for pair in found])
        return added, replaced


def _refuse_repeated(ids: list[Id]) -> None:
    if len(set(ids)) != len(ids):
        raise DuplicateId.repeated([id_ for id_, count in Counter(ids).items() if count > 1])


def changed_count(connection: Connection, held: Held, delta: int) -> None:
    catalogue.add_to_count(connection, held, delta)
    (lines,) = one(connection, "SELECT count(*) FROM counts WHERE collection = %s", (held.key,))
    if lines > _FOLD_AFTER:
        catalogue.fold_counts(connection, held)


def delete(
    connection: Connection, held: Held, *, ids: Iterable[Id] = (), condition: tuple[str, list[Any]] | None = None
) -> int:
    """Remove rows by id or by condition, locked in the order of their keys. The count of the collection is the caller's."""
    keys = rows.id_keys(ids)
    sql, values = condition or ("id_key = ANY(%s)", [keys])
    if condition is None and not keys:
        return 0
    locked = f"SELECT id_key FROM {held.table} WHERE {sql} ORDER BY id_key FOR UPDATE"
    return run(
        connection,
        f"WITH chosen AS MATERIALIZED ({locked}) DELETE FROM {held.table} WHERE id_key IN (SELECT id_key FROM chosen)",
        values,
    ).rowcount


def remember(connection: Connection, held: Held, notes: Mapping[str, str | None]) -> None:
    hashed = sorted((UUID(bytes=rows.id_key(key)), key.encode(), value) for key, value in notes.items())
    gone = [digest for digest, _, value in hashed if value is None]
    kept = [(held.key, digest, key, value.encode()) for digest, key, value in hashed if value is not None]
    if gone:
        run(connection, "DELETE FROM notes WHERE collection = %s AND hash = ANY(%s)", (held.key, gone))
    if kept:
        connection.cursor().executemany(
            "INSERT INTO notes VALUES (%s, %s, %s, %s) ON CONFLICT (collection, hash) DO UPDATE SET value = excluded.value",
            kept,
        )


def update(
    connection: Connection, held: Held, changes: Iterable[tuple[Id, Mapping[str, Any]]], *, replace: bool
) -> int:
    """Merge into, or replace, metadata. Raises NotFound for an id that is not there."""
    total = 0
    missing: list[Id] = []
    asked = list(changes)
    # Locked at once, and so in order; blocks are only for memory.
    keys = rows.id_keys(id_ for id_, _ in asked)
    run(connection, f"SELECT FROM {held.table} WHERE id_key = ANY(%s) ORDER BY id_key FOR UPDATE", (keys,))
    for start in range(0, len(asked), _UPDATED_AT_ONCE):
        block = asked[start : start + _UPDATED_AT_ONCE]
        total += _update_block(connection, held, block, missing, replace=replace)
    if missing:
        raise NotFound(f"collection {held.name!r} has no {listed(missing)}. Nothing of this call was changed.")
    return total


def _update_block(
    connection: Connection,
    held: Held,
    block: list[tuple[Id, Mapping[str, Any]]],
    missing: list[Id],
    *,
    replace: bool,
) -> int:
    found = run(
        connection,
        f"SELECT id_key, kind, content, metadata, origin, vector FROM {held.table} WHERE id_key = ANY(%s)",
        (rows.id_keys(id_ for id_, _ in block),),
    )
    parts = {row[0]: row[1:] for row in found}
    fresh: dict[UUID, str] = {}
    count = 0
    for id_, change in block:
        key = (rows.id_keys([id_]) or [UUID(int=0)])[0]
        if key not in parts:
            missing.append(id_)
            continue
        old = {} if replace else metadata_codec.decode(fresh.get(key, parts[key][2]))
        fresh[key] = metadata_codec.encode({**old, **change})
        count += 1
    values = []
    for key, metadata in fresh.items():
        kind, content, _, origin, vector = parts[key]
        tokens, orders = facts(metadata_codec.decode(metadata))
        row_hash = rows.hash_row(key.bytes, kind, content, metadata, origin, vector)
        values.append((metadata, row_hash, [UUID(bytes=token) for token in tokens], orders, key))
    if values:
        connection.cursor().executemany(
            f"UPDATE {held.table} SET metadata = %s, row_hash = %s, tokens = %s::uuid[], orders = %s::bytea[] "
            "WHERE id_key = %s".encode(),
            values,
        )
    return count
