"""Measures what an index finds, so that recall can be promised, and builds another where too little is found."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adjoin.distance import distances_to
from adjoin.errors import Unsupported
from adjoin.index import base
from adjoin.index.base import Built
from adjoin.index.curve import Curve, Stratum
from adjoin.index.made_queries import Made, made_queries, unit
from adjoin.index.measure import Rows
from adjoin.index.options import Params
from adjoin.index.threads import cores
from adjoin.index.truth import nearest
from adjoin.types import Metric, Progress

if TYPE_CHECKING:
    from adjoin.types import Floats

Shares = NDArray[np.float64]

DEPTHS: Final = (1, 10, 30, 100)
DEEP: Final = (300, 1000)  # measured too where there are rows enough that comparing all is no easy way out
DEEP_FROM: Final = 20_000
MOST_QUERIES: Final = 280  # ordinary ones: where all of these find all, the bound is .99
MOST_FOREIGN: Final = 160  # of each other kind
FEWEST_QUERIES: Final = 64
ENOUGH_LOGGED: Final = 100
NEEDED: Final = 0.99  # an index that cannot reach it at depth 10 is built another way
_SATISFIED: Final = 0.996
_FAR: Final = 0.9  # of the rows have their nearest neighbour nearer
_ALIEN: Final = 0.5  # of far queries have theirs nearer
_TIED: Final = 1e-6  # of the keys' size: nearer to each other than this, rows count as equally far
_TIMED: Final = 16
_DEAR: Final = (4, 8, 8)  # parts of the time, by kind of query: an effort that would take more is dear
_PASSES: Final = 4  # over the rows: for the rows' own neighbours and for three kinds of queries
_SECONDS_A_TERM: Final = {"manhattan": 3e-9, "chebyshev": 3e-9, "hamming": 3e-9}
_SECONDS_A_PRODUCT: Final = 4e-11


def measure(
    built: Built,
    vectors: Floats,
    metric: Metric,
    *,
    queries: Floats | None = None,
    seed: int = 0,
    budget_s: float | None = None,
    threads: int = 0,
) -> Curve:
    """The recall of an index at each position of its dial, after its candidates are measured exactly.

    vectors: the rows it was built from, float32 (n, dim). queries: real ones, of the users' own; a hundred of them or
    more are what ordinary queries are measured by, fewer are not used. budget_s: about how long it may take on two
    cores; by default 3 seconds for 200,000 × 100 components and as much longer as there are more.
    threads: 0 for all cores. The same queries for the same seed.
    """
    random = np.random.default_rng(seed)
    depths = (*DEPTHS, *DEEP) if len(vectors) >= DEEP_FROM else DEPTHS
    budget_s = budget_s or max(1.0, 1.5e-7 * vectors.size)
    count = _affordable(vectors, metric, budget_s)
    made = made_queries(vectors, metric, count, random)
    logged = queries is not None and len(queries) >= ENOUGH_LOGGED
    near = made.near
    if queries is not None and logged:
        near = unit(queries[np.sort(random.choice(len(queries), min(len(queries), count), replace=False))], metric)
    truths = _truths(vectors, (near, made.far[:MOST_FOREIGN], made.alien[:MOST_FOREIGN]), metric, depths)
    efforts, costs_us, found = _climb(built, truths, depths, budget_s, threads or cores())
    far_beyond = float(np.quantile(_usual_distances(vectors, made, truths[0], metric), _FAR))
    alien_beyond = max(far_beyond, float(np.quantile(truths[1].apart, _ALIEN)))
    beyond = (-np.inf, far_beyond, alien_beyond)
    return Curve(
        depths,
        efforts,
        costs_us,
        tuple(Stratum.of(start, kind) for start, kind in zip(beyond, found, strict=True)),
        max(alien_beyond, float(truths[2].apart.max())),
        logged,
        metric == "dot",
    )


def build_calibrated(
    family: str,
    vectors: Floats,
    metric: Metric,
    params: Params,
    *,
    queries: Floats | None = None,
    seed: int = 0,
    threads: int = 0,
    budget_s: float | None = None,
    progress: Progress | None = None,
) -> tuple[Built, Curve, tuple[str, ...]]:
    """An index that reaches a recall of .99 for ten neighbours, its curve, and what there is to say about it.

    Where what was asked for does not reach it, it is built another way, at most three times, and the best is kept: its
    `family` and `params` say which. Sentences tell a user of each such step; none where all went well.
    """
    notes: list[str] = []
    if family == "graph" and not base.has_graph():
        notes.append(str(base.fallback_note()))
        family, params = "hnsw", {}
    best: tuple[Built, Curve] | None = None
    for way, settings in _ways(family, base.check(family, metric, params, vectors.shape[1]), metric):
        built = base.build(way, vectors, metric, settings, seed=seed, threads=threads, progress=progress)
        curve = measure(built, vectors, metric, queries=queries, seed=seed, budget_s=budget_s, threads=threads)
        if best is None or _reached(curve) > _reached(best[1]):
            best = built, curve
        if _reached(curve) >= NEEDED or len(built.efforts) == 1:
            break
        notes.append(f"The index {_named(built)} finds {_reached(curve):.1%} of ten neighbours at most.")
    if best is None:  # there is always the way that was asked for
        raise Unsupported(f"no index could be built of the family {family!r}.")
    if notes:
        notes.append(f"Kept: {_named(best[0])}, which finds {_reached(best[1]):.1%}.")
    return *best, tuple(notes)


def _ways(family: str, params: dict[str, Any], metric: Metric) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was asked for, then what is likelier to find all."""
    yield family, params
    if family == "graph":
        if params["init"] != "random":
            yield family, {**params, "init": "random"}
        if params["degree"] < 64:
            yield family, {**params, "init": "random", "degree": 64}
    if family in ("graph", "hnsw"):
        base_m = params.get("m", 16)
        yield "hnsw", {"m": 2 * base_m, "ef_construction": 2 * params["ef_construction"]}


def _reached(curve: Curve) -> float:
    """The mean recall of ordinary queries for ten neighbours at the most effort."""
    return max(row[curve.depths.index(10)] for row in curve.recall)


def _named(built: Built) -> str:
    return f"{built.family} ({', '.join(f'{key} {value}' for key, value in built.params.items() if value is not None)})"


class _Truth(NamedTuple):
    """The true neighbours of some queries, shape (queries, most), nearest first.

    counts: for each depth, how many of them are as near as the last of that depth, shape (depths, queries).
    apart: the nearest's distance, shape (queries,).
    """

    queries: Floats
    rows: Rows
    counts: NDArray[np.int64]
    apart: Shares

    def part(self, first: int, end: int) -> _Truth:
        return _Truth(self.queries[first:end], self.rows[first:end], self.counts[:, first:end], self.apart[first:end])

    def places(self, found: Rows) -> NDArray[np.int64]:
        """Where each true neighbour stands among the found rows, shape (queries, most); past their end if nowhere."""
        width = found.shape[1]
        places = np.full(self.rows.shape, width)
        for place, rows, true in zip(places, found, self.rows, strict=True):
            order = np.argsort(rows)
            spot = np.minimum(np.searchsorted(rows, true, sorter=order), width - 1)
            hit = rows[order[spot]] == true
            place[hit] = order[spot[hit]]
        return places


def _truths(vectors: Floats, kinds: Sequence[Floats], metric: Metric, depths: tuple[int, ...]) -> list[_Truth]:
    """One pass over the rows for all kinds of queries."""
    queries = np.concatenate(kinds)
    rows, keys = nearest(vectors, queries, metric, depths[-1] + max(100, depths[-1] // 2))
    slack = _TIED * np.abs(keys[:, [0, -1]]).max(axis=1, keepdims=True)
    last = [min(depth, keys.shape[1]) - 1 for depth in depths]
    counts = np.array([(keys <= keys[:, [place]] + slack).sum(axis=1) for place in last])
    whole = _Truth(queries, rows, counts, _distances(vectors, queries, rows[:, 0], metric))
    ends = np.cumsum([len(kind) for kind in kinds]).tolist()
    return [whole.part(end - len(kind), end) for kind, end in zip(kinds, ends, strict=True)]


def _climb(
    built: Built, truths: list[_Truth], depths: tuple[int, ...], budget_s: float, threads: int
) -> tuple[tuple[int, ...], tuple[float, ...], list[list[Shares]]]:
    """Efforts, what each costs, and for each kind of query and each effort the recalls, shape (queries, depths).

    Efforts that take a large part of the time are measured with a quarter of the queries. Ends where more effort has
    nothing left to find.
    """
    efforts: list[int] = []
    costs_us: list[float] = []
    found: list[list[Shares]] = [[] for _ in truths]
    once = [_places(built, truth, depths, built.efforts[-1], threads) if built.nested else None for truth in truths]
    for effort in built.efforts:
        efforts.append(effort)
        costs_us.append(_cost_us(built, truths[0].queries, effort))
        for kind, truth, places, part in zip(found, truths, once, _DEAR, strict=True):
            asked = truth
            if places is None and costs_us[-1] * 1e-6 * len(truth.queries) > budget_s / part:
                asked = truth.part(0, -(-len(truth.queries) // 4))
            there = _places(built, asked, depths, effort, threads) if places is None else places
            kind.append(_recalls(built, asked, there, depths, effort))
        if all(kind[-1].mean(axis=0).min() >= _SATISFIED for kind in found):
            break
    return tuple(efforts), tuple(costs_us), found


def _places(built: Built, truth: _Truth, depths: tuple[int, ...], effort: int, threads: int) -> NDArray[np.int64]:
    pool = max(built.pool(depth, effort) for depth in depths)
    return truth.places(built.search_many(truth.queries, pool, effort, threads=threads))


def _recalls(built: Built, truth: _Truth, places: NDArray[np.int64], depths: tuple[int, ...], effort: int) -> Shares:
    """Shape (queries, depths); 0 at depths that this effort does not bring."""
    recalls = np.zeros((len(truth.queries), len(depths)))
    for column, depth in enumerate(depths):
        wanted, pool = min(depth, built.n), built.pool(depth, effort)
        if pool >= wanted:
            right = np.arange(places.shape[1]) < truth.counts[column][:, None]
            hits = ((places < pool) & right).sum(axis=1)
            recalls[:, column] = np.minimum(hits, wanted) / wanted
    return recalls


def _usual_distances(vectors: Floats, made: Made, near: _Truth, metric: Metric) -> Shares:
    """How far the nearest lies from an ordinary query: as from a row the nearest other row."""
    if metric == "dot":  # where the nearest of a row is any long row
        return near.apart
    return _distances(vectors, unit(vectors[made.rows], metric), made.neighbours, metric)


def _distances(vectors: Floats, queries: Floats, rows: Rows, metric: Metric) -> Shares:
    """Each query's distance to one row; under dot divided by the query's length."""
    found = np.array([distances_to(vectors[[row]], query, metric)[0] for row, query in zip(rows, queries, strict=True)])
    if metric != "dot":
        return found
    sizes = np.sqrt(np.square(queries.astype(np.float64)).sum(axis=1))
    return found / np.where(sizes, sizes, 1.0)


def _affordable(vectors: Floats, metric: Metric, budget_s: float) -> int:
    """How many ordinary queries: finding their true neighbours may take half of the time."""
    each = _PASSES * vectors.size * _SECONDS_A_TERM.get(metric, _SECONDS_A_PRODUCT)
    return int(np.clip(budget_s / 2 / each, FEWEST_QUERIES, MOST_QUERIES))


def _cost_us(built: Built, queries: Floats, effort: int) -> float:
    """The median time of a single search for ten neighbours."""
    times = []
    for query in queries[:_TIMED]:
        start = time.perf_counter()
        built.search(query, max(1, built.pool(10, effort)), effort)
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1e6)
