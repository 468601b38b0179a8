"""Sealing, merging and compacting while the store is in use: nothing is lost, comes back, or grows for ever."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import adjoin
from adjoin.store import writing
from adjoin.store.files import size_of
from tests.support.busy_writer import small_thresholds
from tests.support.stores import contents, python, vectors


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch.setattr)


def once(work: Callable[[], object]) -> Callable[[int, int | None], None]:
    """A progress callback that does something in the middle of the first build, when its rows have been read."""
    left = [work]

    def progress(done: int, total: int | None) -> None:
        if left:
            left.pop()()

    return progress


def test_rows_that_go_and_change_by_the_thousand_during_a_build_are_told_to_the_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: None
) -> None:
    """The log of changes of a tail is cut short when it is long; the segment being built needs all of it."""
    monkeypatch.setattr(writing, "_MOST_CHANGES", 100)
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        monkeypatch.setattr("adjoin.store.keeper.QUIET_S", 1000)
        points = vectors(600)
        rows.add(vectors=points, ids=range(600), metadata=[{"n": n} for n in range(600)])

        def meanwhile() -> None:
            rows.update(range(300, 310), {"n": "changed"})
            for n in range(0, 250, 50):
                rows.delete(range(n, n + 50))

        rows.optimize(progress=once(meanwhile))
        assert rows.count() == 350
        assert [hits.ids for hits in rows.search_many(points[200:320], k=1)][50:] == [[n] for n in range(250, 320)]
        assert rows.count({"n": "changed"}) == 10
        assert rows.count({"n": {"$lt": 300}}) == 50
        assert db.doctor().findings == ()


def test_optimize_ends_although_others_go_on_writing(tmp_path: Path, small: None) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add(vectors=vectors(400), ids=range(400))
        stop = threading.Event()

        def write() -> None:
            n = 0
            while not stop.is_set():
                rows.upsert(vectors=vectors(2, seed=n), ids=[n % 400, f"new {n}"])
                n += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            optimizer = threading.Thread(target=rows.optimize, daemon=True)
            optimizer.start()
            optimizer.join(60)
            assert not optimizer.is_alive()
        finally:
            stop.set()
            writer.join()


def test_an_interrupt_right_after_the_swap_does_not_remove_the_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None)
        rows.add(vectors=vectors(50), ids=range(50))
        write = db._engine._connections.write  # type: ignore[attr-defined]

        class Interrupted:
            """A transaction that commits, with Ctrl-C before anyone learns of it."""

            def __enter__(self) -> object:
                self.real = write()
                return self.real.__enter__()

            def __exit__(self, *error: object) -> None:
                self.real.__exit__(*error)
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(db._engine._connections, "write", Interrupted)  # type: ignore[attr-defined]
            with pytest.raises(KeyboardInterrupt):
                rows.optimize()
        assert len(contents(rows)) == 50
        assert db.doctor().findings == ()


def test_building_in_a_folder_by_two_of_its_names_is_still_one_build_at_a_time(tmp_path: Path) -> None:
    from adjoin.store.locks import exclusive

    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with exclusive(tmp_path / "real" / "lock", wait_s=0) as mine:
        assert mine
        with exclusive(tmp_path / "link" / "lock", wait_s=0) as also:
            assert not also


def test_an_erasure_does_not_let_go_of_the_locks_on_the_store(tmp_path: Path) -> None:
    """Closing any descriptor of a file drops all POSIX locks that the process has on it; erasing reads every file."""
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add(vectors=vectors(60), ids=range(60), metadata={"a": "secret metadata of this row"})
        rows.optimize()
        rows.erase(range(30))
        rows.add(vectors=vectors(1), ids=["later"])
        scan = rows.scan()
        next(scan)
        code = "import adjoin, sys; adjoin.open(sys.argv[1]).collection('rows', embedder=None).count()"
        python(code, tmp_path / "s")
        assert (tmp_path / "s" / "adjoin.db-wal").exists(), (
            "another process took itself for the last and removed the log"
        )
        inode = os.stat(tmp_path / "s" / "adjoin.db").st_ino
        if Path("/proc/locks").exists():
            assert any(f":{inode} " in line for line in Path("/proc/locks").read_text().splitlines())
        assert len(list(scan)) == 30


@pytest.fixture
def sizes(tmp_path: Path) -> Callable[[], int]:
    return lambda: size_of(tmp_path / "s")


def settled(condition: Callable[[], bool], timeout_s: float = 20) -> bool:
    """Whether the background brings it about in time."""
    import time

    latest = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > latest:
            return False
        time.sleep(0.05)
    return True


def test_space_comes_back_unasked_after_deletes(tmp_path: Path, small: None, sizes: Callable[[], int]) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        texts = [f"text {n} " * 300 for n in range(1500)]
        rows.add(
            (adjoin.Item(text, n, {"n": n}, v) for n, (text, v) in enumerate(zip(texts, vectors(1500), strict=True)))
        )
        assert settled(lambda: rows.stats()["tail"] < 250)
        full = sizes()
        rows.delete(where={"n": {"$gte": 300}})
        assert settled(lambda: sizes() < full / 2.5), (sizes(), full)
        assert rows.count() == 300
        rows.delete(where={})
        assert settled(lambda: sizes() < 1_000_000), sizes()
        assert rows.count() == 0


def test_storing_the_same_again_does_not_grow_the_store(tmp_path: Path, small: None, sizes: Callable[[], int]) -> None:
    def run(rows: adjoin.Collection) -> None:
        rows.upsert(
            adjoin.Item(f"text {n} " * 50, n, {"n": n}, v) for n, v in enumerate(np.concatenate([vectors(900)]))
        )

    with adjoin.open(tmp_path / "s") as db:
        run(db.collection("rows", embedder=None, metric="euclidean"))
        assert settled(lambda: db.collection("rows").stats()["tail"] < 250)
    first = sizes()
    for _ in range(6):
        with adjoin.open(tmp_path / "s") as db:
            run(db.collection("rows"))
            assert db.collection("rows").stats()["tombstones"] == 0
    assert sizes() <= first * 1.02


def test_changing_the_same_rows_for_ever_does_not_grow_the_store(
    tmp_path: Path, small: None, sizes: Callable[[], int]
) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        largest = 0
        for turn in range(4):
            rows.upsert(
                adjoin.Item(f"{turn} {n} " * 100, n, {"turn": turn}, v) for n, v in enumerate(vectors(500, seed=turn))
            )
            assert settled(lambda: rows.stats()["tail"] < 250 and rows.stats()["tombstones"] < 250)
            if turn == 1:
                largest = sizes()
        assert settled(lambda: sizes() < largest * 1.5), (sizes(), largest)
        assert rows.count() == 500
