"""Many processes and threads on a store whose segments come and go: every answer is that of some committed state."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import adjoin
from adjoin.errors import InvalidOption
from tests.store.test_processes import in_child, needs_fork
from tests.store.test_threads import together
from tests.support.busy_writer import small_thresholds
from tests.support.damaging import comparing_is_dear
from tests.support.fleet import STABLE, gone_of, item, prepare
from tests.support.stores import ROOT, contents, vector, vectors

SECONDS = float(os.environ.get("ADJOIN_FLEET_SECONDS", "3"))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch.setattr)


def member(role: str, folder: Path, name: str, seconds: float = SECONDS) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.fleet", role, str(folder), name, str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(*members: subprocess.Popen[str]) -> list[list[int]]:
    """What each printed, when all have ended well."""
    said = [each.communicate(timeout=120) for each in members]
    for each, (_, err) in zip(members, said, strict=True):
        assert each.returncode == 0, err
        assert err == ""
    return [[int(word) for word in out.split()] for out, _ in said]


def test_readers_are_right_while_two_writers_seal_merge_delete_and_erase(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    prepare(folder)
    writers = [member("writer", folder, name) for name in ("first", "second")]
    readers = [member("reader", folder, name) for name in ("r1", "r2")]
    held = [numbers[0] for numbers in ended(*writers)]
    looks = ended(*readers)
    assert min(count for count, _ in looks) > 2
    assert sum(by_index for _, by_index in looks) > 0
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None)
        assert rows.count() == sum(held) + STABLE
        assert not {str(document.id) for document in rows.scan()} & set(gone_of(folder).read_text().split())
        assert db.doctor().healthy
        rows.optimize()
        kept = {part["id"] for part in rows.stats()["parts"]}
        assert set(os.listdir(folder / "segments")) == kept
        assert db.doctor().findings == ()


def test_copies_made_while_writers_work_open_and_are_whole(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    prepare(folder)
    writers = [member("writer", folder, name, 3) for name in ("first", "second")]
    copies = []
    with adjoin.open(folder) as db:
        while any(writer.poll() is None for writer in writers):
            copies.append(tmp_path / f"copy-{len(copies)}")
            gone = set(gone_of(folder).read_text().split())
            db.backup(copies[-1])
            with adjoin.open(copies[-1], create=False) as copy:
                ids = {str(document.id) for document in copy.collection("rows", embedder=None).scan(vectors=True)}
                assert len({id_ for id_ in ids if id_.startswith("stable")}) == STABLE
                assert not ids & gone
                assert copy.doctor().findings == ()
    ended(*writers)
    assert len(copies) > 1
    assert {path.name for path in tmp_path.iterdir()} == {"s", "s.gone", *(copy.name for copy in copies)}


def test_a_copy_is_not_made_inside_the_store(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        db.collection("rows", embedder=None).add(vectors=vectors(3))
        for inside in ("copy", "segments/copy", "."):
            with pytest.raises(InvalidOption):
                db.backup(tmp_path / "s" / inside)
        assert not (tmp_path / "s" / "copy").exists()


def test_threads_search_and_write_while_the_background_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adjoin.store.keeper.HURRY", 2)  # the writers make no pause
    folder = tmp_path / "s"
    prepare(folder)
    with adjoin.open(folder) as db, comparing_is_dear():
        rows = db.collection("rows", embedder=None)
        stop = time.monotonic() + SECONDS
        gone: set[str] = set()

        def write(name: str) -> None:
            n = 0
            while time.monotonic() < stop:
                ids = [f"{name}-{n}-{i}" for i in range(60)]
                rows.add([item(id_, {"by": name}) for id_ in ids])
                rows.update(ids[:5], {"seen": n})
                if n % 2:
                    rows.delete(ids[:50])
                    gone.update(ids[:50])
                n += 1

        def read(seed: int) -> None:
            n = seed
            while time.monotonic() < stop:
                n = (n + 7) % STABLE
                before = set(gone)
                hits = rows.search(vector(f"stable-{n}"), k=3, recall=(0.9, 1.0)[n % 2])
                assert len(set(hits.ids)) == 3
                assert not before & set(hits.ids)
                assert n % 2 == 0 or hits.ids[0] == f"stable-{n}"
                assert len(rows.search(vector("x"), k=500, where={"stable": True})) == STABLE

        works: list[Callable[[], None]] = [lambda s=seed: read(s) for seed in range(4)]  # type: ignore[misc]
        works += [lambda n=name: write(n) for name in "ab"]  # type: ignore[misc]
        together(*works)
        assert rows.stats()["segments"]
        found = contents(rows)
        assert not gone & set(found)
        assert db.doctor().healthy


@needs_fork
def test_a_child_searches_writes_and_builds_beside_its_parent_whose_index_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    prepare(folder)
    with adjoin.open(folder) as db, comparing_is_dear():
        rows = db.collection("rows", embedder=None)
        rows.optimize()
        hits = rows.search(vector("stable-5"), k=3, recall=0.9)
        assert any(part.strategy == "graph" for part in hits.plan.segments)
        rows.add([item(f"parent-{n}", {"by": "parent"}) for n in range(300)])  # its background has work from now on

        def child() -> None:
            assert rows.search(vector("stable-7"), k=1, recall=1.0).ids == ["stable-7"]
            assert len(rows.search(vector("stable-7"), k=3, recall=0.9)) == 3
            rows.add([item(f"child-{n}", {"by": "child"}) for n in range(300)])
            rows.optimize()
            assert rows.stats()["tail"] == 0
            assert rows.search(vector("child-9"), k=1, recall=1.0).ids == ["child-9"]
            rows.add([item(f"child-{n}", {"by": "child"}) for n in range(300, 600)])
            db.close()

        for _ in range(1):
            assert in_child(child) == 0
        assert rows.search(vector("child-9"), k=1, recall=1.0).ids == ["child-9"]
        rows.optimize()
        assert rows.count() == STABLE + 900
        assert db.doctor().findings == ()


@needs_fork
def test_a_child_that_is_killed_does_not_disturb_the_building_parent_nor_the_other_way_round(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    prepare(folder)
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None)
        builder = threading.Thread(target=rows.optimize)
        builder.start()
        child = os.fork()
        if child == 0:
            n = 0
            while True:
                rows.add([item(f"child-{n}-{i}", {}) for i in range(20)])
                n += 1
        time.sleep(0.5)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        builder.join(60)
        assert not builder.is_alive()
        rows.optimize()
        assert db.doctor().findings == ()
    code = """
import os, sys, time
import adjoin
from tests.support.busy_writer import small_thresholds
from tests.support.fleet import item
small_thresholds()
db = adjoin.open(sys.argv[1])
rows = db.collection("rows", embedder=None)
rows.add([item(f"parent-{i}", {}) for i in range(400)])
time.sleep(0.1)  # its background builds
if os.fork() == 0:
    try:
        for n in range(15):
            rows.add([item(f"orphan-{n}-{i}", {}) for i in range(20)])
            time.sleep(0.05)
        rows.optimize()
        print("child done", flush=True)
    finally:
        os._exit(0)
time.sleep(0.2)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.stdout == "child done\n", done.stderr
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None)
        ids = {str(document.id) for document in rows.scan()}
        assert {f"orphan-{n}-{i}" for n in range(15) for i in range(20)} <= ids
        assert {f"parent-{i}" for i in range(400)} <= ids
        assert db.doctor().healthy


def test_a_process_that_ends_while_its_background_builds_ends_at_once_and_well(tmp_path: Path) -> None:
    """Neither a crash of the interpreter's end, nor an exit code; what was acknowledged is there."""
    code = """
import sys, time
import adjoin
from tests.support.busy_writer import small_thresholds
from tests.support.fleet import item
small_thresholds()
rows = adjoin.open(sys.argv[1]).collection("rows", embedder=None, metric="euclidean")
rows.add([item(f"row-{i}", {}) for i in range(600)])
time.sleep(float(sys.argv[2]))
"""
    for number in range(4):
        folder = tmp_path / f"s{number}"
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder), str(0.08 * number)],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        with adjoin.open(folder) as db:
            assert db.collection("rows").count() == 600
            assert db.doctor().healthy
