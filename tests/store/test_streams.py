"""Generators: whole or not at all, in bounded memory, and free to use the collection that takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import adjoin
from adjoin.errors import DimensionMismatch, DuplicateId, InvalidInput, InvalidVector, NotFound
from tests.support.peak import PEAK_KB, needs_peak
from tests.support.stores import contents, python, vectors


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adjoin.ingest.GIVEN_ROWS", 10)


@pytest.fixture(params=["folder", "memory"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[adjoin.Collection]:
    with adjoin.open(tmp_path / "s" if request.param == "folder" else "memory://") as db:
        rows = db.collection("rows", embedder=None, metric="cosine")
        rows.add(vectors=vectors(25), ids=[f"old-{n}" for n in range(25)], metadata={"n": 1})
        yield rows


def items(prefix: str, count: int, dim: int = 8) -> Iterator[adjoin.Item]:
    for n, row in enumerate(vectors(count, dim, seed=len(prefix))):
        yield adjoin.Item(f"text {n}", f"{prefix}-{n}", {"n": n}, row)


def test_a_stream_is_stored_in_its_order(rows: adjoin.Collection) -> None:
    assert rows.add(items("new", 95)) == [f"new-{n}" for n in range(95)]
    assert [d.id for d in rows.scan()][25:] == [f"new-{n}" for n in range(95)]
    assert rows.search(vectors(95, seed=3)[70], k=1).ids == ["new-70"]


@pytest.mark.parametrize("mode", ["add", "upsert"])
@pytest.mark.parametrize("after", [0, 5, 10, 35])
@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt(), GeneratorExit()])
def test_a_stream_that_breaks_off_stores_nothing(
    rows: adjoin.Collection, mode: str, after: int, error: BaseException
) -> None:
    def broken() -> Iterator[adjoin.Item]:
        yield from items("old", after)
        raise error

    before = contents(rows)
    with pytest.raises(type(error)):
        getattr(rows, mode)(
            broken() if mode == "upsert" else (adjoin.Item(None, f"x{n}", {}, i.vector) for n, i in enumerate(broken()))
        )
    assert contents(rows) == before
    assert rows.add(items("new", 30))[-1] == "new-29"


@pytest.mark.parametrize("mode", ["add", "upsert"])
@pytest.mark.parametrize("place", [1, 12, 33])
def test_a_bad_item_anywhere_in_a_stream_stores_nothing(rows: adjoin.Collection, mode: str, place: int) -> None:
    bad = {
        InvalidVector: adjoin.Item(None, "bad", {}, [0.0] * 8),
        DimensionMismatch: adjoin.Item(None, "bad", {}, [1.0] * 7),
        DuplicateId: adjoin.Item(None, "new-0", {}, [1.0] * 8),
        InvalidInput: adjoin.Item(None, "bad", {"$x": 1}, [1.0] * 8),
    }
    before = contents(rows)
    for kind, item in bad.items():
        stream = [*items("new", place), item, *items("later", 20)]
        with pytest.raises(kind):
            getattr(rows, mode)(iter(stream))
        assert contents(rows) == before


def test_the_first_stream_of_a_collection_must_agree_with_itself(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None)
        with pytest.raises(DimensionMismatch, match="holds 8-dimensional vectors; this one has 5"):
            rows.add(iter([*items("a", 20), *items("b", 20, dim=5)]))
        assert rows.count() == 0
        assert rows.dim is None
        rows.add(items("b", 20, dim=5))
        assert rows.dim == 5


def test_an_id_that_exists_refuses_the_whole_stream(rows: adjoin.Collection) -> None:
    before = contents(rows)
    with pytest.raises(DuplicateId, match=r"already has 'old-3'. Nothing of this call was stored. Use upsert"):
        rows.add(iter([*items("new", 40), adjoin.Item(None, "old-3", {}, [1.0] * 8)]))
    assert contents(rows) == before


def test_an_id_that_comes_twice_is_refused_however_far_apart(rows: adjoin.Collection) -> None:
    before = contents(rows)
    for mode in (rows.add, rows.upsert):
        for gap in (1, 50):
            with pytest.raises(DuplicateId, match="'twice' stands more than once in this call"):
                mode(
                    iter(
                        [
                            adjoin.Item(None, "twice", {}, [1.0] * 8),
                            *items("new", gap),
                            adjoin.Item(None, "twice", {}, [2.0] * 8),
                        ]
                    )
                )
    assert contents(rows) == before


def test_a_generator_may_read_the_collection_that_takes_it(rows: adjoin.Collection) -> None:
    def copies() -> Iterator[adjoin.Item]:
        for n, document in enumerate(rows.scan(vectors=True)):
            assert rows.count() == 25
            assert rows.search(document.vector, k=1).ids == [document.id]
            yield adjoin.Item(document.content, f"copy-{n}", document.metadata, document.vector)

    assert len(rows.add(copies())) == 25
    assert rows.count() == 50


def test_a_generator_may_write_to_the_collection_that_takes_it(rows: adjoin.Collection) -> None:
    def nested() -> Iterator[adjoin.Item]:
        for n, item in enumerate(items("outer", 35)):
            if n % 15 == 12:
                rows.add(items(f"inner{n}", 25))
                rows.delete(f"old-{n}")
            yield item

    assert len(rows.add(nested())) == 35
    ids = {d.id for d in rows.scan()}
    assert {f"outer-{n}" for n in range(35)} <= ids
    assert {f"inner12-{n}" for n in range(25)} <= ids
    assert rows.count() == 25 - 1 + 35 + 50


def test_what_a_scan_gives_is_what_was_there_when_it_began(rows: adjoin.Collection) -> None:
    rows.upsert(items("more", 1500))
    expected = list(rows.scan())
    found = []
    for number, document in enumerate(rows.scan()):
        found.append(document)
        if number < 100:
            rows.upsert(vectors=vectors(1, seed=number), ids=[document.id], metadata={"changed": number})
            rows.delete(f"more-{1499 - number}")
            rows.add(vectors=vectors(1), ids=[f"added-{number}"])
            rows.update("more-600", {"changed": number})
    assert found == expected
    assert rows.count({"changed": {"$exists": True}}) == 101


def test_a_scan_begins_with_the_first_next_and_can_be_left_at_any_time(rows: adjoin.Collection) -> None:
    scan = rows.scan()
    rows.delete("old-0")
    assert next(scan).id == "old-1"
    scan.close()  # type: ignore[attr-defined]
    for _ in range(50):
        next(rows.scan())
    rows.add(items("new", 30))
    with pytest.raises(NotFound):
        next(adjoin.open("memory://").collection("x", embedder=None)._engine.scan("nothing"))


def test_arguments_that_stream_and_end_unevenly_store_nothing(rows: adjoin.Collection) -> None:
    before = contents(rows)
    for ids, metadata in ((iter(["a", "b"]), None), (["a", "b", "c"], iter([{}])), (iter("abcd"), None)):
        with pytest.raises(InvalidInput, match="Give one of each for every item"):
            rows.add(vectors=iter(vectors(3)), ids=ids, metadata=metadata)
    assert contents(rows) == before


GROWTH = (
    PEAK_KB
    + """
import adjoin, sys
import numpy as np
db = adjoin.open(sys.argv[1])
rows = db.collection("rows", embedder=None, index="flat")  # an index is held in memory by whatever uses it
count = int(sys.argv[2])
rows.add(adjoin.Item("x" * 50, -n - 1, {"n": n}, v) for n, v in enumerate(np.ones((40_000, 64), np.float32)))
before = peak_kb()
def stream():
    pick = np.random.default_rng(0)
    for n in range(count):
        yield adjoin.Item("x" * 500, n, {"n": n}, pick.standard_normal(64, dtype=np.float32))
rows.add(stream())
print((peak_kb() - before) // 1024)
print(rows.count())
"""
)


@pytest.mark.slow
@needs_peak
def test_a_stream_of_four_hundred_thousand_rows_takes_bounded_memory(tmp_path: Path) -> None:
    grown_mb, count = map(int, python(GROWTH, tmp_path / "s", 400_000, timeout=200).split())
    assert count == 440_000
    assert grown_mb < 220  # the rows alone are 300 MB; some 150 MB are held of 200,000 rows and of 400,000
