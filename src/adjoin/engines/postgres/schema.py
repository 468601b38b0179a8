"""The tables, in a schema of their own, and the columns of a collection's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adjoin.engines.postgres import faults
from adjoin.engines.postgres.address import Address
from adjoin.engines.postgres.statements import do, one
from adjoin.errors import NewerFormat, NotAStore, Unsupported

if TYPE_CHECKING:
    from adjoin.engines.postgres.connections import Connection

FORMAT = 1
_TABLES = """
    CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL);
    CREATE TABLE collections (
        key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, metric text NOT NULL,
        dim integer, embedder text, identity text, index_name text NOT NULL, params text NOT NULL, storage text NOT NULL,
        created timestamptz NOT NULL DEFAULT now(), indexed_rows bigint, indexed_seq bigint
    );
    CREATE TABLE counts (collection bigint NOT NULL REFERENCES collections ON DELETE CASCADE, delta bigint NOT NULL);
    CREATE INDEX counts_collection ON counts (collection);
    CREATE TABLE notes (
        collection bigint NOT NULL REFERENCES collections ON DELETE CASCADE, hash uuid NOT NULL, key bytea NOT NULL,
        value bytea NOT NULL, PRIMARY KEY (collection, hash)
    );
    CREATE TABLE measured (
        collection bigint NOT NULL REFERENCES collections ON DELETE CASCADE, live boolean NOT NULL, filtered boolean NOT NULL,
        k integer NOT NULL, dial integer NOT NULL, queries double precision NOT NULL, total double precision NOT NULL,
        squares double precision NOT NULL, PRIMARY KEY (collection, live, filtered, k, dial)
    );
"""
_ROWS = """
    CREATE TABLE rows_{key} (
        seq bigint PRIMARY KEY, id_key uuid NOT NULL UNIQUE, id_int bigint, id_text bytea, kind smallint NOT NULL, content bytea,
        metadata text NOT NULL, origin text, text_hash bytea, row_hash bytea NOT NULL, truncated boolean NOT NULL,
        tokens uuid[] NOT NULL, orders bytea[] NOT NULL, odd boolean NOT NULL, vector {type} NOT NULL
    );
    CREATE SEQUENCE rows_{key}_seqs OWNED BY rows_{key}.seq;
    CREATE INDEX rows_{key}_odd ON rows_{key} (seq) WHERE odd;
    CREATE INDEX rows_{key}_tokens ON rows_{key} USING gin (tokens);
    CREATE INDEX rows_{key}_texts ON rows_{key} (text_hash) WHERE text_hash IS NOT NULL;
"""
COLUMNS = (
    "id_key", "id_int", "id_text", "kind", "content", "metadata", "origin", "text_hash", "row_hash", "truncated", "tokens",
    "orders", "odd",
)  # fmt: skip
"""Of a row on its way in, after its number and before its vector."""

_INLINE_BYTES = 7200  # a vector up to here stays in its row, where a scan finds it without a detour


def search_path(connection: Connection, address: Address) -> str:
    """Our schema, then the one that pgvector is in. Raises Unsupported where there is none."""
    row = connection.execute(
        "SELECT quote_ident(n.nspname), current_setting('server_encoding') FROM pg_extension e "
        "JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'"
    ).fetchone()
    if row is None:
        known = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'").fetchone()
        raise faults.no_extension(address.shown, on_server=known is not None)
    if row[1] != "UTF8":
        raise Unsupported(
            f"the database {address.shown} is encoded in {row[1]}, which has not all characters. "
            "Create one with ENCODING 'UTF8'."
        )
    return f'"{address.schema}", {row[0]}'


def prepare(connection: Connection, address: Address) -> None:
    """Make the tables if they are not there, inside a transaction. Raises NewerFormat or NotAStore."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"adjoin {address.schema}",))
    found = one(
        connection,
        "SELECT to_regclass(%s)::text, to_regnamespace(%s)::text",
        (f"{address.schema}.meta", address.schema),
    )
    if found[0] is None:
        if found[1] is None:
            do(connection, f'CREATE SCHEMA "{address.schema}"')
        elif one(
            connection, "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(%s)", (address.schema,)
        )[0]:
            raise NotAStore(
                f"the schema {address.schema!r} of {address.shown} holds something else. Name another: ?schema=…"
            )
        do(connection, _TABLES)
        connection.execute("INSERT INTO meta VALUES ('format', %s)", (str(FORMAT),))
    row = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    if row is None or not row[0].isdecimal():
        raise NotAStore(f"the schema {address.schema!r} of {address.shown} says no format; it is none of adjoin's.")
    if int(row[0]) > FORMAT:
        raise NewerFormat(
            f"{address.shown} has format {row[0]}; this adjoin knows up to {FORMAT}. Upgrade: pip install -U adjoin"
        )


def vector_type(storage: str, dim: int | None) -> str:
    kind = "halfvec" if storage == "float16" else "vector"
    return kind if dim is None else f"{kind}({dim})"


def make_rows(connection: Connection, key: int, storage: str, dim: int | None) -> None:
    do(connection, _ROWS.format(key=key, type=vector_type(storage, dim)))
    if dim is not None:
        _keep_inline(connection, key, storage, dim)


def set_dim(connection: Connection, key: int, storage: str, dim: int) -> None:
    """Of a collection that has no rows yet."""
    connection.execute("UPDATE collections SET dim = %s WHERE key = %s", (dim, key))
    do(connection, f"ALTER TABLE rows_{key} ALTER vector TYPE {vector_type(storage, dim)}")
    _keep_inline(connection, key, storage, dim)


def _keep_inline(connection: Connection, key: int, storage: str, dim: int) -> None:
    if dim * (2 if storage == "float16" else 4) <= _INLINE_BYTES:
        do(connection, f"ALTER TABLE rows_{key} ALTER vector SET STORAGE PLAIN")
