"""Many processes on one folder: snapshots, the write lock, forks, and files that move away."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import adjoin
from adjoin.errors import StoreClosed, StoreError, StoreLocked
from tests.support.stores import HOLDER, contents, files, python, start, vectors

READER = """
import sys, time, adjoin
import numpy as np
db = adjoin.open(sys.argv[1])
rows = db.collection("rows", embedder=None)
ids = [f"r{n}" for n in range(200)]
print("ready", flush=True)
seen, looks, until = set(), 0, time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    hits = rows.search(np.ones(4, np.float32), k=300)
    views = {
        "search": [(hit.metadata["state"], hit.distance < 100) for hit in hits],
        "filtered": [(hit.metadata["state"], True) for hit in rows.search(np.ones(4), k=300, where={"state": "a"})],
        "scan": [(d.metadata["state"], bool(d.vector[0] < 100)) for d in rows.scan(vectors=True)],
        "get": [(d.metadata["state"], True) for d in rows.get(ids)],
    }
    assert len(views["filtered"]) in (0, 200), len(views["filtered"])
    assert rows.count({"state": "a"}) in (0, 200)
    assert rows.count() == 200
    for name, view in views.items():
        assert len(set(view)) <= 1, (name, set(view))
        assert len(view) == 200 or name == "filtered", (name, len(view))
    assert {state == "a" for state, near in views["search"]} == {near for state, near in views["search"]}
    seen.add(views["search"][0][0])
    looks += 1
print(looks, "".join(sorted(seen)))
"""


def flip(rows: adjoin.Collection, state: str, stream: bool) -> None:
    matrix = np.full((200, 4), 1.0 if state == "a" else 1000.0, np.float32)
    ids = [f"r{n}" for n in range(200)]
    given = (adjoin.Item(None, id_, {"state": state}, row) for id_, row in zip(ids, matrix, strict=True))
    rows.upsert(given if stream else list(given))


def test_two_processes_that_read_never_see_a_mixture_of_two_states(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        flip(rows, "a", stream=False)
        readers = [start(READER, tmp_path / "s", 2.0) for _ in range(2)]
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        flips = 0
        while any(reader.poll() is None for reader in readers):
            flip(rows, "ba"[flips % 2], stream=flips % 3 == 0)
            flips += 1
        for reader in readers:
            out, _ = reader.communicate()
            assert reader.returncode == 0
            looks, seen = out.split()
            assert int(looks) > 3
            assert seen == "ab"
        assert flips > 4


def test_a_row_written_by_another_process_is_found_by_the_next_search(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add(vectors=[[0.0, 0.0]], ids=["mine"])
        assert rows.search([5.0, 5.0], k=1).ids == ["mine"]
        code = "import adjoin, sys; adjoin.open(sys.argv[1]).collection('rows', embedder=None)"
        python(code + ".add(vectors=[[5.0, 5.0]], ids=['theirs'], metadata={'by': 'them'})", tmp_path / "s")
        assert rows.search([5.0, 5.0], k=1).ids == ["theirs"]
        assert rows.search([0.0, 0.0], k=1, where={"by": "them"}).ids == ["theirs"]
        python(code + ".update('theirs', {'by': 'nobody'})", tmp_path / "s")
        assert rows.count({"by": "them"}) == 0
        python(code + ".delete('theirs')", tmp_path / "s")
        assert rows.search([5.0, 5.0], k=5).ids == ["mine"]


def test_a_second_writer_waits_and_is_then_told_clearly_with_nothing_stored(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s", write_timeout_s=0.4) as db:
        rows = db.collection("rows", embedder=None)
        rows.add(vectors=vectors(3), ids=["a", "b", "c"])
        before = contents(rows)
        holder = start(HOLDER, tmp_path / "s")
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        attempts = {
            "add": lambda: rows.add(vectors=vectors(1), ids=["d"]),
            "spooled": lambda: rows.add(adjoin.Item(None, f"x{n}", {}, v) for n, v in enumerate(vectors(40_000))),
            "update": lambda: rows.update("a", {"x": 1}),
            "delete": lambda: rows.delete(where={}),
            "drop": lambda: db.drop("rows"),
            "create": lambda: db.collection("another", embedder=None),
        }
        for name, attempt in attempts.items():
            began = time.monotonic()
            with pytest.raises(
                StoreLocked, match=r"more than 0\.4 s, so nothing of this call was stored.*write_timeout_s="
            ):
                attempt()
            assert time.monotonic() - began < (30 if name == "spooled" else 1.5)
            assert contents(rows) == before
            assert rows.search(vectors(1)[0], k=1).ids == ["a"]
        assert db.collections() == ["rows"]
        holder.communicate("\n")
        assert rows.add(vectors=vectors(1), ids=["d"]) == ["d"]


def test_a_second_writer_that_waits_long_enough_gets_its_turn(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s", write_timeout_s=20) as db:
        rows = db.collection("rows", embedder=None)
        holder = start(HOLDER, tmp_path / "s")
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        threading.Timer(0.3, lambda: (holder.stdin.write("\n"), holder.stdin.flush())).start()
        assert rows.add(vectors=vectors(1), ids=["d"]) == ["d"]
        holder.communicate()


def test_two_threads_that_wait_for_another_process_both_wait_no_longer_than_they_said(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s", write_timeout_s=0.5) as db:
        rows = db.collection("rows", embedder=None)
        holder = start(HOLDER, tmp_path / "s")
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waited: list[float] = []

        def attempt(n: int) -> None:
            began = time.monotonic()
            with pytest.raises(StoreLocked):
                rows.add(vectors=vectors(1), ids=[n])
            waited.append(time.monotonic() - began)

        threads = [threading.Thread(target=attempt, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        holder.communicate("\n")
        assert len(waited) == 3
        assert max(waited) < 1.2
        assert rows.count() == 0


def test_writers_in_several_processes_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    code = """
import adjoin, sys
rows = adjoin.open(sys.argv[1]).collection("rows", embedder=None, metric="euclidean")
for n in range(25):
    rows.add(vectors=[[float(n), 1.0]], ids=[f"{sys.argv[2]}-{n}"])
    rows.upsert(vectors=[[float(n), 2.0]], ids=[f"shared-{n}"], metadata={"by": sys.argv[2]})
"""
    writers = [start(code, tmp_path / "s", name) for name in "abc"]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None)
        ids = [document.id for document in rows.scan()]
        assert sorted(ids) == sorted([f"{name}-{n}" for name in (*"abc", "shared") for n in range(25)])


def test_opening_a_store_again_does_not_let_go_of_the_locks_on_it(tmp_path: Path) -> None:
    """Closing any descriptor of a file drops all POSIX locks that the process has on it."""
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add(vectors=[[1.0, 2.0]], ids=["a"])
        adjoin.open(tmp_path / "s").close()
        code = "import adjoin, sys; adjoin.open(sys.argv[1]).collection('rows', embedder=None).count()"
        python(code, tmp_path / "s")
        assert (tmp_path / "s" / "adjoin.db-wal").exists(), (
            "the other process took itself for the last and removed the log"
        )
        if sys.platform == "linux":
            inode = os.stat(tmp_path / "s" / "adjoin.db").st_ino
            assert any(f":{inode} " in line for line in Path("/proc/locks").read_text().splitlines())


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_child(work: object) -> int:
    """Runs in a forked child, and returns its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()  # type: ignore[operator]
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@needs_fork
def test_parent_and_child_both_read_and_write_after_a_fork(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add(vectors=vectors(100), ids=range(100))
        assert rows.search(vectors(100)[7], k=1).ids == [7]

        def child() -> None:
            assert rows.search(vectors(100)[8], k=1).ids == [8]
            rows.add(vectors=vectors(1, seed=5), ids=["child"])
            assert rows.search(vectors(1, seed=5)[0], k=1).ids == ["child"]

        assert in_child(child) == 0
        assert rows.search(vectors(1, seed=5)[0], k=1).ids == ["child"]
        rows.add(vectors=vectors(1, seed=6), ids=["parent"])
        assert in_child(lambda: rows.get(["parent", "child"])[1]) == 0
        assert rows.count() == 102


@needs_fork
def test_what_a_child_acknowledged_survives_the_parents_closing(tmp_path: Path) -> None:
    """A child that took the parent's file locks for its own would write into a log that the parent deletes."""
    db = adjoin.open(tmp_path / "s")
    rows = db.collection("rows", embedder=None, metric="euclidean")
    rows.add(vectors=[[1.0, 2.0]], ids=["parent"])
    scan = rows.scan()
    assert next(scan).id == "parent"  # a connection in use, too
    (there, here), (go, wait) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        rows.add(vectors=[[1.0, 2.0]], ids=["before"])
        os.write(here, b".")
        os.read(go, 1)
        rows.add(vectors=[[1.0, 2.0]], ids=["after"])
        os._exit(0)
    os.read(there, 1)
    assert list(scan) == []
    db.close()
    python("import adjoin, sys; adjoin.open(sys.argv[1]).collection('rows', embedder=None).add(vectors=[[1., 1.]])",
           tmp_path / "s")  # fmt: skip
    os.write(wait, b".")
    os.waitpid(child, 0)
    for descriptor in (there, here, go, wait):
        os.close(descriptor)
    with adjoin.open(tmp_path / "s") as db:
        ids = [document.id for document in db.collection("rows", embedder=None).scan()]
        assert {"parent", "before", "after"} <= set(ids)
        assert len(ids) == 4


@needs_fork
def test_a_scan_goes_on_in_the_parent_and_says_so_in_the_child(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None)
        rows.add(vectors=vectors(2000), ids=range(2000))
        scan = rows.scan()
        assert next(scan).id == 0

        def child() -> None:
            with pytest.raises(StoreClosed, match="before a fork"):
                list(scan)
            assert len(list(rows.scan())) == 2000
            rows.delete(range(1000))

        assert in_child(child) == 0
        assert [document.id for document in scan] == list(range(1, 2000))
        assert rows.count() == 1000


@needs_fork
def test_a_fork_while_threads_search_and_write_gives_a_child_that_works(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None)
        rows.add(vectors=vectors(500), ids=range(500))
        stop = threading.Event()

        def work(seed: int) -> None:
            n = 0
            while not stop.is_set():
                rows.upsert(vectors=vectors(5, seed=n), ids=[f"{seed}-{i}" for i in range(5)], metadata={"n": n})
                rows.search(vectors(1, seed=n)[0], k=3, where={"n": {"$gte": 0}})
                n += 1

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for number in range(10):

            def child(number: int = number) -> None:
                rows.add(vectors=vectors(1), ids=[f"child {number}"])
                assert rows.search(vectors(500)[3], k=2, where={"n": {"$exists": False}}).ids[0] in (3, 0)

            assert in_child(child) == 0
        stop.set()
        for thread in threads:
            thread.join()
        assert len(rows.get([f"child {number}" for number in range(10)])) == 10


@needs_fork
def test_a_memory_database_in_a_forked_child_says_that_it_is_not_there() -> None:
    with adjoin.open("memory://") as db:
        rows = db.collection("rows", embedder=None)
        rows.add(vectors=[[1.0, 2.0]], ids=["a"])

        def child() -> None:
            with pytest.raises(StoreClosed, match="does not pass through fork"):
                rows.count()

        assert in_child(child) == 0
        assert rows.count() == 1


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_store_whose_folder_went_away_refuses_to_write_into_nowhere(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "s"
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None)
        rows.add(vectors=[[1.0, 2.0]], ids=["a"])
        if how == "moved":
            folder.rename(tmp_path / "elsewhere")
        else:
            shutil.rmtree(folder)
        if how == "replaced":
            adjoin.open(folder).close()
            before = files(folder)
        for call in (rows.count, lambda: rows.add(vectors=[[3.0, 4.0]], ids=["b"]), lambda: list(rows.scan())):
            with pytest.raises(StoreError, match="deleted, moved or replaced after it was opened"):
                call()
        if how == "replaced":
            assert files(folder) == before


def test_a_closed_database_says_so_and_closing_twice_does_no_harm(tmp_path: Path) -> None:
    for target in (tmp_path / "s", "memory://"):
        db = adjoin.open(target)
        rows = db.collection("rows", embedder=None)
        rows.add(vectors=[[1.0, 2.0]], ids=["a"])
        db.close()
        db.close()
        for call in (rows.count, lambda r=rows: r.search([1.0, 2.0]), lambda r=rows: r.add(vectors=[[1.0, 2.0]])):
            with pytest.raises(StoreClosed, match=r"was closed\. Open it again"):
                call()


def test_closing_leaves_one_file_that_has_everything(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        db.collection("rows", embedder=None).add(vectors=[[1.0, 2.0]], ids=["a"])
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["adjoin.db"]


def test_closing_while_a_scan_is_open_lets_the_scan_finish(tmp_path: Path) -> None:
    db = adjoin.open(tmp_path / "s")
    rows = db.collection("rows", embedder=None)
    rows.add(vectors=vectors(1500), ids=range(1500))
    scan = rows.scan()
    next(scan)
    db.close()
    assert len(list(scan)) == 1499
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["adjoin.db"]
