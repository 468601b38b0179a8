"""Every family under every metric it serves, against comparing all rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adjoin.distance import distances_to
from adjoin.errors import InvalidOption, StoreCorrupted, Unsupported
from adjoin.index import base
from adjoin.index.flat import Flat
from adjoin.index.made_queries import unit
from adjoin.index.small import MOST_ROWS
from adjoin.types import METRICS, Metric

SERVED = [(family, metric) for metric in METRICS for family in base.families_for(metric) if family != "flat"]
REPRODUCIBLE = [pair for pair in SERVED if pair[0] != "graph"]  # whose kernel rotates at random, without a seed
each = pytest.mark.parametrize(("family", "metric"), SERVED, ids=lambda value: str(value))


def recall(built: base.Built, rows: Any, queries: Any, k: int, effort: int) -> float:
    """After measuring the candidates exactly; a row as near as the k-th counts as found."""
    flat = Flat(built.dim, built.metric)
    flat.append(rows)
    found = 0
    for query in unit(queries, built.metric):
        candidates = built.search(query, built.pool(k, effort), effort)
        assert len(set(candidates.tolist())) == len(candidates)
        distances = np.sort(distances_to(rows[candidates], query, built.metric))[:k]
        found += int((distances <= flat.search(query, k).distances[-1] + 1e-6).sum())
    return found / (k * len(queries))


@each
def test_most_effort_finds_nearly_all_and_the_file_gives_the_same_answers(
    family: str, metric: Metric, rows_for: Callable[[str], Any], tmp_path: Path
) -> None:
    rows = rows_for(metric)[:2000]
    queries = rows_for(metric)[2000:2040]
    built = base.build(family, rows, metric, {}, threads=1)
    assert (built.family, built.n, built.dim, built.metric) == (family, 2000, 48, metric)
    assert list(built.efforts) == sorted(set(built.efforts))
    assert recall(built, rows, queries, 10, built.efforts[-1]) >= (0.95 if metric == "dot" else 0.99)
    built.save(tmp_path / "index")
    again = base.load(family, tmp_path / "index", n=2000, dim=48, metric=metric, params=built.params)
    assert (again.efforts, again.params) == (built.efforts, built.params)
    size = (tmp_path / "index").stat().st_size
    assert 0.5 * size < again.memory_bytes + 60_000 < 1.5 * size + 60_000  # codebooks are in the file alone
    points = unit(queries, metric)
    effort = built.efforts[len(built.efforts) // 2]
    for query, row in zip(points, built.search_many(points, 10, effort, threads=2), strict=True):
        np.testing.assert_array_equal(row[row >= 0], built.search(query, 10, effort))
        np.testing.assert_array_equal(row[row >= 0], again.search(query, 10, effort))


@pytest.mark.parametrize("family", ["graph", "hnsw", "ivf", "pq", "ivfpq", "lsh"])
def test_sentences_are_found_by_cosine(family: str, sentences: Any) -> None:
    rows, queries = sentences[:300], sentences[300:]
    built = base.build(family, rows, "cosine", {}, threads=1)
    assert recall(built, rows, queries, 10, built.efforts[-1]) >= 0.98


@pytest.mark.parametrize(("family", "metric"), REPRODUCIBLE)
def test_one_thread_and_one_seed_build_the_same_index(
    family: str, metric: Metric, rows_for: Callable[[str], Any], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        base.build(family, rows_for(metric)[:600], metric, {}, seed=3, threads=1).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@each
@pytest.mark.parametrize(("n", "dim"), [(1, 3), (MOST_ROWS, 2), (MOST_ROWS + 1, 1), (300, 7), (300, 17)])
def test_few_rows_and_odd_widths(
    family: str, metric: Metric, n: int, dim: int, rows_for: Callable[[str], Any], tmp_path: Path
) -> None:
    rows = np.ascontiguousarray(rows_for(metric)[:n, :dim]) + np.float32(0 if metric == "hamming" else 1e-3)
    built = base.build(family, rows, metric, {}, threads=1)
    built.save(tmp_path / "index")
    built = base.load(family, tmp_path / "index", n=n, dim=dim, metric=metric, params={})
    assert recall(built, rows, rows[:20], min(n, 5), built.efforts[-1]) >= 0.97
    assert built.search(unit(rows, metric)[0], 10 * n, built.efforts[-1]).max() < n
    assert built.search_many(unit(rows[:2], metric), n + 5, built.efforts[-1]).shape == (min(n, 2), n + 5)


@each
def test_rows_that_are_all_equal_or_come_many_times(
    family: str, metric: Metric, rows_for: Callable[[str], Any]
) -> None:
    same = np.tile(rows_for(metric)[:1], (400, 1))
    built = base.build(family, same, metric, {}, threads=1)
    assert recall(built, same, same[:3], 10, built.efforts[-1]) == 1
    repeated = np.repeat(rows_for(metric)[:40], 10, axis=0)
    built = base.build(family, repeated, metric, {}, threads=1)
    assert recall(built, repeated, repeated[::20], 10, built.efforts[-1]) >= 0.95


@pytest.mark.parametrize(("family", "metric"), [pair for pair in SERVED if pair[1] in ("euclidean", "manhattan")])
@pytest.mark.parametrize(("scale", "offset"), [(1e-12, 0), (1e15, 0), (1, 1e5)])
def test_rows_at_any_scale_and_far_from_the_origin(
    family: str, metric: Metric, scale: float, offset: float, trigrams: Any, tmp_path: Path
) -> None:
    rows = (trigrams[:500] * scale + offset).astype(np.float32)
    base.build(family, rows, metric, {}, threads=1).save(tmp_path / "index")
    built = base.load(family, tmp_path / "index", n=500, dim=48, metric=metric, params={})
    found = sum(
        int(row in built.search(rows[row], built.pool(10, 384), built.efforts[-1])) for row in range(0, 500, 10)
    )
    assert found >= 48


@pytest.mark.parametrize("family", [name for name in base.FAMILIES if name != "flat"])
def test_a_metric_that_is_not_served_is_refused_with_those_that_can(family: str) -> None:
    for metric in METRICS:
        if family in base.families_for(metric):
            continue
        with pytest.raises(Unsupported) as refused:
            base.check(family, metric, {})
        assert all(name in str(refused.value) for name in base.families_for(metric))


@pytest.mark.parametrize(
    ("family", "params", "named"),
    [
        ("grahp", {}, "graph"),
        ("graph", {"m": 3}, "degree"),
        ("graph", {"degree": 33}, "32, 64"),
        ("graph", {"bits": True}, "0, 4, 8"),
        ("hnsw", {"m": 1}, "from 2 to 256"),
        ("hnsw", {"m": 16.0}, "whole number"),
        ("pq", {"bits": 9}, "from 4 to 8"),
        ("pq", {"m": 49}, "48 components"),
        ("lsh", {"bits": 0}, "from 8"),
        ("flat", {"m": 1}, "none"),
        ("auto", {"ef": 1}, "none"),
    ],
)
def test_unknown_names_and_values_are_refused_with_what_is_known(family: str, params: Any, named: str) -> None:
    with pytest.raises(InvalidOption, match=named):
        base.check(family, "cosine", params, dim=48)


def test_defaults_are_filled_in_and_given_values_kept() -> None:
    assert base.check("hnsw", "dot", {"m": 8}) == {"m": 8, "ef_construction": 100}
    assert base.check("pq", "cosine", {}) == {"m": None, "bits": 8}


@pytest.mark.parametrize("metric", METRICS)
def test_auto_chooses_a_family_that_serves_the_metric(metric: Metric) -> None:
    assert base.choose(metric, 100_000, 100) in base.families_for(metric)
    assert base.choose(metric, 10, 100) == "flat"


@pytest.mark.parametrize(
    ("family", "metric"), [("graph", "cosine"), ("graph", "euclidean"), ("hnsw", "cosine"), ("lsh", "hamming")]
)
def test_a_damaged_file_is_refused(family: str, metric: Metric, rows_for: Callable[[str], Any], tmp_path: Path) -> None:
    rows = rows_for(metric)[:400] + np.float32(0 if metric == "hamming" else 1e4)
    built = base.build(family, rows, metric, {}, threads=1)
    path = tmp_path / "index"
    built.save(path)
    whole = path.read_bytes()
    for n, dim in ((401, 48), (400, 200)):
        with pytest.raises(StoreCorrupted, match="Rebuild"):
            base.load(family, path, n=n, dim=dim, metric=metric, params={})
    for kept in (0, 10, len(whole) // 2):
        path.write_bytes(whole[:kept])
        with pytest.raises(StoreCorrupted, match="Rebuild"):
            base.load(family, path, n=400, dim=48, metric=metric, params={})


@pytest.mark.parametrize("family", ["graph", "hnsw", "pq"])
def test_other_threads_run_on_while_an_index_is_built(family: str, trigrams: Any) -> None:
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    base.build(family, trigrams[:3000], "cosine", {}, threads=1)
    took = time.perf_counter() - start
    done.set()
    thread.join()
    assert max(np.diff([start, *ticks])) < max(0.1, took / 2)
