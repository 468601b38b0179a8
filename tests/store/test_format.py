"""docs/format.md is true: a reader written from it, without adjoin, reads what adjoin wrote; and format 1 opens for ever."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoin
from adjoin.testing import TinyEmbedder
from tests.support.format_fixture import FIXTURES, NOTE, ROWS, TEXTS, make
from tests.support.stores import ROOT, files

PAGE = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
FORMATS = sorted(FIXTURES.glob("format-*"))


@pytest.fixture(params=["just made", *(path.name for path in FORMATS)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    if request.param == "just made":
        make(folder)
    else:
        shutil.copytree(FIXTURES / request.param, folder)
    return folder


# ---------------------------------------------------------------- the reader from the page


def connect(folder: Path) -> sqlite3.Connection:
    header = (folder / "adjoin.db").read_bytes()[:100]
    assert header[:16] == b"SQLite format 3\0"
    assert struct.unpack(">I", header[60:64]) == (1,)
    assert struct.unpack(">I", header[68:72]) == (0x61646A6E,)
    database = sqlite3.connect(folder / "adjoin.db")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    return database


def untagged(found: dict[str, Any]) -> Any:
    if len(found) == 1:
        ((key, value),) = found.items()
        if key == "$datetime":
            return datetime.fromisoformat(value)
        if key == "$date":
            return date.fromisoformat(value)
        if key == "$float":
            return float(value)
        if key == "$int":
            return int(value, 16)
    return found


def read(text: str) -> Any:
    return json.loads(text, object_hook=untagged)


def hashed(id_: Any, kind: int, content: Any, metadata: str, origin: str | None, vector: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    content = b"" if content is None else content.encode() if isinstance(content, str) else content
    name = f"s{id_}" if isinstance(id_, str) else f"i{id_}"
    for part in (name.encode(), str(kind).encode(), content, metadata.encode(), (origin or "").encode(), vector):
        digest.update(struct.pack("<Q", len(part)) + part)
    return digest.digest()


def documents(
    database: sqlite3.Connection, name: str
) -> Iterator[tuple[Any, Any, dict[str, Any], tuple[float, ...], Any]]:
    key, dim = database.execute("SELECT key, dim FROM collections WHERE name = ?", (name,)).fetchone()
    for seq, id_, kind, content, metadata, origin, row_hash in database.execute(
        "SELECT seq, id, kind, content, metadata, origin, row_hash FROM documents WHERE collection = ? ORDER BY seq",
        (key,),
    ).fetchall():
        (vector,) = database.execute("SELECT vector FROM vectors WHERE seq = ?", (seq,)).fetchone()
        assert row_hash == hashed(id_, kind, content, metadata, origin, vector)
        shown = {0: lambda _: None, 1: str, 2: bytes, 3: read}[kind](content)
        yield id_, shown, read(metadata), struct.unpack(f"<{dim}f", vector), json.loads(origin) if origin else None


def test_a_reader_written_from_the_page_reads_every_row(store: Path) -> None:
    with closing(connect(store)) as database:
        found = list(documents(database, "rows"))
        assert [(type(id_), id_, content, metadata) for id_, content, metadata, _, _ in found] == [
            (type(id_), id_, content, metadata) for id_, content, metadata, _, _ in ROWS
        ]
        for (_, _, _, vector, origin), (_, _, _, given, said) in zip(found, ROWS, strict=True):
            assert vector == tuple(np.array(given, np.float32).tolist())
            assert origin == (said.to_dict() if said else None)
        assert math.copysign(1, found[-1][2]["zero"]) == -1


def test_a_reader_written_from_the_page_reads_collections_notes_and_texts(store: Path) -> None:
    with closing(connect(store)) as database:
        rows = database.execute(
            "SELECT name, metric, dim, embedder, index_name, documents, removals, revisions FROM collections ORDER BY key"
        ).fetchall()
        assert rows[0] == ("rows", "euclidean", 3, None, "auto", 6, 1, 1)
        assert rows[1] == ("글", "cosine", 64, "object:TinyEmbedder", "auto", 2, 0, 0)
        assert rows[2] == ("empty", "dot", None, None, "auto", 0, 0, 0)
        versions = [version for (version,) in database.execute("SELECT version FROM collections ORDER BY key")]
        assert versions == [4, 1, 0]
        for (created,) in database.execute("SELECT created FROM collections"):
            assert datetime.fromisoformat(created).utcoffset() is not None
        identity = json.loads(database.execute("SELECT identity FROM collections WHERE key = 2").fetchone()[0])
        assert identity["dim"] == 64
        assert [(id_, text) for id_, text, *_ in documents(database, "글")] == list(TEXTS.items())
        hashes = dict(database.execute("SELECT id, text_hash FROM documents WHERE collection = 2"))
        assert hashes == {id_: hashlib.blake2b(text.encode(), digest_size=16).digest() for id_, text in TEXTS.items()}
        notes = database.execute("SELECT collection, key, value FROM notes").fetchall()
        assert [(key, name, json.loads(value)) for key, name, value in notes] == [(2, "source:/docs/a.md", NOTE)]
        for table in ("segments", "tombstones"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_adjoin_reads_every_format_there_was(store: Path) -> None:
    with adjoin.open(store, create=False) as db:
        assert db.collections() == ["empty", "rows", "글"]
        rows = db.collection("rows")
        found = list(rows.scan(vectors=True))
        assert [(d.id, d.content, d.metadata, d.origin) for d in found] == [(i, c, m, o) for i, c, m, _, o in ROWS]
        assert rows.search([1.0, 0.0, 0.5], k=2).ids == ["1", 1]
        assert rows.count({"year": 2024}) == 2
        assert db.collection("글", embedder=TinyEmbedder()).search("cats on a mat", k=1).ids == ["cat"]
        rows.upsert(["new"], ids=["1"], vectors=[[0.0, 0.0, 0.0]])
        assert rows.search([0.0, 0.0, 0.0], k=1)[0].content == "new"
    with closing(connect(store)) as database:
        assert [id_ for id_, *_ in documents(database, "rows")][-1] == "1"


def test_reading_changes_nothing_of_the_file(store: Path) -> None:
    before = files(store)
    with adjoin.open(store, create=False) as db:
        assert len(list(db.collection("rows").scan())) == 6
        db.collection("rows").search([1.0, 0.0, 0.5])
    assert files(store) == before


def test_the_page_names_every_table_and_column() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        from adjoin.store.schema import APPLICATION_ID, MIGRATIONS, VERSION

        for migration in MIGRATIONS:
            database.executescript(migration)
        assert f"0x{APPLICATION_ID:08X}" in PAGE
        assert f"**format {VERSION}**" in PAGE
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in (name for name in tables if not name.startswith("sqlite_")):
            (section,) = re.findall(rf"### [^\n]*`{table}`.*?(?=\n##|\Z)", PAGE, re.DOTALL)
            if "Empty in format 1" in section:
                continue
            for _, column, *_ in database.execute(f"PRAGMA table_info({table})"):
                assert f"`{column}`" in section, f"{table}.{column}"
        for (index,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"):
            assert f"`{index} " in PAGE


def test_the_fixtures_are_small_and_there_is_one_for_each_format() -> None:
    from adjoin.store.schema import VERSION

    assert [path.name for path in FORMATS] == [f"format-{number}" for number in range(1, VERSION + 1)]
    assert sum(file.stat().st_size for path in FORMATS for file in path.rglob("*")) < 200_000 * len(FORMATS)
