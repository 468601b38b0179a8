"""docs/format.md is true: a reader written from it, without adjoin, reads what adjoin wrote; and every format opens for ever."""

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
import xxhash

import adjoin
from adjoin.testing import TinyEmbedder
from tests.support.format_fixture import FAMILIES, FIXTURES, NOTE, ROWS, TEXTS, make, points
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
    assert struct.unpack(">I", header[60:64])[0] in (1, 2)
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
    sealed = dict(sealed_vectors(database, key))
    for seq, id_, kind, content, metadata, origin, row_hash in database.execute(
        "SELECT seq, id, kind, content, metadata, origin, row_hash FROM documents WHERE collection = ? ORDER BY seq",
        (key,),
    ).fetchall():
        vector = sealed.get(seq)
        if vector is None:
            (vector,) = database.execute("SELECT vector FROM vectors WHERE seq = ?", (seq,)).fetchone()
        assert row_hash == hashed(id_, kind, content, metadata, origin, vector)
        shown = {0: lambda _: None, 1: str, 2: bytes, 3: read}[kind](content)
        yield id_, shown, read(metadata), struct.unpack(f"<{dim}f", vector), json.loads(origin) if origin else None


def sealed_vectors(database: sqlite3.Connection, key: int) -> Iterator[tuple[int, bytes]]:
    """(seq, record) of every row in a segment, after all that the page says of its files was checked."""
    if database.execute("PRAGMA user_version").fetchone() == (1,):
        return
    (_, _, path), *_ = database.execute("PRAGMA database_list").fetchall()
    sql = "SELECT id, first, last, rows, manifest, digest FROM segments WHERE collection = ? ORDER BY first"
    for segment, first, last, rows, text, digest in database.execute(sql, (key,)).fetchall():
        assert xxhash.xxh3_128_digest(text.encode()) == digest
        manifest = json.loads(text)
        content = {}
        for name, (size, xxh3) in manifest["files"].items():
            content[name] = (Path(path).parent / "segments" / segment / name).read_bytes()
            assert (len(content[name]), xxhash.xxh3_128_hexdigest(content[name])) == (size, xxh3)
        seqs = np.frombuffer(content["seqs"], "<i8")
        assert (seqs[0], seqs[-1], len(seqs)) == (first, last, rows)
        assert (np.diff(seqs) > 0).all()
        check_guards(content["vectors"], content["vectors.blocks"], content["vectors.parity"])
        dim = manifest["dim"]
        record = {"float32": 4 * dim, "float16": 2 * dim, "int8": 4 + dim}[manifest["storage"]]
        assert len(content["vectors"]) == rows * record
        for i, seq in enumerate(seqs.tolist()):
            yield seq, content["vectors"][i * record : (i + 1) * record]


def check_guards(vectors: bytes, blocks: bytes, parity: bytes) -> None:
    parts = [vectors[start : start + 65_536] for start in range(0, len(vectors), 65_536)]
    assert blocks == b"".join(xxhash.xxh3_64_digest(part) for part in parts)
    for group in range(0, len(parts), 64):
        joined = np.zeros(len(parts[group]), np.uint8)
        for part in parts[group : group + 64]:
            joined[: len(part)] ^= np.frombuffer(part, np.uint8)
        assert parity[group // 64 * 65_536 : (group // 64 + 1) * 65_536] == joined.tobytes()


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
        versions = [version for (version,) in database.execute("SELECT version FROM collections ORDER BY key LIMIT 3")]
        assert versions in ([4, 1, 0], [6, 1, 0])  # sealing is a change too
        for (created,) in database.execute("SELECT created FROM collections"):
            assert datetime.fromisoformat(created).utcoffset() is not None
        identity = json.loads(database.execute("SELECT identity FROM collections WHERE key = 2").fetchone()[0])
        assert identity["dim"] == 64
        assert [(id_, text) for id_, text, *_ in documents(database, "글")] == list(TEXTS.items())
        hashes = dict(database.execute("SELECT id, text_hash FROM documents WHERE collection = 2"))
        assert hashes == {id_: hashlib.blake2b(text.encode(), digest_size=16).digest() for id_, text in TEXTS.items()}
        notes = database.execute("SELECT collection, key, value FROM notes").fetchall()
        assert [(key, name, json.loads(value)) for key, name, value in notes] == [(2, "source:/docs/a.md", NOTE)]


def test_adjoin_reads_every_format_there_was(store: Path) -> None:
    with adjoin.open(store, create=False) as db:
        assert {"empty", "rows", "글"} <= set(db.collections())
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


def test_every_family_of_index_that_was_ever_written_is_read(store: Path) -> None:
    with adjoin.open(store, create=False) as db:
        for name in FAMILIES.keys() & set(db.collections()):
            rows = db.collection(name)
            [part] = rows.stats()["parts"]
            assert part["index"] == name
            assert db._engine._states[_key_of(db, name)]._parts[0].segment.load_index() is not None  # type: ignore[attr-defined]
            for query in points()[:20]:
                near = rows.search(query, k=5)
                assert near.ids == rows.search(query, k=5, exact=True).ids
        assert db.doctor().healthy


def _key_of(db: adjoin.Database, name: str) -> int:
    with closing(sqlite3.connect(Path(db.location) / "adjoin.db")) as database:
        return int(database.execute("SELECT key FROM collections WHERE name = ?", (name,)).fetchone()[0])


def test_a_store_of_an_earlier_format_is_brought_to_this_one_when_it_is_opened(tmp_path: Path) -> None:
    from adjoin.store.schema import VERSION

    for path in FORMATS:
        shutil.copytree(path, tmp_path / path.name)
        adjoin.open(tmp_path / path.name, create=False).close()
        with closing(sqlite3.connect(tmp_path / path.name / "adjoin.db")) as database:
            assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_reading_changes_nothing_of_the_file(store: Path) -> None:
    adjoin.open(store, create=False).close()  # an earlier format is brought to this one
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
    assert sum(file.stat().st_size for path in FORMATS for file in path.rglob("*")) < 250_000 * len(FORMATS)
