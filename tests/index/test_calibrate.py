"""A promise of recall, held against real queries and against what cannot keep it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjoin.distance import distances_to
from adjoin.errors import StoreCorrupted
from adjoin.index import base
from adjoin.index.calibrate import build_calibrated, measure
from adjoin.index.curve import Choice, Curve, Stratum, lower_bound
from adjoin.index.flat import Flat
from adjoin.index.made_queries import made_queries, unit
from adjoin.index.truth import nearest
from adjoin.types import METRICS, Metric


@pytest.fixture(scope="module")
def hnsw(trigrams: Any) -> tuple[base.Built, Curve]:
    built = base.build("hnsw", trigrams[:4000], "cosine", {"m": 6})
    return built, measure(built, trigrams[:4000], "cosine")


def promised(built: base.Built, rows: Any, queries: Any, k: int, choice: Choice) -> float:
    """The mean recall of queries that are searched as the choice says."""
    flat = Flat(built.dim, built.metric)
    flat.append(rows)
    shares = []
    for query in unit(queries, built.metric):
        true = flat.search(query, k)
        effort: int | None = choice.effort
        found = distances(built, rows, query, k, choice.effort)
        effort = choice.needed(float(found[0]), query)
        if effort is not None and effort > choice.effort:
            found = distances(built, rows, query, k, effort)
        shares.append(1.0 if effort is None else float((found <= true.distances[-1] + 1e-6).sum()) / k)
    return float(np.mean(shares))


def distances(built: base.Built, rows: Any, query: Any, k: int, effort: int) -> Any:
    return np.sort(distances_to(rows[built.search(query, built.pool(k, effort), effort)], query, built.metric))[:k]


@pytest.mark.parametrize("recall", [0.9, 0.95, 0.99])
def test_held_out_rows_get_the_recall_that_is_promised(hnsw: Any, trigrams: Any, recall: float) -> None:
    built, curve = hnsw
    choice = curve.cheapest(recall, 10)
    assert choice is not None
    assert choice.effort < built.efforts[-1] / 4  # a promise kept by comparing nearly all would prove nothing
    assert promised(built, trigrams[:4000], trigrams[4000:4600], 10, choice) >= recall


def test_queries_of_another_kind_get_it_too(hnsw: Any, trigrams: Any, names: Any) -> None:
    built, curve = hnsw
    choice = curve.cheapest(0.95, 10)
    assert choice is not None
    assert promised(built, trigrams[:4000], names, 10, choice) >= 0.95
    assert promised(built, trigrams[:4000], names, 10, Choice(choice.effort)) < 0.95  # what ordinary effort would find
    assert [nearest for nearest, _ in choice.steps] == sorted(nearest for nearest, _ in choice.steps)


def test_a_graph_that_finds_too_little_is_built_another_way_and_says_so(trigrams: Any) -> None:
    rows = trigrams[:1500]
    poor = measure(base.build("hnsw", rows, "cosine", {"m": 2, "ef_construction": 8}), rows, "cosine")
    built, curve, notes = build_calibrated("hnsw", rows, "cosine", {"m": 2, "ef_construction": 8})
    assert not poor.reaches(0.99)
    assert poor.cheapest(0.99, 10) is None
    assert built.params["m"] > 2
    assert max(row[1] for row in curve.recall) > max(row[1] for row in poor.recall)
    assert "m 2" in notes[0]
    assert "Kept: hnsw" in notes[-1]


def test_a_good_index_needs_no_words(trigrams: Any) -> None:
    built, curve, notes = build_calibrated("graph", trigrams[:2000], "cosine", {})
    assert (built.family, notes) == ("graph", ())
    assert curve.reaches(0.99)


def test_logged_queries_are_what_is_measured(hnsw: Any, trigrams: Any) -> None:
    built, curve = hnsw
    easy = trigrams[:300]  # rows themselves
    logged = measure(built, trigrams[:4000], "cosine", queries=easy)
    assert logged.logged
    assert not curve.logged
    assert logged.recall[0][0] > curve.recall[0][0]
    assert not measure(built, trigrams[:4000], "cosine", queries=easy[:50]).logged


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "hamming"])
def test_made_queries_lie_where_their_kind_says(metric: Metric, rows_for: Callable[[str], Any]) -> None:
    rows = rows_for(metric)[:2000]
    made = made_queries(rows, metric, 100, np.random.default_rng(0))
    flat = Flat(48, metric)
    flat.append(rows)
    kinds = [made.near, made.far, made.alien]
    near, far, alien = (np.median([flat.search(query, 1).distances[0] for query in kind]) for kind in kinds)
    assert near < far <= alien
    assert (made.rows != made.neighbours).all()


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_true_neighbours_are_those_of_comparing_all(metric: Metric, data: st.DataObject) -> None:
    seed, n, dim, k = (data.draw(st.integers(*span)) for span in ((0, 99), (1, 300), (1, 9), (1, 40)))
    random = np.random.default_rng(seed)
    rows = random.integers(-3, 4, (n, dim)).astype(np.float32) + np.float32(0.5)
    queries = unit(rows[random.integers(0, n, 5)] + random.random((5, dim), np.float32), metric)
    found, _ = nearest(rows, queries, metric, k)
    flat = Flat(dim, metric)
    flat.append(rows)
    for got, query in zip(found, queries, strict=True):
        assert len(set(got.tolist())) == min(n, k)
        expected = flat.search(query, k).distances[: len(got)]
        np.testing.assert_allclose(np.sort(distances_to(rows[got], query, metric)), expected, atol=1e-5)


def test_true_neighbours_come_from_all_blocks(trigrams: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = nearest(trigrams, unit(trigrams[:7], "cosine"), "cosine", 20)
    monkeypatch.setattr("adjoin.index.truth._KEYS_AT_ONCE", 48 * 90)
    rows, parts = nearest(trigrams, unit(trigrams[:7], "cosine"), "cosine", 20)
    np.testing.assert_allclose(whole, parts, atol=1e-6)
    assert rows[:, 0].tolist() == list(range(7))


def test_the_lower_bound_is_below_the_true_mean_nearly_nineteen_times_of_twenty() -> None:
    random = np.random.default_rng(0)
    for depth, mean in ((1, 0.95), (10, 0.9), (10, 0.99)):
        chances = random.beta(4 * mean, 4 * (1 - mean), (2000, 300))  # queries differ in how hard they are
        bounds = [lower_bound(random.binomial(depth, chance) / depth) for chance in chances]
        assert np.mean(np.array(bounds) <= mean) >= 0.92
        assert np.mean(bounds) > mean - 0.05


def test_a_bound_on_queries_that_all_found_all_says_how_many_there_were() -> None:
    assert lower_bound(np.ones(320)) == pytest.approx(320 / (320 + 1.6448536**2))
    assert lower_bound(np.zeros(320)) == 0


def curve_of(lower: list[list[float]], far: list[list[float]]) -> Curve:
    strata = [
        Stratum(beyond, 9, tuple(map(tuple, rows)), tuple(map(tuple, rows)))
        for beyond, rows in ((-math.inf, lower), (0.5, far))
    ]
    return Curve((1, 10, 100), (10, 20, 100), (1.0, 2.0, 9.0), tuple(strata), 0.9)


def test_the_cheapest_effort_and_depths_between_lie_on_the_lines_between_bounds() -> None:
    curve = curve_of([[0.8, 0.8, 0], [0.9, 0.9, 0], [1, 1, 0.9]], [[0.1, 0.1, 0], [0.5, 0.5, 0], [0.9, 0.9, 0.8]])
    assert curve.cheapest(0.85, 10) == Choice(15, ((0.5, 90), (0.9, None)))
    assert curve.cheapest(0.95, 10) == Choice(60, ((0.5, None), (0.9, None)))
    # A tenth beyond ten, .041 of the way to a hundred by logarithm, where nothing is found below an effort of 100.
    assert curve.cheapest(0.85, 11) == Choice(19, ((0.5, 92), (0.9, None)))
    assert curve.cheapest(0.85, 99) == Choice(96, ((0.5, None), (0.9, None)))
    assert curve.cheapest(0.85, 101) is None
    assert curve.cheapest(0.95, 100) is None
    assert (curve.lower_bound(19, 10), curve.lower_bound(20, 100), curve.lower_bound(9, 1)) == (0.8, 0, 0)


def test_a_far_query_needs_more_and_one_beyond_all_measure_everything() -> None:
    choice = Choice(15, ((0.5, 95), (0.9, None)))
    query = np.ones(4, np.float32)
    assert [choice.needed(distance, query) for distance in (0.5, 0.6, 0.91)] == [15, 95, None]
    by_length = Choice(15, ((-3.0, 95), (-2.0, None)), by_length=True)
    assert [by_length.needed(distance, query) for distance in (-8.0, -5.0, -1.0)] == [15, 95, None]


def test_a_curve_comes_back_from_json(hnsw: Any) -> None:
    _, curve = hnsw
    again = Curve.from_json(json.loads(json.dumps(curve.to_json())))
    assert again.to_json() == curve.to_json()
    assert again.cheapest(0.9, 10).effort == pytest.approx(curve.cheapest(0.9, 10).effort, abs=1)


@pytest.mark.parametrize(
    "change",
    [
        {"efforts": [3, 3, 9]},
        {"efforts": [10, 20]},
        {"strata": []},
        {"cost_us": "no"},
        {"exact_beyond": math.nan},
        {"depths": None},
    ],
)
def test_a_damaged_curve_is_refused(change: dict[str, Any]) -> None:
    rows = [[0.5] * 3] * 3
    told = curve_of(rows, rows).to_json()
    assert Curve.from_json(told).efforts == (10, 20, 100)
    with pytest.raises(StoreCorrupted, match="Rebuild"):
        Curve.from_json({**told, **change})
    told["strata"][0]["lower"][0][0] = 1.5
    with pytest.raises(StoreCorrupted, match="from 0 to 1"):
        Curve.from_json(told)
