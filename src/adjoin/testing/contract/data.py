"""What the contract's tests store and compare with: rows, and exact neighbours worked out in plain NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from adjoin.engine import Batch, CollectionSpec, Engine, Found, Mode, Row, SearchRequest, Written
from adjoin.types import Document, Id, Metric, Where

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.types import Floats

NAME = "rows"
DIM = 8


def points(count: int, dim: int = DIM, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32)


def clustered(count: int, dim: int = 32, seed: int = 0) -> Floats:
    """Points as embedders make them: many uneven clusters in few directions, some noise, of about length 1."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, 12)) @ np.random.default_rng(99).standard_normal((12, dim))
    weights = rng.pareto(1.2, 40) + 0.05
    which = rng.choice(40, count, p=weights / weights.sum())
    rows = centres[which] + rng.standard_normal((count, dim)) * rng.uniform(0.3, 1.2, (count, 1))
    unit: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def for_metric(matrix: Floats, metric: Metric) -> Floats:
    """Hamming counts equal components, so it gets some."""
    return np.rint(matrix).astype(np.float32) + 0.5 if metric == "hamming" else matrix


def make(engine: Engine, name: str = NAME, metric: Metric = "euclidean", **fields: Any) -> CollectionSpec:
    return engine.create(CollectionSpec(name, metric, **fields))


def batch(
    ids: Sequence[Id],
    vectors: Floats | None = None,
    *,
    metadata: Sequence[dict[str, Any]] | None = None,
    contents: Sequence[Any] | None = None,
    **rest: Any,
) -> Batch:
    """One row an id. vectors: by default a different one for each place."""
    rows = [
        Row(id_, contents[n] if contents else f"text of {id_!r:.60}", metadata[n] if metadata else {})
        for n, id_ in enumerate(ids)
    ]
    return Batch(rows, points(len(ids)) if vectors is None else vectors, **rest)


def put(
    engine: Engine,
    ids: Sequence[Id],
    vectors: Floats | None = None,
    *,
    mode: Mode = "add",
    name: str = NAME,
    **rest: Any,
) -> Written:
    return engine.write(name, [batch(ids, vectors, **rest)], mode=mode)


def filled(engine: Engine, matrix: Floats, metric: Metric = "euclidean", **rest: Any) -> None:
    """A collection with ids 0, 1, …, one for each row of the matrix."""
    make(engine, metric=metric)
    put(engine, range(len(matrix)), matrix, **rest)


def held(engine: Engine, name: str = NAME, where: Where | None = None) -> dict[Id, Document]:
    """Everything that a collection holds, by id."""
    documents = list(engine.scan(name, where, with_vectors=True))
    found = {document.id: document for document in documents}
    assert len(found) == len(documents), "scan gave an id twice"
    assert engine.count(name, where) == len(found)
    return found


def find(engine: Engine, queries: Any, k: int = 10, name: str = NAME, **rest: Any) -> list[Found]:
    vectors = np.atleast_2d(np.asarray(queries, np.float32))
    found = engine.search(name, SearchRequest(vectors, k, **rest))
    assert len(found) == len(vectors)
    return found


def ids_of(found: Found) -> list[Id]:
    return [neighbour.document.id for neighbour in found.neighbours]


def distances_of(found: Found) -> list[float]:
    return [neighbour.distance for neighbour in found.neighbours]


def order_of(id_: Id) -> tuple[bool, Id]:
    """Numbers before texts, each in its own order; texts by code points."""
    return isinstance(id_, str), id_


def true_distances(matrix: Floats, query: Any, metric: Metric) -> NDArray[np.float64]:
    """From the definitions in docs/metrics.md, in float64; shares no code with adjoin."""
    rows, point = matrix.astype(np.float64), np.asarray(query, np.float32).astype(np.float64)
    if metric == "cosine":
        rows, point = rows / np.linalg.norm(rows, axis=1, keepdims=True), point / np.linalg.norm(point)
        cosines: NDArray[np.float64] = 1 - rows @ point
        return cosines
    if metric == "dot":
        products: NDArray[np.float64] = -(rows @ point)
        return products
    if metric == "hamming":
        unequal: NDArray[np.float64] = (rows != point).mean(axis=1)
        return unequal
    gaps = np.abs(rows - point)
    by_metric = {
        "euclidean": np.sqrt((gaps**2).sum(axis=1)),
        "manhattan": gaps.sum(axis=1),
        "chebyshev": gaps.max(axis=1),
    }
    found: NDArray[np.float64] = by_metric[metric]
    return found


def check_exact(found: Found, given: dict[Id, float], k: int, max_distance: float | None = None) -> None:
    """That these are the k nearest of the given rows, in order, to within rounding.

    given: the true distance of every row that may be returned.
    """
    near = sorted(away for away in given.values() if max_distance is None or away <= max_distance)
    assert distances_of(found) == pytest.approx(near[:k], rel=1e-5, abs=1e-5)
    check_shape(found, given)


def check_shape(found: Found, given: dict[Id, float]) -> None:
    """Unique ids, each with its own distance, by distance and then by id."""
    ids, distances = ids_of(found), distances_of(found)
    assert len(set(ids)) == len(ids)
    assert distances == pytest.approx([given[id_] for id_ in ids], rel=1e-5, abs=1e-5)
    for (one, near), (other, far) in itertools.pairwise(zip(ids, distances, strict=True)):
        assert near < far or (near == far and order_of(one) < order_of(other)), (one, near, other, far)


def share_found(found: Found, given: dict[Id, float], k: int) -> float:
    """Recall of one query: hits no farther than the true k-th, over how many there could be."""
    near = sorted(given.values())[:k]
    if not near:
        return 1.0
    reach = near[-1] + 1e-6 + 1e-5 * abs(near[-1])
    return sum(given[id_] <= reach for id_ in ids_of(found)) / len(near)


def failing(batches: Sequence[Batch], error: Exception) -> Iterator[Batch]:
    yield from batches
    raise error
