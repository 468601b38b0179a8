"""The tables of adjoin.db, and the way from each version to the next. docs/format.md says what they mean."""

from __future__ import annotations

import apsw

APPLICATION_ID = 0x61646A6E  # "adjn", at offset 68 of the file: how a store is told from other SQLite files

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE collections (
        key       INTEGER PRIMARY KEY AUTOINCREMENT,
        name      TEXT NOT NULL UNIQUE,
        metric    TEXT NOT NULL,
        dim       INTEGER,
        embedder  TEXT,
        identity  TEXT,
        index_name TEXT NOT NULL,
        created   TEXT NOT NULL,
        documents INTEGER NOT NULL DEFAULT 0,
        version   INTEGER NOT NULL DEFAULT 0,
        removals  INTEGER NOT NULL DEFAULT 0,
        revisions INTEGER NOT NULL DEFAULT 0
    ) STRICT;

    CREATE TABLE documents (
        seq        INTEGER PRIMARY KEY AUTOINCREMENT,
        collection INTEGER NOT NULL REFERENCES collections (key),
        id         ANY NOT NULL,
        kind       INTEGER NOT NULL,
        content    ANY,
        metadata   TEXT NOT NULL,
        origin     TEXT,
        text_hash  BLOB,
        row_hash   BLOB NOT NULL,
        truncated  INTEGER NOT NULL DEFAULT 0,
        UNIQUE (collection, id)
    ) STRICT;
    CREATE INDEX documents_by_collection ON documents (collection);
    CREATE INDEX documents_by_text ON documents (collection, text_hash) WHERE text_hash IS NOT NULL;

    CREATE TABLE vectors (
        seq    INTEGER PRIMARY KEY REFERENCES documents (seq),
        vector BLOB NOT NULL
    ) STRICT;

    CREATE TABLE segments (
        id         TEXT PRIMARY KEY,
        collection INTEGER NOT NULL REFERENCES collections (key),
        manifest   TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE tombstones (
        segment TEXT NOT NULL REFERENCES segments (id),
        seq     INTEGER NOT NULL,
        PRIMARY KEY (segment, seq)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE notes (
        collection INTEGER NOT NULL REFERENCES collections (key),
        key        TEXT NOT NULL,
        value      TEXT NOT NULL,
        PRIMARY KEY (collection, key)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE collections ADD COLUMN params TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE collections ADD COLUMN storage TEXT NOT NULL DEFAULT 'float32';
    ALTER TABLE collections ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE collections ADD COLUMN segments INTEGER NOT NULL DEFAULT 0;

    DROP TABLE tombstones;
    DROP TABLE segments;

    CREATE TABLE segments (
        id         TEXT PRIMARY KEY,
        collection INTEGER NOT NULL REFERENCES collections (key),
        first      INTEGER NOT NULL,
        last       INTEGER NOT NULL,
        rows       INTEGER NOT NULL,
        manifest   TEXT NOT NULL,
        digest     BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX segments_by_collection ON segments (collection, first);

    CREATE TABLE changes (
        n          INTEGER PRIMARY KEY AUTOINCREMENT,
        collection INTEGER NOT NULL REFERENCES collections (key),
        seq        INTEGER NOT NULL,
        kind       INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX changes_by_row ON changes (collection, seq);

    CREATE INDEX documents_by_order ON documents (collection, seq);
    DROP INDEX documents_by_collection;
    """,
)

VERSION = len(MIGRATIONS)


def version_of(connection: apsw.Connection) -> int:
    return int(connection.pragma("user_version"))


def migrate(connection: apsw.Connection) -> None:
    """Bring a database, empty or of an older version, to this version, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(version_of(connection), VERSION):
            connection.execute(MIGRATIONS[number])
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
