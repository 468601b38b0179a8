import doctest
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist

from adjoin.distance import check_vectors, distance, distances_to, score_of
from adjoin.errors import DimensionMismatch, InvalidOption, InvalidVector
from adjoin.types import METRICS, Metric

SCIPY = {
    "cosine": "cosine",
    "euclidean": "euclidean",
    "manhattan": "cityblock",
    "chebyshev": "chebyshev",
    "hamming": "hamming",
}


def by_scipy(a: Any, b: Any, metric: Metric) -> Any:
    left, right = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return -(left @ right.T) if metric == "dot" else cdist(left, right, SCIPY[metric])


def random(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("dim", [1, 2, 7, 384])
def test_matrices_agree_with_scipy(metric: Metric, dtype: Any, dim: int) -> None:
    a, b = random(9, dim).astype(dtype), random(5, dim, seed=1).astype(dtype)
    b[2] = a[3]
    found = distance(a, b, metric)
    assert found.shape == (9, 5)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, by_scipy(a, b, metric), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_vectors_and_matrices_mix(metric: Metric) -> None:
    a, b = random(4, 6), random(3, 6, seed=1)
    table = distance(a, b, metric)
    assert isinstance(distance(a[0], b[0], metric), float)
    assert distance(list(a[0]), tuple(b[0]), metric) == table[0, 0]
    assert distance(a[0], b, metric).tolist() == table[0].tolist()
    assert distance(a, b[1], metric).tolist() == table[:, 1].tolist()
    assert distance(a[:0], b, metric).shape == (0, 3)
    assert distance(a, b[:0], metric).shape == (4, 0)
    assert distance(a[0], b[:0], metric).shape == (0,)
    assert distance(a[:1], b[0], metric).shape == (1,)
    np.testing.assert_allclose(distance(np.asfortranarray(a), b[::-1], metric), table[:, ::-1], rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-160, 1e-30, 1e30, 1e160, 1e300])
def test_any_magnitude_of_float64_is_measured(metric: Metric, scale: float) -> None:
    a, b = np.round(random(6, 5) * 64), np.round(random(4, 5, seed=1) * 64) + 0.0
    a[0] = b[0] = [1, 2, 3, 4, 5]
    expected = by_scipy(a, b, metric)
    if metric == "dot":
        partner = min(1 / scale if scale > 1e-308 else 1e300, 1e300)
        np.testing.assert_allclose(distance(a * scale, b * partner, metric), expected * (scale * partner), rtol=1e-2)
        return
    factor = 1.0 if metric in ("cosine", "hamming") else scale
    digits = 1e-2 if scale < 1e-308 else 1e-9  # a float64 has few digits left there
    found = distance(a * scale, b * scale, metric)
    np.testing.assert_allclose(found, expected * factor, rtol=digits, atol=digits * factor)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-45, 1e-40, 1e-30, 1e30, 1e38])
def test_any_magnitude_of_float32_is_measured(metric: Metric, scale: float) -> None:
    a, b = (random(6, 5) * scale).astype(np.float32), (random(4, 5, seed=1) * scale).astype(np.float32)
    a[0] = b[0] = np.float32(scale)
    b[~b.any(axis=1)] = np.float32(scale)
    a[~a.any(axis=1)] = np.float32(scale)
    expected = by_scipy(a, b, metric)  # in float64, which is wide enough here
    np.testing.assert_allclose(distance(a, b, metric), expected, rtol=1e-9, atol=1e-9 if metric == "cosine" else 0)


def test_sums_beyond_float64_are_infinite_and_of_the_right_sign() -> None:
    assert distance([1e300, 1e300], [1e300, 1e300], "dot") == -np.inf
    assert distance([1e300, -1e300], [1e300, 1e300], "dot") == 0
    assert distance([1.7e308], [-1.7e308], "euclidean") == np.inf
    assert distance([1.7e308, 1.7e308], [1.7e308, 0], "euclidean") == pytest.approx(1.7e308)
    assert distance([1.7e308] * 3, [1.6e308] * 3, "manhattan") == pytest.approx(0.3e308)


def test_a_large_common_offset_cancels_nothing() -> None:
    a, b = random(20, 16) + 1e8, random(10, 16, seed=1) + 1e8
    b[0] = a[0]
    found = distance(a, b, "euclidean")
    np.testing.assert_allclose(found, by_scipy(a, b, "euclidean"), rtol=1e-12)
    assert found[0, 0] == 0


@pytest.mark.parametrize("metric", METRICS)
def test_equal_vectors_are_at_no_distance_and_none_is_negative(metric: Metric) -> None:
    a = random(50, 33).astype(np.float32)
    if metric != "dot":
        table = distance(a, a, metric)
        assert (np.diag(table) == 0).all()
        assert (table >= 0).all()
        assert (table == table.T).all()
    if metric == "cosine":
        assert distance(a, -a, metric).max() <= 2
        assert distance(a[0], a[0] * 3, metric) < 1e-15


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dim", [1, 3, 8, 31, 384, 1000])
def test_a_rows_distance_depends_on_that_row_alone(metric: Metric, dim: int) -> None:
    rows = np.repeat(random(1, dim).astype(np.float32), 1000, axis=0)
    rows[::7] = random(143, dim, seed=2)
    query = random(dim, seed=3).astype(np.float32)
    together = distances_to(rows, query, metric)
    assert len(set(together[np.arange(1000) % 7 != 0])) == 1
    assert together[1] == distances_to(rows[1:2], query, metric)[0]
    assert (together[::-1] == distances_to(rows[::-1], query, metric)).all()


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.uint16, np.int64, np.uint64])
@pytest.mark.parametrize("metric", METRICS)
def test_integers_and_bools_do_not_wrap_round(dtype: Any, metric: Metric) -> None:
    a = np.array([[0, 1, 1], [1, 0, 120]]).astype(dtype)
    b = np.array([[1, 1, 0], [1, 0, 5]]).astype(dtype)
    np.testing.assert_allclose(distance(a, b, metric), by_scipy(a, b, metric), atol=1e-15)


def test_hamming_sees_the_last_bit_of_large_integers() -> None:
    a = np.array([2**62, 2**62 + 1])
    assert distance(a, a[::-1], "hamming") == 1
    assert distance(np.array([255, 0, 3], np.uint8), np.array([255, 1, 3], np.uint8), "hamming") == pytest.approx(1 / 3)


@settings(deadline=None, max_examples=150)
@given(st.data(), st.sampled_from(METRICS), st.integers(1, 6))
def test_random_vectors_agree_with_scipy(data: st.DataObject, metric: Metric, dim: int) -> None:
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    a, b = (data.draw(hnp.arrays(np.float32, (3, dim), elements=numbers)) for _ in range(2))
    if metric == "cosine":
        a[~a.any(axis=1)] = 1
        b[~b.any(axis=1)] = 1
    expected = by_scipy(a, b, metric)
    np.testing.assert_allclose(distance(a, b, metric), expected, rtol=1e-9, atol=1e-9 if metric == "cosine" else 1e-300)


def test_pairs_are_computed_in_bounded_memory() -> None:
    a, b = random(64, 64), random(40_000, 64)
    result_bytes = 64 * 40_000 * 8
    for metric in METRICS:
        tracemalloc.start()
        distance(a, b, metric)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < result_bytes + 64e6


def test_docs_examples_run() -> None:
    failed, tried = doctest.testfile(str(Path(__file__).parent.parent / "docs" / "metrics.md"), module_relative=False)
    assert tried >= 5
    assert failed == 0


@pytest.mark.parametrize("before", ["", "import adjoin.index.flat", "import adjoin.distance", "adjoin.distance"])
def test_the_public_name_is_callable_whatever_was_imported_before(before: str) -> None:
    code = f"import adjoin\n{before}\nprint(adjoin.distance([0, 0], [3, 4], 'euclidean'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("5.0\n", "")


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("a", "b", "error", "words"),
    [
        ([[1, 2], [np.nan, 1]], [1, 2], InvalidVector, ["a: vector 1", "nan", "component 0"]),
        ([1, 2], [[1, 2], [3, np.inf]], InvalidVector, ["b: vector 1", "inf", "component 1"]),
        ([[1, 2], [0, 0]], [1, 2], InvalidVector, ["a: vector 1", "zero", "cosine"]),
        ([1, 2], [0.0, -0.0], InvalidVector, ["b: vector is zero"]),
        ([1, 2], [1, 2, 3], DimensionMismatch, ["2", "3"]),
        ([[1, 2], [3]], [1, 2], InvalidVector, ["a 1 has 1", "a 0 has 2"]),
        ("abc", [1], InvalidVector, ["a", "text"]),
        (["x", "y"], [1, 2], InvalidVector, ["a", "text"]),
        ([1, None], [1, 2], InvalidVector, ["NoneType"]),
        (None, [1], InvalidVector, ["NoneType"]),
        ([1j], [1], InvalidVector, ["complex128"]),
        ({1: 2}, [1], InvalidVector, ["dict"]),
        (3.0, [1], InvalidVector, ["shape ()"]),
        (np.zeros((1, 1, 1)), [1], InvalidVector, ["shape (1, 1, 1)"]),
        ([], [], InvalidVector, ["shape (0,)", "at least one"]),
        ([[]], [[]], InvalidVector, ["at least one"]),
        ([2**70], [1], InvalidVector, ["64 bits"]),
        (np.array([1, 2], object), [1, 2], InvalidVector, ["object", "astype"]),
        (np.ma.masked_array([1, 2], [0, 1]), [1, 2], InvalidVector, ["masked"]),
        (np.array(["2024"], "datetime64[Y]"), [1], InvalidVector, ["datetime64"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_distance_is_refused(a: Any, b: Any, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        distance(a, b, "cosine")
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidOption, match=r"unknown metric 'l2'\. Known: cosine, euclidean"):
        distance([1], [1], "l2")  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="l2"):
        score_of([1], "l2")  # type: ignore[arg-type]


# ---------------------------------------------------------------- scores and checks


@pytest.mark.parametrize("metric", METRICS)
def test_scores_rise_as_distances_fall(metric: Metric) -> None:
    distances = np.array([0.0, 0.25, 1.0])
    scores = score_of(distances, metric)
    assert (np.diff(scores) < 0).all()
    assert score_of(np.empty((0, 3)), metric).shape == (0, 3)
    expected = {"cosine": 0.75, "hamming": 0.75, "dot": -0.25}.get(metric, 0.8)
    assert score_of(0.25, metric) == expected


def test_vectors_that_are_right_are_not_copied() -> None:
    right = random(3, 4).astype(np.float32)
    assert check_vectors(right, dim=4, metric="cosine") is right
    single = check_vectors(right[0], dim=4)
    assert single.shape == (1, 4)
    assert np.shares_memory(single, right)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32, np.uint8, np.bool_, np.longdouble, ">f4"])
def test_vectors_become_contiguous_float32(dtype: Any) -> None:
    given_vectors = np.asfortranarray(np.array([[1, 0, 1], [0, 1, 1]]).astype(dtype))
    found = check_vectors(given_vectors)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.tolist() == [[1, 0, 1], [0, 1, 1]]
    assert check_vectors([[1, 2.5]]).tolist() == [[1, 2.5]]
    assert check_vectors([], dim=3).shape == (0, 3)
    assert check_vectors(np.empty((0, 3)), dim=3).shape == (0, 3)


@pytest.mark.parametrize(
    ("vectors", "error", "words"),
    [
        ([[1, 2], [1e39, 0]], InvalidVector, ["item 1", "1e+39", "component 0", "float32"]),
        ([[1, 2], [np.nan, 0]], InvalidVector, ["item 1", "nan"]),
        ([[1, 2], [1e-50, 0]], InvalidVector, ["item 1 is zero"]),
        ([[1, 2, 3]], DimensionMismatch, ["3 dimensions", "2 are needed"]),
        ([[1, 2], [1, 2, 3]], InvalidVector, ["item 1 has 3", "item 0 has 2"]),
        (3, InvalidVector, ["shape ()"]),
        (np.array([[2.0**1000, 1]], np.longdouble), InvalidVector, ["item", "float32"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_vectors_that_cannot_be_kept_are_refused_by_position(
    vectors: Any, error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        check_vectors(vectors, dim=2, metric="cosine", what="item")
    for word in words:
        assert word in str(caught.value)


def test_zero_vectors_are_fine_where_direction_does_not_matter() -> None:
    for metric in METRICS:
        if metric != "cosine":
            assert check_vectors([[0, 0]], metric=metric).tolist() == [[0, 0]]
            assert distance([0, 0], [0, 0], metric) == 0
