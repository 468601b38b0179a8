"""S: neighbours, compared with an exact search in NumPy."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from adjoin.engine import Batch, Engine, Row
from adjoin.errors import DimensionMismatch, InvalidOption, Unsupported
from adjoin.testing.contract.data import (
    NAME,
    check_exact,
    check_shape,
    clustered,
    distances_of,
    filled,
    find,
    for_metric,
    held,
    ids_of,
    make,
    order_of,
    points,
    put,
    share_found,
    true_distances,
)
from adjoin.testing.contract.writing import run_all
from adjoin.types import METRICS, Id, Metric, Origin


def by_id(matrix: Any, query: Any, metric: Metric = "euclidean") -> dict[Id, float]:
    return dict(enumerate(true_distances(matrix, query, metric).tolist()))


def takes(engine: Engine, metric: Metric) -> bool:
    """Whether the engine has the metric; one that it has not, it refuses."""
    if metric in engine.abilities.metrics:
        return True
    with pytest.raises((InvalidOption, Unsupported)):
        make(engine, metric=metric)
    return False


class SearchingContract:
    @pytest.mark.parametrize("metric", METRICS)
    def test_the_nearest_are_found_by_every_metric(self, engine: Engine, metric: Metric) -> None:
        """S1: by each declared metric the k nearest are those of an exact search in NumPy, at recall 1 and, being few, below."""
        if not takes(engine, metric):
            return
        matrix = for_metric(points(300, 16), metric)
        filled(engine, matrix, metric)
        queries = for_metric(points(12, 16, seed=1), metric)
        for recall in (1.0, 0.95):
            for found, query in zip(find(engine, queries, 7, recall=recall), queries, strict=True):
                given = by_id(matrix, query, metric)
                check_shape(found, given)
                if recall == 1.0:
                    check_exact(found, given, 7)
                else:
                    assert len(found.neighbours) == 7
                    assert share_found(found, given, 7) >= 0.7

    def test_equal_distances_are_ranked_by_id(self, engine: Engine) -> None:
        """S2: neighbours come by distance and then by id: numbers before texts, texts by code points."""
        make(engine)
        ids: list[Id] = [
            "b",
            "가",
            "é",
            "Z",
            "a",
            10,
            9,
            -1,
            "10",
            "9",
            "",
            "나",
            "\U0001f600",
            "\uffff",
            2**62,
            "a b",
            "a-b",
            "aB",
        ]
        put(engine, ids, np.ones((len(ids), 4), np.float32))
        put(engine, ["near"], np.zeros((1, 4), np.float32))
        found = ids_of(find(engine, np.zeros(4), 50)[0])
        assert found == ["near", *sorted(ids, key=order_of)]

    def test_the_ids_decide_who_of_equals_is_among_the_k(self, engine: Engine) -> None:
        """S3: where more rows than k are equally far, those with the first ids are returned."""
        make(engine)
        ids = [int(n) for n in np.random.default_rng(3).permutation(400)]
        put(engine, ids, np.ones((400, 4), np.float32))
        put(engine, ["near"], np.zeros((1, 4), np.float32))
        for k in (1, 2, 7, 150):
            assert ids_of(find(engine, np.zeros(4), k, recall=1.0)[0]) == ["near", *range(k - 1)]

    def test_k_beyond_the_count_gives_all(self, engine: Engine) -> None:
        """S4: k beyond the count gives all the rows, and no more."""
        matrix = points(25)
        filled(engine, matrix)
        for k in (24, 25, 26, 10_000, 2**40):
            (found,) = find(engine, matrix[0], k)
            assert len(found.neighbours) == min(k, 25)
            check_exact(found, by_id(matrix, matrix[0]), k)

    def test_an_empty_collection_has_no_neighbours(self, engine: Engine) -> None:
        """S5: an empty collection has no neighbours: new, with a dim, or emptied."""
        make(engine)
        make(engine, "known", dim=8)
        assert [ids_of(found) for found in find(engine, points(3))] == [[], [], []]
        assert ids_of(find(engine, points(1), name="known", where={"a": 1})[0]) == []
        put(engine, ["a"])
        engine.delete(NAME, ids=["a"])
        assert ids_of(find(engine, points(1))[0]) == []

    def test_rows_with_the_same_vector_are_all_found(self, engine: Engine) -> None:
        """S6: rows with the same vector are all found, each once, equally far."""
        matrix = np.repeat(points(5), 20, axis=0)
        filled(engine, matrix)
        (found,) = find(engine, matrix[0], 20, recall=1.0)
        assert ids_of(found) == list(range(20))
        assert len(set(distances_of(found))) == 1
        assert distances_of(found)[0] == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize("metric", METRICS)
    def test_a_distance_bound_is_the_metrics_own_and_inclusive(self, engine: Engine, metric: Metric) -> None:
        """S7: max_distance is in the metric's own measure, and a row exactly that far is in."""
        if not takes(engine, metric):
            return
        line = np.array([[1, 0], [0, 1], [-1, 0], [3, 0], [0, -4], [0, 8]], np.float32)
        filled(engine, line, metric)
        query = np.array([1, 0], np.float32)
        given = by_id(line, query, metric)
        for bound in sorted(set(given.values())):
            found = ids_of(find(engine, query, 10, max_distance=bound, recall=1.0)[0])
            assert set(found) == {id_ for id_, away in given.items() if away <= bound}, bound
        assert ids_of(find(engine, query, 10, max_distance=min(given.values()) - 0.01)[0]) == []
        assert len(find(engine, query, 2, max_distance=1e9)[0].neighbours) == 2

    def test_many_queries_get_the_answers_of_each(self, engine: Engine) -> None:
        """S8: many queries in one request get what each gets alone."""
        matrix = points(200)
        filled(engine, matrix, metadata=[{"odd": n % 2} for n in range(200)])
        queries = points(30, seed=2)
        for where in (None, {"odd": 1}):
            together = find(engine, queries, 5, where=where, recall=1.0)
            alone = [find(engine, query, 5, where=where, recall=1.0)[0] for query in queries]
            assert [ids_of(found) for found in together] == [ids_of(found) for found in alone]
            assert [distances_of(found) for found in together] == [
                pytest.approx(distances_of(found), abs=1e-6) for found in alone
            ]

    @pytest.mark.parametrize("metric", ["cosine", "euclidean", "dot"])
    def test_a_recall_of_one_is_exact_in_clusters(self, engine: Engine, metric: Metric) -> None:
        """S9: recall=1.0 is exact among clustered rows with many near-equal distances."""
        matrix = clustered(3000)
        matrix[1500:1600] = matrix[:100] * np.float32(1.000001)  # closer than float32 tells
        filled(engine, matrix, metric)
        queries = np.concatenate([matrix[:10], clustered(10, seed=1)])
        for found, query in zip(find(engine, queries, 20, recall=1.0), queries, strict=True):
            check_exact(found, by_id(matrix, query, metric), 20)
            assert found.plan.recall_promised == 1.0

    @pytest.mark.parametrize("recall", [0.9, 0.95, 0.99])
    def test_the_recall_asked_for_is_met_in_clusters(self, engine: Engine, recall: float) -> None:
        """S10: the recall asked for is met on average among clustered rows."""
        matrix, queries = np.split(clustered(3060), [3000])
        filled(engine, matrix, "cosine")
        found = find(engine, queries, 10, recall=recall)
        shares = [
            share_found(one, by_id(matrix, query, "cosine"), 10) for one, query in zip(found, queries, strict=True)
        ]
        assert np.mean(shares) >= recall
        assert all(one.plan.recall_promised >= recall for one in found)

    def test_a_query_of_another_length_is_refused(self, engine: Engine) -> None:
        """S11: a query of another length raises DimensionMismatch."""
        make(engine)
        put(engine, ["a"])
        with pytest.raises(DimensionMismatch, match=r"8.*5|5.*8"):
            find(engine, points(1, 5))

    def test_a_neighbour_is_the_whole_document(self, engine: Engine) -> None:
        """S12: a neighbour carries its content, metadata and origin."""
        make(engine)
        row = Row("a", {"title": "책"}, {"n": [1, None]}, Origin(file="a.md", line=2))
        engine.write(NAME, [Batch([row], points(1))], mode="add")
        (nearest,) = find(engine, points(1))[0].neighbours
        assert nearest.document == engine.get(NAME, ["a"])[0]
        assert (nearest.document.content, nearest.document.metadata) == ({"title": "책"}, {"n": [1, None]})
        assert nearest.document.origin == Origin(file="a.md", line=2)

    def test_the_plan_says_how_it_was_found(self, engine: Engine) -> None:
        """S13: the plan says the strategy, why, how many rows there are and match, and the recall asked and promised."""
        filled(engine, points(100), metadata=[{"n": n} for n in range(100)])
        for where, matching in ((None, 100), ({"n": {"$lt": 30}}, 30)):
            plan = find(engine, points(1), where=where, recall=0.9)[0].plan
            assert (plan.rows, plan.matching, plan.recall_asked) == (100, matching, 0.9)
            assert 0 < plan.candidates <= 100
            assert 0.9 <= plan.recall_promised <= 1.0
            assert plan.strategy
            assert plan.reason
            assert all(ms >= 0 for ms in plan.stages_ms.values())
            str(plan)

    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e18, 1e30])
    def test_very_small_and_very_large_vectors_are_compared_rightly(
        self, engine: Engine, metric: Metric, scale: float
    ) -> None:
        """S14: vectors whose squares leave the range of float32 are compared as rightly as others."""
        if not takes(engine, metric):
            return
        matrix = for_metric(points(60), metric) * np.float32(scale)
        matrix[30:] /= np.float32(scale)
        filled(engine, matrix, metric)
        for query in (matrix[3], matrix[40], points(1, seed=9)[0]):
            true = true_distances(matrix, query, metric)
            size = max(1e-30, float(np.abs(true).max()))
            (found,) = find(engine, query, 8, recall=1.0)
            assert len(set(ids_of(found))) == 8
            assert np.array(distances_of(found)) == pytest.approx(
                np.sort(true)[:8], rel=1e-5, abs=min(1e-6, size * 1e-6)
            )

    def test_a_search_sees_what_was_written_just_before(self, engine: Engine) -> None:
        """S15: a search sees every add, replacement, update and delete that returned before it began."""
        make(engine)
        for n in range(30):
            vector = points(1, seed=n)
            put(engine, [n], vector, metadata=[{"n": n}])
            assert ids_of(find(engine, vector, 1)[0]) == [n]
            assert ids_of(find(engine, vector, 1, where={"n": n})[0]) == [n]
            moved = points(1, seed=1000 + n)
            put(engine, [n], moved, mode="upsert", metadata=[{"m": n}])
            assert distances_of(find(engine, moved, 1)[0]) == pytest.approx([0], abs=1e-5)
            assert find(engine, vector, 1, where={"n": n})[0].neighbours == []
            if n % 3 == 0:
                engine.delete(NAME, ids=[n])
                assert n not in ids_of(find(engine, moved, 99)[0])

    def test_searches_beside_writes_are_well_formed(self, engine: Engine) -> None:
        """S16: searches beside writes fail never, and give whole rows at their own distances."""
        matrix = points(400)
        make(engine)
        put(engine, range(100), matrix[:100])
        done = threading.Event()

        def search() -> None:
            while not done.is_set():
                (found,) = find(engine, matrix[7], 15, with_vectors=True)
                assert len(found.neighbours) == 15
                for neighbour in found.neighbours:
                    assert neighbour.document.vector is not None
                    away = true_distances(neighbour.document.vector[None, :], matrix[7], "euclidean")[0]
                    assert neighbour.distance == pytest.approx(away, abs=1e-5)

        def write() -> None:
            try:
                for n in range(100, 400, 20):
                    put(engine, range(n, n + 20), matrix[n : n + 20])
                    put(engine, range(n - 20, n), points(20, seed=n), mode="upsert")
                    engine.delete(NAME, ids=[n - 1])
            finally:
                done.set()

        run_all([search, write])
        assert len(held(engine)) == 385
