"""Files that are cut short, missing, full of zeros or another's: no wrong answer, all named, and made whole as far as may be."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import adjoin
from adjoin.database import doctor
from adjoin.errors import NotFound, StoreCorrupted
from adjoin.store.checks import checked_vfs
from tests.support.damaging import DERIVED, Contents, all_contents, ask, collection, files_of, make
from tests.support.stores import vector


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def missing(path: Path) -> None:
    path.unlink()


def another(path: Path) -> None:
    other = next(each for each in path.parent.parent.glob(f"*/{path.name}") if each != path)
    path.write_bytes(other.read_bytes())


DAMAGES = (cut, empty, longer, zero, missing, another)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Contents]:
    folder = tmp_path_factory.mktemp("made") / "store"
    return folder, make(folder)


@pytest.fixture
def store(made: tuple[Path, Contents], tmp_path: Path) -> tuple[Path, Contents]:
    folder, held = made
    return Path(shutil.copytree(folder, tmp_path / "store")), held


def asked_on_a_copy(folder: Path, held: Contents) -> None:
    copy = Path(shutil.copytree(folder, folder.with_name("asked")))
    assert ask(copy, held, seed=4).wrong == []
    shutil.rmtree(copy)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_derived_is_named_and_made_again(store: tuple[Path, Contents], damage: Callable[[Path], None]) -> None:
    """Each kind of file in a segment of its own, one after the other."""
    folder, held = store
    for number, kind in enumerate(DERIVED):
        path = files_of(folder, kind)[number % len(files_of(folder, kind))]
        before = path.read_bytes()
        damage(path)
        if path.exists() and path.read_bytes() == before:
            continue  # the other's bytes were the same
        asked_on_a_copy(folder, held)
        found = doctor(folder)
        assert any(kind in str(one) and one.repairable for one in found.findings), (kind, str(found))
        assert doctor(folder, repair=True).healthy, kind
        assert doctor(folder).findings == (), kind
        assert all_contents(folder) == held, kind


@pytest.mark.parametrize("damage", DAMAGES)
def test_vectors_come_back_from_parity_or_from_their_texts(
    store: tuple[Path, Contents], damage: Callable[[Path], None]
) -> None:
    folder, held = store
    for path in files_of(folder, "vectors"):
        if b"the text of" not in path.with_name("columns").read_bytes():
            damage(path)
    asked_on_a_copy(folder, held)
    assert not doctor(folder).healthy
    with adjoin.open(folder) as db:
        for name in held:
            collection(db, name)
        assert db.doctor(repair=True).healthy  # each has one block, so parity has it all
    assert doctor(folder).findings == ()
    assert all_contents(folder) == held


def test_a_missing_segment_costs_brought_vectors_alone_and_names_each(store: tuple[Path, Contents]) -> None:
    folder, held = store
    with adjoin.open(folder) as db:
        gone = [part["id"] for part in collection(db, "brought").stats()["parts"]][:1]
        gone += [part["id"] for part in collection(db, "texts").stats()["parts"]]
    for segment in gone:
        shutil.rmtree(folder / "segments" / segment)
    asked_on_a_copy(folder, held)
    with adjoin.open(folder) as db:
        rows = collection(db, "brought")
        with pytest.raises(StoreCorrupted, match="doctor"):
            rows.search(vector(400), k=1)
        with pytest.raises(StoreCorrupted, match="doctor"):
            rows.optimize()
        collection(db, "texts")
        found = db.doctor(repair=True)
        lost = {id_ for one in found.findings if one.collection == "brought" for id_ in one.ids}
        assert lost == {n for n in range(260) if n not in (3, 5)}
        assert not found.healthy
        assert "lost-1.jsonl" in str(found)
        assert rows.search(vector(401), k=1).ids == [401]
    kept = [json.loads(line) for line in (folder / "lost-1.jsonl").read_text().splitlines()]
    assert {row["id"]: (row["content"], row["metadata"]) for row in kept} == {
        id_: held["brought"][id_][:2] for id_ in lost
    }
    assert doctor(folder).findings == ()
    after = all_contents(folder)
    assert after["texts"] == held["texts"]
    assert after["brought"] == {id_: row for id_, row in held["brought"].items() if id_ not in lost}


def test_texts_whose_embedder_is_not_at_hand_are_left_and_the_message_says_so(store: tuple[Path, Contents]) -> None:
    folder, _ = store
    with adjoin.open(folder) as db:
        [part] = collection(db, "texts").stats()["parts"]
    shutil.rmtree(folder / "segments" / part["id"])
    found = doctor(folder, repair=True)
    assert not found.healthy
    assert "could not be embedded again" in str(found)
    assert not list(folder.glob("lost-*"))
    with adjoin.open(folder) as db:
        collection(db, "texts")
        assert db.doctor(repair=True).healthy


def execute(folder: Path, sql: str, *values: Any) -> None:
    connection = apsw.Connection(str(folder / "adjoin.db"), vfs=checked_vfs())
    connection.execute(sql, values)
    connection.close()


@pytest.mark.parametrize("manifest", ["", "{}", "not JSON", None])
def test_a_damaged_manifest_is_made_again_from_the_vectors(store: tuple[Path, Contents], manifest: str | None) -> None:
    folder, held = store
    if manifest is None:
        execute(folder, "UPDATE segments SET manifest = replace(manifest, 'euclidean', 'euclidian')")
    else:
        execute(folder, "UPDATE segments SET manifest = ?", manifest)
    asked_on_a_copy(folder, held)
    found = doctor(folder)
    assert sum("manifest" in one.what for one in found.findings) >= 2
    assert doctor(folder, repair=True).healthy
    assert doctor(folder).findings == ()
    assert all_contents(folder) == held


def test_a_missing_or_shortened_log_is_noticed_by_its_index(store: tuple[Path, Contents]) -> None:
    folder, held = store
    log = folder / "adjoin.db-wal"
    frame = 24 + 8192
    whole = log.read_bytes()
    for damage in (
        lambda: os.truncate(log, len(whole) - frame),
        lambda: os.truncate(log, 32 + 3 * frame + 100),
        lambda: os.truncate(log, 0),
        log.unlink,
        lambda: log.write_bytes(whole[:-frame] + bytes(frame)),
        lambda: log.write_bytes(bytes(32) + whole[32:]),
    ):
        log.write_bytes(whole)
        damage()
        with pytest.raises(StoreCorrupted, match="lose what was committed"):
            adjoin.open(folder)
        assert [one.place for one in doctor(folder).findings] == ["adjoin.db-wal"]
    found = doctor(folder, repair=True)
    assert not found.healthy
    assert "lost" in str(found)
    left = all_contents(folder)
    assert set(left["texts"]) <= set(held["texts"])
    assert doctor(folder).healthy


def test_a_copy_without_the_log_of_a_closed_store_is_whole(store: tuple[Path, Contents]) -> None:
    folder, held = store
    assert all_contents(folder) == held  # closing has moved the log into the database
    assert sorted(path.name for path in folder.glob("adjoin.db*")) == ["adjoin.db", "adjoin.db-build"]
    assert doctor(folder).findings == ()


def test_a_missing_database_is_named(store: tuple[Path, Contents], tmp_path: Path) -> None:
    folder, _ = store
    (folder / "adjoin.db").unlink()
    found = doctor(folder, repair=True)
    assert not found.healthy
    assert "missing" in str(found)
    with pytest.raises(NotFound):
        doctor(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_database_cut_short_is_named_and_left_as_it_is(store: tuple[Path, Contents]) -> None:
    folder, held = store
    assert all_contents(folder) == held
    cut(folder / "adjoin.db")
    before = (folder / "adjoin.db").read_bytes()
    asked_on_a_copy(folder, held)
    assert not doctor(folder, repair=True).healthy
    assert (folder / "adjoin.db").read_bytes() == before


def test_a_page_of_zeros_within_a_long_text_is_not_returned_as_text(store: tuple[Path, Contents]) -> None:
    """Zeros have a checksum that fits them; SQLite notices none in a page that has nothing but a part of a value."""
    folder, held = store
    assert all_contents(folder) == held
    database = folder / "adjoin.db"
    content = bytearray(database.read_bytes())
    last_of_a_chain = [
        start for start in range(0, len(content), 8192)
        if content[start : start + 4] == bytes(4) and content[start + 4 : start + 300].count("긴 글 ".encode()) > 10
    ]  # fmt: skip
    start = last_of_a_chain[0]
    content[start : start + 8192] = bytes(8192)
    database.write_bytes(content)
    asked_on_a_copy(folder, held)
    assert not doctor(folder).healthy


def test_a_process_that_met_damage_goes_on_once_another_has_repaired_it(store: tuple[Path, Contents]) -> None:
    folder, held = store
    with adjoin.open(folder) as db:
        rows = collection(db, "brought")
        assert rows.search(vector(400), k=1).ids == [400]
        with adjoin.open(folder) as other:
            for path in files_of(folder, "vectors"):
                content = path.read_bytes()
                path.unlink()
                path.write_bytes(content[:50] + b"\x55" + content[51:])
            db._engine._forget_states()  # type: ignore[attr-defined]  # as a process that begins now
            with pytest.raises(StoreCorrupted):
                rows.search(vector(400), k=1)
            for name in held:
                collection(other, name)
            assert other.doctor(repair=True).healthy
        assert rows.search(vector(400), k=1).ids == [400]
