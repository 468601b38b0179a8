"""Opening what is not a store, or no longer a whole one, says so and changes nothing."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import apsw
import numpy as np
import pytest

import adjoin
from adjoin.errors import (
    AdjoinError,
    InvalidOption,
    NewerFormat,
    NotAStore,
    NotFound,
    StoreCorrupted,
    StoreError,
    Unsupported,
)
from adjoin.store import schema
from adjoin.store.checks import checked_vfs
from tests.support.stores import ROOT, contents, files, python, vectors


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two thousand rows in a closed store."""
    folder = tmp_path / "s.adjoin"
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None, metric="cosine")
        items = [f"row {n} " + "words and words " * 10 for n in range(2000)]
        rows.add(items, ids=[f"id{n}" for n in range(2000)], metadata=[{"n": n} for n in range(2000)],
                 vectors=vectors(2000, dim=32))  # fmt: skip
    return folder


def refused(folder: Path, kind: type[AdjoinError], match: str) -> None:
    """Opening raises, twice over, and nothing below the folder's parent is touched."""
    before = files(folder.parent)
    for create in (True, False):
        with pytest.raises(kind, match=match):
            adjoin.open(folder, create=create)
        assert files(folder.parent) == before


@pytest.mark.slow
def test_a_folder_with_other_files_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    refused(tmp_path, NotAStore, r"holds other files \(notes.txt\) and no adjoin.db.*was not changed")


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused(tmp_path / "file", NotAStore, "is a file. An adjoin store is a folder")


def test_a_path_below_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="cannot be opened: Not a directory"):
        adjoin.open(tmp_path / "file" / "s")
    with pytest.raises(NotFound):
        adjoin.open(tmp_path / "file" / "s", create=False)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_named_adjoin_db_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "s" / "adjoin.db").mkdir(parents=True)
    refused(tmp_path / "s", NotAStore, "is a folder, so .* is not an adjoin store")


def test_a_path_where_nothing_is_can_be_refused_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no adjoin store at .*nowhere"):
        adjoin.open(tmp_path / "nowhere", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_made_leaves_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="File name too long"):
        adjoin.open(tmp_path / "a" / ("x" * 300))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    with adjoin.open(tmp_path) as db:
        assert db.collections() == []


@pytest.mark.parametrize("name", ["빈 폴더", "100%?#&", "file:x", ":memory:", "a\nb", "😀", "-wal", "e\u0301"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    with adjoin.open(tmp_path / name) as db:
        db.collection("c", embedder=None).add(vectors=[[1.0]], ids=["a"])
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with adjoin.open(tmp_path / name, create=False) as db:
        assert db.collection("c").count() == 1


def test_a_relative_path_stays_where_it_was_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with adjoin.open("s") as db:
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
        db.collection("c", embedder=None).add(vectors=[[1.0]], ids=["a"])
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize("target", ["", "  ", None, 3, b"s", "a\0b", "caf\udce9", ["s"]])
def test_what_is_no_path_is_refused(target: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidOption, match=r"open\(\) takes a path or a URL"):
        adjoin.open(target)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("timeout", [-1, float("nan"), "30", None, True])
def test_a_write_timeout_that_is_no_time_is_refused(timeout: object) -> None:
    with pytest.raises(InvalidOption, match="write_timeout_s is a number of seconds, 0 or more"):
        adjoin.open("memory://", write_timeout_s=timeout)  # type: ignore[arg-type]


def test_a_write_timeout_may_be_endless(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s", write_timeout_s=float("inf")) as db:
        assert db.collection("c", embedder=None).add(vectors=[[1.0]], ids=["a"]) == ["a"]


def test_a_scheme_that_nothing_serves_is_named() -> None:
    with pytest.raises(Unsupported, match=r"no installed engine opens nosuch://\. Known: .*memory://"):
        adjoin.open("nosuch://host/db")


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    other = sqlite3.connect(folder / "adjoin.db")
    other.executescript("CREATE TABLE photos (x); INSERT INTO photos VALUES (1); PRAGMA journal_mode = WAL;")
    other.close()
    refused(folder, NotAStore, "is a SQLite database of another program. It was not changed")


def test_a_newer_format_is_left_alone(store: Path) -> None:
    database = apsw.Connection(str(store / "adjoin.db"), vfs=checked_vfs())
    database.execute("PRAGMA user_version = 99")
    database.close()
    refused(
        store,
        NewerFormat,
        r"has format 99; this adjoin reads formats up to \d+\. It was not changed\. Upgrade with: pip",
    )


def test_a_newer_format_that_is_only_in_the_log_is_left_alone(store: Path) -> None:
    """A newer adjoin changed the format and was killed before the log went into the database."""
    code = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA user_version = 99")
os._exit(0)
"""
    python(code, store / "adjoin.db")
    assert struct.unpack_from(">I", (store / "adjoin.db").read_bytes(), 60)[0] == schema.VERSION
    (store / "adjoin.db-shm").unlink()  # as after a reboot
    refused(store, NewerFormat, "has format 99")


def test_a_format_that_never_was_is_damage(store: Path) -> None:
    database = apsw.Connection(str(store / "adjoin.db"), vfs=checked_vfs())
    database.execute("PRAGMA user_version = 0")
    database.close()
    refused(store, StoreCorrupted, "has format 0, which there never was")


DAMAGE = {
    "empty": lambda data: b"",
    "short": lambda data: data[:50],
    "random": lambda data: random.Random(0).randbytes(len(data)),
    "text": lambda data: b"hello " * 5000,
    "header overwritten": lambda data: random.Random(1).randbytes(100) + data[100:],
    "cut at the header": lambda data: data[:100],
    "cut within a page": lambda data: data[: len(data) // 2 + 17],
    "cut between pages": lambda data: data[: len(data) // 2 // 8192 * 8192],
    "one byte short": lambda data: data[:-1],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_database_is_named_as_such_at_open_and_left_alone(store: Path, name: str) -> None:
    path = store / "adjoin.db"
    path.write_bytes(DAMAGE[name](path.read_bytes()))
    refused(
        store,
        StoreCorrupted,
        r"the database in .* is damaged \(.*It was left as it is\. Restore the folder from a copy",
    )


def test_a_database_without_its_tables_is_damage(store: Path) -> None:
    database = sqlite3.connect(store / "adjoin.db", isolation_level=None)
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("DROP TABLE collections")
    database.close()
    refused(store, StoreCorrupted, "no such table|the checksum of (a page|page 1) differs")


def everything(folder: Path) -> list[object]:
    """All that can be read, in every way of reading."""
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None)
        found = contents(rows)
        ids = [f"id{n}" for n in range(2000)]
        return [
            found,
            rows.count(),
            [document.content for document in rows.get(ids)],
            rows.search(np.ones(32), k=2000).ids,
            [(hit.id, hit.content, hit.distance) for hit in rows.search(np.ones(32), k=50, where={"n": {"$lt": 1000}})],
            rows.count({"n": {"$gte": 500}}),
            rows.stats()["documents"],
        ]


def read_or_refuse(folder: Path, whole: list[object]) -> bool:
    """Whether the damage was noticed. If it was not, every answer is the right one. Nothing is changed either way."""
    before = files(folder)
    try:
        found = everything(folder)
    except StoreCorrupted:
        found = []
    assert files(folder) == before
    assert found in ([], whole)
    return not found


def test_pages_of_zeros_are_noticed_or_do_not_matter(store: Path) -> None:
    whole = everything(store)
    good = (store / "adjoin.db").read_bytes()
    noticed = 0
    pages = random.Random(2).sample(range(1, len(good) // 8192), 12)
    for page in pages:
        data = bytearray(good)
        data[page * 8192 : (page + 1) * 8192] = bytes(8192)
        (store / "adjoin.db").write_bytes(data)
        noticed += read_or_refuse(store, whole)
    assert noticed > len(pages) * 0.7


def test_flipped_bits_are_noticed_or_do_not_matter(store: Path) -> None:
    whole = everything(store)
    good = (store / "adjoin.db").read_bytes()
    pick = random.Random(3)
    noticed = 0
    for _ in range(25):
        data = bytearray(good)
        for _ in range(3):
            data[pick.randrange(100, len(data))] ^= 1 << pick.randrange(8)
        (store / "adjoin.db").write_bytes(data)
        noticed += read_or_refuse(store, whole)
    assert noticed > 15


@pytest.mark.slow
def test_many_flipped_bits_are_noticed_or_do_not_matter(store: Path) -> None:
    whole = everything(store)
    good = (store / "adjoin.db").read_bytes()
    pick = random.Random(4)
    for number in range(120):
        data = bytearray(good)
        start = pick.randrange(100, len(data) - 64)
        if number % 2:
            data[start : start + 64] = pick.randbytes(64)
        else:
            data[start] ^= 1 << pick.randrange(8)
        (store / "adjoin.db").write_bytes(data)
        read_or_refuse(store, whole)


def test_a_log_that_was_cut_or_garbled_loses_no_more_than_its_end(tmp_path: Path) -> None:
    """A power cut may tear the log; SQLite's checksums say where it ends."""
    code = """
import adjoin, os, sys
rows = adjoin.open(sys.argv[1]).collection("rows", embedder=None, metric="euclidean")
for n in range(20):
    rows.add(vectors=[[float(n), 1.0]], ids=[n])
os._exit(0)
"""
    python(code, tmp_path / "s")
    log = (tmp_path / "s" / "adjoin.db-wal").read_bytes()
    for number, keep in enumerate((0.3, 0.6, 0.9)):
        folder = tmp_path / f"s{number}"
        shutil.copytree(tmp_path / "s", folder)
        cut = int(len(log) * keep)
        (folder / "adjoin.db-wal").write_bytes(log[:cut] + random.Random(number).randbytes(len(log) - cut))
        (folder / "adjoin.db-shm").unlink()
        with adjoin.open(folder) as db:
            ids = [document.id for document in db.collection("rows").scan()] if db.collections() else []
        assert ids == list(range(len(ids)))
        assert len(ids) < 20


def test_a_store_without_its_database_but_with_its_log_is_not_made_anew(store: Path) -> None:
    (store / "adjoin.db").rename(store / "adjoin.db-wal")
    refused(store, NotAStore, r"holds other files \(adjoin.db-wal\) and no adjoin.db")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_a_store_that_may_not_be_read_or_written_says_so(store: Path) -> None:
    code = """
import os, sys
import adjoin
from adjoin.errors import StoreError
from adjoin.store.checks import checked_vfs
checked_vfs(), adjoin.open("memory://").collection("rows", embedder=None).add(vectors=[[1.0]])  # loads what root alone may read
os.setgid(65534), os.setuid(65534)
for work in (lambda: adjoin.open(sys.argv[1]), lambda: adjoin.open(sys.argv[1] + "/new"), lambda: adjoin.open(sys.argv[2] + "/new")):
    try:
        db = work()
        db.collection("rows", embedder=None).add(vectors=[[1.0] * 32])
    except StoreError as exc:
        print(type(exc).__name__, str(exc)[-60:])
    else:
        print("no error")
"""
    with tempfile.TemporaryDirectory() as place:  # which others may enter
        Path(place).chmod(0o755)
        store = Path(shutil.copytree(store, Path(place) / "s.adjoin"))
        before = files(store)
        done = subprocess.run(
            [sys.executable, "-c", code, str(store), place], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert files(store) == before
    lines = done.stdout.splitlines()
    assert [line for line in lines if "ermission" in line] == lines, done.stdout + done.stderr
    assert len(lines) == 3
