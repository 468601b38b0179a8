"""Many threads on one database, on disk and in memory, and Ctrl-C at any instant."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import adjoin
from tests.support.stores import HOLDER, contents, start, vector, vectors


@pytest.fixture(params=["folder", "memory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[adjoin.Database]:
    with adjoin.open(tmp_path / "s" if request.param == "folder" else "memory://") as opened:
        yield opened


def together(*works: Callable[[], None]) -> None:
    """Run all at once, and raise what any of them raised."""
    raised: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as exc:
            raised.append(exc)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread waits for ever"
    if raised:
        raise raised[0]


def test_eight_threads_add_search_update_and_delete_and_each_finds_its_own(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None, metric="euclidean")

    def work(name: str) -> None:
        for n in range(15):
            id_ = f"{name}-{n}"
            rows.add(vectors=[vector(id_)], ids=[id_], metadata={"by": name, "n": n})
            assert rows.search(vector(id_), k=1).ids == [id_]
            mine = rows.search(vector(id_), k=50, where={"by": name}).ids
            assert set(mine) == {f"{name}-{i}" for i in range(n + 1) if i % 3 != 2 or i == n}
            if n % 3 == 2:
                assert rows.delete(where={"by": name, "n": n}) == 1
            elif n % 3 == 1:
                rows.update(id_, {"seen": True})
                assert rows.get(id_).metadata["seen"] is True  # type: ignore[union-attr]
            rows.upsert(adjoin.Item(None, f"shared-{i}", {}, vector(i, n)) for i in range(3))

    together(*(lambda name=name: work(name) for name in "abcdefgh"))
    kept = [f"{name}-{n}" for name in "abcdefgh" for n in range(15) if n % 3 != 2]
    assert sorted(d.id for d in rows.scan()) == sorted([*kept, "shared-0", "shared-1", "shared-2"])
    assert rows.count() == len(kept) + 3
    for document in rows.scan(vectors=True):
        assert rows.search(document.vector, k=1).ids == [document.id]


def test_threads_that_read_see_no_mixture_of_two_states(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None, metric="euclidean")
    ids = list(range(50))

    def flip(state: int) -> None:
        matrix = np.full((50, 4), float(state), np.float32)
        rows.upsert(vectors=matrix, ids=ids, metadata={"state": state})

    flip(0)
    done = threading.Event()

    def write() -> None:
        for n in range(1, 60):
            flip(n)
        done.set()

    def read() -> None:
        while not done.is_set():
            found = [(hit.metadata["state"], hit.distance) for hit in rows.search(np.zeros(4), k=60)]
            assert len(found) == 50
            assert len(set(found)) == 1
            assert found[0][1] == pytest.approx(2.0 * found[0][0])
            assert len({document.metadata["state"] for document in rows.scan()}) == 1
            assert rows.count({"state": {"$gte": 0}}) == 50

    together(write, read, read, read)


def test_streams_and_plain_calls_of_many_threads_do_not_wait_for_each_other_in_a_circle(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None)

    def stream(name: str) -> None:
        for n in range(3):
            rows.add(adjoin.Item(None, f"{name}-{n}-{i}", {}, v) for i, v in enumerate(vectors(200)))

    def plain(name: str) -> None:
        for n in range(40):
            rows.add(vectors=vectors(1), ids=[f"{name}-{n}"])
            rows.count({"x": 1})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adjoin.ingest.GIVEN_ROWS", 50)
        together(*(lambda n=n: stream(f"s{n}") for n in range(3)), *(lambda n=n: plain(f"p{n}") for n in range(3)))
    assert rows.count() == 3 * 600 + 3 * 40


def test_a_generator_may_wait_for_another_thread_that_uses_the_collection(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None)
    rows.add(vectors=vectors(1), ids=["first"])
    asked, answered = threading.Event(), threading.Event()

    def slow() -> Iterator[adjoin.Item]:
        yield adjoin.Item(None, "a", {}, vectors(1)[0])
        asked.set()
        assert answered.wait(20)
        yield adjoin.Item(None, "b", {}, vectors(1)[0])

    def other() -> None:
        assert asked.wait(20)
        assert rows.search(vectors(1)[0], k=5).ids == ["first"]
        rows.add(vectors=vectors(1), ids=["meanwhile"])
        answered.set()

    together(lambda: rows.add(slow()), other)
    assert sorted(d.id for d in rows.scan()) == ["a", "b", "first", "meanwhile"]


def test_a_search_from_before_a_write_of_another_thread_keeps_to_its_state(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None, metric="euclidean")
    rows.add(vectors=vectors(300), ids=range(300))
    scan = rows.scan()
    assert next(scan).id == 0
    together(
        lambda: rows.upsert(vectors=vectors(300, seed=9), ids=range(300)) and None, lambda: rows.delete([7]) and None
    )
    assert [document.id for document in scan] == list(range(1, 300))
    assert rows.count() in (299, 300)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timer signals")
def test_an_interrupt_at_any_instant_leaves_the_store_whole_and_usable(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None, metric="euclidean")
    rows.add(vectors=vectors(20), ids=[f"old-{n}" for n in range(20)], metadata={"n": 0})
    interrupted = 0
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    pick = np.random.default_rng(1)
    calls: list[Callable[[str], object]] = [
        lambda id_: rows.add(vectors=vectors(40), ids=[f"{id_}-{n}" for n in range(40)]),
        lambda id_: rows.add(adjoin.Item(None, f"{id_}-{n}", {}, v) for n, v in enumerate(vectors(40))),
        lambda id_: rows.upsert(vectors=vectors(20, seed=3), ids=[f"old-{n}" for n in range(20)], metadata={"by": id_}),
        lambda id_: rows.search(vectors(1)[0], k=3, where={"n": 0}),
        lambda id_: rows.update([f"old-{n}" for n in range(20)], {"by": id_}),
        lambda id_: list(rows.scan({"n": 0})),
    ]
    try:
        for number in range(150):
            try:
                signal.setitimer(signal.ITIMER_REAL, float(pick.uniform(0.00005, 0.0025)))
                calls[number % len(calls)](f"new-{number}")
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            held = contents(rows)
            assert sum(key.startswith("old-") for key in held) == 20
            assert sum(key.startswith(f"new-{number}-") for key in held) in (0, 40)
            assert len({str(held[f"old-{n}"][1]) for n in range(20)}) == 1
            assert rows.count({"n": {"$exists": True}}) == sum("n" in metadata for _, metadata, _ in held.values())
            assert len(rows.search(vectors(1)[0], k=10_000)) == len(held)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 10


def test_an_interrupt_while_waiting_for_the_lock_stores_nothing(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None)
        holder = start(HOLDER, tmp_path / "s")
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        def interrupt() -> None:
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            holder.communicate("\n")

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            rows.add(vectors=vectors(1), ids=["a"])
        thread.join()
        assert rows.count() == 0
        assert rows.add(vectors=vectors(1), ids=["a"]) == ["a"]
