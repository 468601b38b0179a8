"""O, E, Q, B, H, P, X: looking after a database: optimising, erasing, measuring, copying, checking, reopening, closing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import adjoin
from adjoin.engine import Engine, SearchRequest
from adjoin.errors import StoreClosed
from adjoin.testing.contract.collections import calls
from adjoin.testing.contract.data import (
    NAME,
    clustered,
    distances_of,
    filled,
    find,
    held,
    ids_of,
    make,
    points,
    put,
    share_found,
    true_distances,
)
from adjoin.testing.contract.filtering import never_short

if TYPE_CHECKING:
    from adjoin.types import Floats


class UpkeepContract:
    # Optimising

    def test_optimizing_keeps_rows_and_answers(self, engine: Engine) -> None:
        """O1: optimize keeps every row and every exact answer, tells how far it is, and may be called at any time."""
        make(engine, "empty")
        engine.optimize("empty")
        matrix = clustered(2000)
        filled(engine, matrix, "cosine", metadata=[{"n": n} for n in range(2000)])
        engine.delete(NAME, where={"n": {"$lt": 100}})
        engine.update(NAME, [(1999, {"new": True})], replace=False)
        before, queries = held(engine), clustered(10, seed=3)
        answers = [(ids_of(found), distances_of(found)) for found in find(engine, queries, recall=1.0)]
        told: list[tuple[int, int | None]] = []
        engine.optimize(NAME, progress=lambda done, total: told.append((done, total)))
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        for found, (ids, distances) in zip(find(engine, queries, recall=1.0), answers, strict=True):
            assert ids_of(found) == ids
            assert distances_of(found) == pytest.approx(distances, abs=1e-6)
        after = held(engine)
        assert after == before
        assert all(np.array_equal(after[id_].vector, row.vector) for id_, row in before.items())  # type: ignore[arg-type]

    def test_an_optimized_collection_meets_the_recall_asked_for(self, engine: Engine) -> None:
        """O2: after optimize the recall asked for is met on average, and still is when rows come and go afterwards."""
        matrix, queries = np.split(clustered(5060), [5000])
        filled(engine, matrix[:4500], "cosine")
        engine.optimize(NAME)
        check_recall(engine, matrix[:4500], queries)
        put(engine, range(4500, 5000), matrix[4500:])
        engine.delete(NAME, ids=list(range(4990, 5000)))
        check_recall(engine, matrix[:4990], queries)

    @pytest.mark.parametrize("away", [False, True], ids=["anywhere", "far from the query"])
    def test_an_optimized_collection_is_never_short(self, engine: Engine, away: bool) -> None:
        """O3: after optimize a filtered search still returns k rows while k match, near the query or far."""
        never_short(engine, away=away, optimize=True)

    def test_writes_after_optimizing_are_seen_at_once(self, engine: Engine) -> None:
        """O4: what is added, replaced or deleted after optimize is in the very next answers."""
        matrix = points(600)
        filled(engine, matrix)
        engine.optimize(NAME)
        put(engine, ["new"], matrix[5:6] + np.float32(0.001))
        put(engine, [7], points(1, seed=70), mode="upsert")
        engine.delete(NAME, ids=[5])
        assert ids_of(find(engine, matrix[5], 1, recall=1.0)[0]) == ["new"]
        assert distances_of(find(engine, points(1, seed=70), 1, recall=1.0)[0]) == pytest.approx([0], abs=1e-5)
        assert find(engine, matrix[7], 1, recall=1.0)[0].neighbours[0].distance > 1e-3
        assert 5 not in ids_of(find(engine, matrix[5], 600)[0])

    def test_queries_unlike_the_rows_get_the_recall_asked_for(self, engine: Engine) -> None:
        """O5: queries that are unlike the rows get the recall asked for too, be it once a hundred of them were asked."""
        matrix = clustered(5000)
        filled(engine, matrix, "cosine")
        engine.optimize(NAME)
        for recall in (0.9, 0.95, 0.99):
            for start in range(0, 100, 20):
                find(engine, clustered(100, seed=2)[start : start + 20], recall=recall)
        check_recall(engine, matrix, clustered(60, seed=1))

    # Erasing

    def test_erased_rows_are_gone_from_every_answer(self, engine: Engine) -> None:
        """E1: erase removes rows by id or by filter, says how many, and leaves the others."""
        matrix = points(300)
        filled(engine, matrix, metadata=[{"n": n} for n in range(300)])
        assert int(engine.erase(NAME, ids=[3, 3, 4, "nobody"])) == 2
        assert int(engine.erase(NAME, where={"n": {"$gte": 290}})) == 10
        assert int(engine.erase(NAME, where={"n": 9999})) == 0
        assert set(held(engine)) == set(range(290)) - {3, 4}
        assert not {3, 4} & set(ids_of(find(engine, matrix[3], 300)[0]))
        assert put(engine, [3]).added == 1

    def test_nothing_erased_is_left_on_disk(self, engine: Engine) -> None:
        """E2: erase reads the engine's files after it, and finds nothing there of what it erased."""
        make(engine)
        secret = "비밀 쪽지 8f1c2d secret note of the contract " * 5
        put(engine, ["secret", "kept"], contents=[secret, "kept"], metadata=[{"of": "8f1c2d metadata"}, {}])
        put(engine, ["secret"], points(1, seed=5), mode="upsert", contents=[secret + "2"])
        engine.optimize(NAME)
        erased = engine.erase(NAME, ids=["secret"])
        assert (erased.deleted, erased.found) == (1, ())
        assert erased.searched_bytes > 0 or engine.location.startswith("memory://")
        assert list(held(engine)) == ["kept"]
        folder = Path(engine.location)
        if folder.is_dir():
            for file in filter(Path.is_file, folder.rglob("*")):
                data = file.read_bytes()
                assert "비밀 쪽지 8f1c2d".encode() not in data, file
                assert b"8f1c2d metadata" not in data, file

    # Measuring

    def test_the_recall_of_live_queries_is_measured(self, engine: Engine) -> None:
        """Q1: recall measures queries that were searched, all first and then by selectivity, with an interval around each."""
        matrix = clustered(1500)
        filled(engine, matrix, "cosine", metadata=[{"n": n} for n in range(1500)])
        engine.optimize(NAME)
        report = engine.recall(NAME, k=10, budget_s=5.0)
        assert (report.queries, report.recall) == (0, None)
        find(engine, clustered(30, seed=1), 10)
        find(engine, clustered(5, seed=2), 10, where={"n": {"$lt": 150}})
        report = engine.recall(NAME, k=10, budget_s=20.0)
        assert 0 < report.queries <= 35
        assert report.lines[0].selectivity == (0.0, 1.0)
        for line in report.lines:
            assert 0 <= line.right <= line.wanted <= 10 * line.queries
            assert line.recall == pytest.approx(line.right / line.wanted)
            assert 0 <= line.low <= line.recall <= line.high <= 1
        assert report.recall is not None
        assert report.recall >= 0.9
        assert report.seconds < 60
        assert "recall" in str(report)

    # Copying and checking

    def test_a_backup_opens_as_the_database_was(self, engine: Engine, tmp_path: Path) -> None:
        """B1: a backup, taken while the database is in use, opens as a database with every row, note and spec."""
        filled(engine, points(200), metadata=[{"n": n} for n in range(200)], notes={"n": "1"})
        make(engine, "다른", metric="cosine", dim=4)
        engine.backup(tmp_path / "copy")
        before, specs = held(engine), engine.collections()
        answer = ids_of(find(engine, points(1), 5)[0])
        put(engine, ["later"])
        with adjoin.open(tmp_path / "copy", create=False) as opened:
            copy = opened._engine
            assert copy.collections() == specs
            assert held(copy) == before
            assert copy.notes(NAME) == {"n": "1"}
            assert ids_of(find(copy, points(1), 5)[0]) == answer

    def test_a_healthy_database_is_found_so(self, engine: Engine) -> None:
        """H1: doctor finds no damage in a healthy database, says what it looked at, and changes nothing."""
        filled(engine, points(200), metadata=[{"n": n} for n in range(200)], notes={"n": "1"})
        make(engine, "empty")
        engine.delete(NAME, ids=[1, 2])
        before = held(engine)
        engine.optimize(NAME)
        for repair in (False, True):
            diagnosis = engine.doctor(repair=repair)
            assert diagnosis.healthy, str(diagnosis)
            assert diagnosis.checked
        assert held(engine) == before

    # Reopening and closing

    def test_everything_is_there_after_reopening(self, engine: Engine, reopen: Callable[[], Engine]) -> None:
        """P1: what was written is there when the database is closed and opened again."""
        matrix = points(50)
        filled(engine, matrix, metadata=[{"n": n} for n in range(50)], notes={"n": "1"})
        engine.delete(NAME, ids=[1])
        engine.update(NAME, [(2, {"new": "값"})], replace=False)
        before, specs = held(engine), engine.collections()
        answer = ids_of(find(engine, matrix[9], where={"n": {"$gt": 3}})[0])
        engine.close()
        again = reopen()
        assert again.collections() == specs
        assert held(again) == before
        assert again.notes(NAME) == {"n": "1"}
        assert ids_of(find(again, matrix[9], where={"n": {"$gt": 3}})[0]) == answer

    def test_two_who_have_it_open_see_each_others_writes(self, engine: Engine, reopen: Callable[[], Engine]) -> None:
        """P2: two that have the same database open see what the other wrote, at once."""
        make(engine)
        other = reopen()
        for n in range(5):
            one, two = (engine, other) if n % 2 else (other, engine)
            vector = points(1, seed=n)
            put(one, [n], vector, metadata=[{"n": n}])
            assert ids_of(find(two, vector, 1)[0]) == [n]
            assert two.count(NAME, {"n": n}) == 1
            two.update(NAME, [(n, {"seen": True})], replace=False)
            assert one.get(NAME, [n])[0].metadata == {"n": n, "seen": True}
            put(two, [n], points(1, seed=50 + n), mode="upsert")
            assert distances_of(find(one, points(1, seed=50 + n), 1)[0]) == pytest.approx([0], abs=1e-5)
        other.drop(NAME)
        assert engine.collections() == []

    def test_a_closed_engine_says_so(self, engine: Engine, tmp_path: Path) -> None:
        """X1: after close every call raises StoreClosed; closing again does no harm."""
        make(engine)
        put(engine, ["a"])
        scan = engine.scan(NAME)
        engine.close()
        engine.close()
        others: list[Callable[[], Any]] = [
            lambda: engine.collections(), lambda: engine.spec(NAME), lambda: make(engine, "new"), lambda: next(scan),
            lambda: engine.doctor(), lambda: engine.backup(tmp_path / "copy"),
        ]  # fmt: skip
        for call in [*calls(engine, NAME), *others]:
            with pytest.raises(StoreClosed):
                call()


def check_recall(engine: Engine, matrix: Floats, queries: Floats) -> None:
    for recall in (0.9, 0.95, 0.99):
        found = engine.search(NAME, SearchRequest(queries, 10, recall=recall))
        given: list[Any] = [dict(enumerate(true_distances(matrix, query, "cosine").tolist())) for query in queries]
        shares = [share_found(one, near, 10) for one, near in zip(found, given, strict=True)]
        assert np.mean(shares) >= recall, [one.plan.strategy for one in found[:1]]
