"""Exact search against brute force: SciPy in float64, and for the order adjoin's own distance of every row."""

import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist

from adjoin.distance import distance
from adjoin.errors import DimensionMismatch, InvalidOption, InvalidVector
from adjoin.index.first_pass import first_pass
from adjoin.index.flat import Flat
from adjoin.types import METRICS, Metric

SCIPY = {"euclidean": "euclidean", "manhattan": "cityblock", "chebyshev": "chebyshev", "hamming": "hamming"}


def brute(matrix: Any, query: Any, metric: Metric) -> Any:
    """Distances of all rows, float64."""
    rows, point = np.asarray(matrix, np.float64), np.asarray(query, np.float64)[None, :]
    if metric == "dot":
        return -(rows @ point[0])
    if metric == "cosine":
        return cdist(rows, point, "cosine")[:, 0]
    return cdist(rows, point, SCIPY[metric])[:, 0]


def filled(matrix: Any, metric: Metric) -> Flat:
    flat = Flat(matrix.shape[1], metric)
    flat.append(matrix)
    return flat


def normal(rows: int, dim: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def cone(rows: int, dim: int, seed: int = 0) -> Any:
    """Mean cosine .84, as sentence embeddings have."""
    vectors = normal(rows, dim, seed) * np.sqrt(0.16 / 0.84) + 1
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(rows: int, dim: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((5, dim)) * 10
    return (centres[random.integers(0, 5, rows)] + random.standard_normal((rows, dim)) * 1e-4).astype(np.float32)


SETS = {
    "random": lambda rows, dim, seed: normal(rows, dim, seed),
    "cone": cone,
    "clustered": clustered,
    "offset": lambda rows, dim, seed: normal(rows, dim, seed) + np.float32(1e4),
    "far offset": lambda rows, dim, seed: normal(rows, dim, seed) + np.float32(1e7),
    "huge": lambda rows, dim, seed: normal(rows, dim, seed) * np.float32(1e30),
    "hugest": lambda rows, dim, seed: np.tanh(normal(rows, dim, seed)) * np.float32(3.4e38),
    "tiny": lambda rows, dim, seed: normal(rows, dim, seed) * np.float32(1e-30),
    "denormal": lambda rows, dim, seed: normal(rows, dim, seed) * np.float32(1e-42),
    "mixed": lambda rows, dim, seed: normal(rows, dim, seed) * np.float32(10) ** (normal(rows, 1, seed + 1) * 8),
    "grid": lambda rows, dim, seed: np.sign(normal(rows, dim, seed)) + 3 * (normal(rows, 1, seed) > 0),
    "duplicates": lambda rows, dim, seed: np.repeat(normal(-(-rows // 50), dim, seed), 50, axis=0)[:rows],
}


def check(flat: Flat, matrix: Any, query: Any, k: int, mask: Any = None, most: float | None = None) -> None:
    """The answer is the true one: by adjoin's distance to the last bit, by SciPy's to rounding."""
    metric = flat.metric
    rows, distances = flat.search(query, k, mask=mask, max_distance=most)
    allowed = np.arange(len(matrix)) if mask is None else np.flatnonzero(mask)
    assert rows.dtype == np.int64
    assert distances.dtype == np.float64
    assert (distances[1:] >= distances[:-1]).all()
    assert ((np.diff(rows) > 0) | (np.diff(distances) > 0)).all()  # ties by row
    assert len(set(rows)) == len(rows)
    assert np.isin(rows, allowed).all()

    truth = brute(matrix, query, metric)[allowed]
    scale = np.abs(truth[np.isfinite(truth)]).max(initial=0)
    by_scipy = dict(zip(allowed, truth, strict=True))
    slack = 2e-7 if metric == "cosine" else 1e-9 * scale
    np.testing.assert_allclose(distances, [by_scipy[row] for row in rows], rtol=1e-6, atol=slack)
    if most is None:
        assert len(rows) >= min(k, len(allowed))
    near = truth if most is None else truth[truth <= most - slack]
    if len(near):
        kth = np.sort(near)[min(k, len(near)) - 1]
        surely = allowed[(truth < kth - slack) & (truth <= (np.inf if most is None else most - slack))]
        assert np.isin(surely, rows).all()
    if metric == "cosine":
        return  # it measures the rows scaled to length 1: equal to rounding only
    exact = np.asarray(distance(matrix, query, metric))[allowed]
    order = np.argsort(exact, kind="stable")
    order = order[exact[order] <= (np.inf if most is None else most)]
    if len(order):
        order = order[exact[order] <= exact[order[min(k, len(order)) - 1]]]
    assert rows.tolist() == allowed[order].tolist()
    assert distances.tolist() == exact[order].tolist()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("dim", [1, 3, 65])
def test_neighbours_are_the_true_ones(metric: Metric, kind: str, dim: int) -> None:
    made = SETS[kind](600, dim, 5).astype(np.float32)
    if metric == "cosine":
        made[~made.any(axis=1)] = 1e-40
    matrix, others = made[:500], made[500:]
    flat = filled(matrix, metric)
    random = np.random.default_rng(1)
    for query in (matrix[7], others[0], others[1]):
        check(flat, matrix, query, 10)
        check(flat, matrix, query, 10, random.random(500) < 0.5)
        check(flat, matrix, query, 10, random.random(500) < 0.03)
        check(flat, matrix, query, 3, most=float(np.median(brute(matrix, query, metric))))


@pytest.mark.parametrize("metric", METRICS)
def test_edges_of_k_and_of_the_mask(metric: Metric) -> None:
    matrix = normal(40, 9)
    flat = filled(matrix, metric)
    for k in (1, 39, 40, 41, 10**9):
        check(flat, matrix, matrix[3], k)
        check(flat, matrix, matrix[3], k, np.arange(40) % 2 == 0)
    assert len(flat.search(matrix[0], 5, mask=np.zeros(40, bool)).rows) == 0
    assert len(flat.search(matrix[0], 5, mask=np.ones(40, bool)).rows) >= 5
    one = np.zeros(40, bool)
    one[17] = True
    assert flat.search(matrix[0], 5, mask=one).rows.tolist() == [17]


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_is_found_in_nothing(metric: Metric) -> None:
    flat = Flat(4, metric)
    rows, distances = flat.search(np.ones(4, np.float32), 3)
    assert (len(flat), len(rows), len(distances)) == (0, 0, 0)
    flat.append(np.empty((0, 4), np.float32))
    assert flat.search_many(np.ones((2, 4)), 3, mask=np.zeros(0, bool))[1].rows.tolist() == []
    assert flat.search_many(np.empty((0, 4)), 3) == []


@pytest.mark.parametrize("metric", METRICS)
def test_all_ties_at_the_last_place_are_returned(metric: Metric) -> None:
    matrix = normal(300, 384)
    matrix[50:250] = matrix[7]
    rows, distances = filled(matrix, metric).search(matrix[7], 3)
    assert rows.tolist() == [7, *range(50, 250)] or metric == "dot"
    assert len(set(distances.tolist())) == 1 or metric == "dot"
    check(filled(matrix, metric), matrix, matrix[7] * 0.5, 3)


@pytest.mark.parametrize("metric", METRICS)
def test_twenty_thousand_equal_vectors_stay_correct_and_bounded(metric: Metric) -> None:
    matrix = np.repeat(normal(1, 128), 20_000, axis=0)
    flat = filled(matrix, metric)
    query = normal(1, 128, seed=2)[0]
    tracemalloc.start()
    rows, distances = flat.search(query, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows.tolist() == list(range(20_000))
    assert len(set(distances.tolist())) == 1
    assert peak < 40e6


def test_max_distance_is_inclusive_and_exact() -> None:
    matrix = np.array([[0, 0], [3, 4], [6, 8], [1, 0]], np.float32)
    flat = filled(matrix, "euclidean")
    origin = np.zeros(2, np.float32)
    assert flat.search(origin, 9, max_distance=5.0).rows.tolist() == [0, 3, 1]
    assert flat.search(origin, 9, max_distance=np.nextafter(5.0, 0)).rows.tolist() == [0, 3]
    assert flat.search(origin, 1, max_distance=5.0).rows.tolist() == [0]
    assert flat.search(origin, 9, max_distance=0.0).rows.tolist() == [0]
    assert flat.search(origin, 9, max_distance=-1.0).rows.tolist() == []
    assert flat.search(origin, 9, max_distance=np.inf).rows.tolist() == [0, 3, 1, 2]
    assert filled(matrix, "dot").search(matrix[1], 9, max_distance=-25.0).rows.tolist() == [2, 1]


@pytest.mark.parametrize("metric", METRICS)
def test_extreme_max_distances_are_no_trouble(metric: Metric) -> None:
    matrix = normal(30, 4)
    flat = filled(matrix, metric)
    for mask in (None, np.arange(30) % 2 == 0, np.arange(30) == 3):
        allowed = 30 if mask is None else int(mask.sum())
        for k in (2, 50):
            for far in (np.inf, 1e300, 1e39):
                assert len(flat.search(matrix[0], k, mask=mask, max_distance=far).rows) >= min(k, allowed)
            for near in (-np.inf, -1e300, -1e39, -1e3):
                assert len(flat.search(matrix[0], k, mask=mask, max_distance=near).rows) == 0


@pytest.mark.parametrize("metric", METRICS)
def test_many_queries_get_the_answers_that_each_gets_alone(metric: Metric) -> None:
    matrix, queries = cone(3000, 48), cone(70, 48, seed=3)
    flat = filled(matrix, metric)
    random = np.random.default_rng(4)
    for mask in (None, random.random(3000) < 0.5, random.random(3000) < 0.02):
        for query, found in zip(queries, flat.search_many(queries, 7, mask=mask), strict=True):
            alone = flat.search(query, 7, mask=mask)
            assert found.rows.tolist() == alone.rows.tolist()
            assert found.distances.tolist() == alone.distances.tolist()


def test_many_queries_take_bounded_memory() -> None:
    flat = filled(normal(20_000, 16), "euclidean")
    queries = normal(2000, 16, seed=1)
    tracemalloc.start()
    flat.search_many(queries, 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6  # all keys at once would be 160 MB in float32


@pytest.mark.parametrize("metric", METRICS)
def test_rows_appended_in_pieces_are_one_matrix(metric: Metric) -> None:
    matrix = normal(700, 12) + np.linspace(0, 50, 700, dtype=np.float32)[:, None]  # the middle moves
    flat = Flat(12, metric)
    for start, stop in ((0, 1), (1, 2), (2, 300), (300, 300), (300, 700)):
        flat.append(matrix[start:stop])
        assert len(flat) == stop
        check(flat, matrix[:stop], matrix[stop // 2] + 0.25, 5)


def test_an_older_state_can_be_searched_while_rows_are_added() -> None:
    matrix = normal(4000, 32)
    flat = filled(matrix[:1000], "euclidean")
    expected = flat.search(matrix[3], 20)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(150):
                found = flat.search(matrix[3], 20, rows=1000)
                assert found.rows.tolist() == expected.rows.tolist()
                assert found.distances.tolist() == expected.distances.tolist()
                assert len(flat.search(matrix[3], 20).rows) == 20
        except BaseException as exc:
            failures.append(exc)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for start in range(1000, 4000, 10):
        flat.append(matrix[start : start + 10])
    for reader in readers:
        reader.join()
    assert not failures
    check(flat, matrix, matrix[3], 20)


@settings(deadline=None, max_examples=300)
@given(st.data(), st.sampled_from(METRICS), st.integers(1, 5), st.integers(1, 30))
def test_any_vectors_get_their_true_neighbours(data: st.DataObject, metric: Metric, dim: int, n: int) -> None:
    numbers = st.one_of(
        st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from([0.0, 1.0, -1.0, 0.5, 16777216.0])
    )
    made = data.draw(hnp.arrays(np.float32, (n + 1, dim), elements=numbers))
    if metric == "cosine":
        made[~made.any(axis=1)] = 1
    mask = data.draw(st.none() | hnp.arrays(np.bool_, n))
    k = data.draw(st.integers(1, n + 1))
    cut = data.draw(st.integers(0, n))
    flat = Flat(dim, metric)
    flat.append(made[:cut])
    flat.append(made[cut:n])
    check(flat, made[:n], made[n], k, mask)


@settings(deadline=None, max_examples=200)
@given(st.data(), st.sampled_from(["cosine", "dot", "euclidean", "manhattan", "chebyshev", "hamming"]))
def test_keys_are_never_off_by_more_than_they_say(data: st.DataObject, metric: Metric) -> None:
    dim = data.draw(st.sampled_from([1, 2, 17, 300]))
    scale = data.draw(st.sampled_from([1e-41, 1e-20, 1e-3, 1.0, 1e5, 1e15]))
    offset = data.draw(st.sampled_from([0.0, 1.0, 1e3])) * scale
    seed = data.draw(st.integers(0, 2**32))
    matrix = (normal(64, dim, seed) * scale + offset).astype(np.float32)
    queries = (normal(3, dim, seed + 1) * scale + offset).astype(np.float32)
    if metric == "cosine":
        for vectors in (matrix, queries):
            vectors[~vectors.any(axis=1)] = 1
            vectors /= np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    method = first_pass(metric, matrix[:8].mean(axis=0, dtype=np.float64))
    figures = method.figures(matrix)
    keys = method.keys(matrix, figures, queries).astype(np.float64)
    truth = np.array([distance(matrix, query, metric) for query in queries])
    for i, query in enumerate(queries):
        # ceiling() gives the key of a distance: the true keys.
        true_keys = np.array([method.ceiling(query, one) for one in truth[i]])
        allowed = method.error(keys[i], figures, query)
        assert (np.abs(keys[i] - true_keys) <= allowed * (1 + 1e-9) + 1e-11 * np.abs(true_keys)).all()


# ---------------------------------------------------------------- refusals


def test_bad_arguments_are_refused_and_add_nothing() -> None:
    flat = filled(normal(5, 3), "cosine")
    query = np.ones(3, np.float32)
    with pytest.raises(InvalidVector, match="vector 1 is zero"):
        flat.append(np.array([[1, 0, 0], [0, 0, 0]], np.float32))
    with pytest.raises(DimensionMismatch, match="4 dimensions"):
        flat.append(np.ones((1, 4), np.float32))
    assert len(flat) == 5
    with pytest.raises(DimensionMismatch, match="query"):
        flat.search(np.ones(2, np.float32), 1)
    with pytest.raises(DimensionMismatch, match="search_many"):
        flat.search(np.ones((1, 3), np.float32), 1)
    with pytest.raises(InvalidVector, match="query has nan"):
        flat.search(np.array([1, np.nan, 1], np.float32), 1)
    with pytest.raises(InvalidOption, match="k is 0"):
        flat.search(query, 0)
    with pytest.raises(InvalidOption, match="max_distance"):
        flat.search(query, 1, max_distance=np.nan)
    with pytest.raises(InvalidOption, match=r"shape \(4,\)"):
        flat.search(query, 1, mask=np.ones(4, bool))
    with pytest.raises(InvalidOption, match="int64"):
        flat.search(query, 1, mask=np.ones(5, np.int64))
    with pytest.raises(InvalidOption, match="metric"):
        Flat(3, "l2")  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="dim"):
        Flat(0, "dot")
