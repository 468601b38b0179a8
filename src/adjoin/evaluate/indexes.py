"""Which index serves a collection best: each is built over a sample of its rows, and searched as the store would."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from adjoin.errors import InvalidInput, InvalidOption
from adjoin.evaluate.comparison import FLAT, IndexComparison, IndexRow
from adjoin.strict import strict

if TYPE_CHECKING:
    from adjoin.collection import Collection
    from adjoin.index.base import Built
    from adjoin.index.exact import Exact
    from adjoin.index.measure import Neighbours
    from adjoin.types import Content, Floats, Metric, Progress

MOST_QUERIES: Final = 400
_A_QUERY: Final = 5  # rows at least, for each that is taken out to be asked
_ENOUGH: Final = 0.9995  # more effort has nothing left to find
_TOO_SLOW: Final = 1.5  # times exact search, and nobody would use it
_STEPS: Final = 100  # of progress, for reading and for each family

Params = Mapping[str, Any]


@strict
def compare_indexes(
    collection: Collection,
    *,
    k: int = 10,
    recall: float = 0.95,
    rows: int = 50_000,
    families: Iterable[str] | Mapping[str, Params] | None = None,
    queries: Sequence[Any] | Any = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> IndexComparison:
    """Recall and time of every index that serves the collection's metric, and of exact search, on its own rows.

    rows: a random sample of so many is measured with, or all there are. families: names, or names with parameters, as
    `Database.collection` takes them: `{"hnsw": {"m": 32}}`; by default all, each with its defaults. `flat` always comes along.
    queries: texts or vectors. By default the process's own live queries, up to 400, if it has asked enough (`Collection.
    live_queries`); else as many rows are taken out of the sample and asked.
    progress: called with (done, total).
    All queries get the same effort, where the store gives more to those that lie far from all rows.
    Cost: reads the collection once, builds every index, holds the sample and one index in memory.
    """
    _check(k, recall, rows)
    metric = cast("Metric", collection.metric)
    chosen = _chosen(families, metric, collection.dim)
    bar = _Bar(progress, 1 + len(chosen))
    stored = collection.count()
    random = np.random.default_rng(seed)
    sample = _sample(collection, stored, rows, random, bar)
    asked, kept, asked_by = _queries(collection, queries, sample, random)
    stats = collection.stats()
    storage = str(stats["storage"])
    found, notes = list[IndexRow](), list[str]()
    if len(kept):
        found, notes = _measured(kept, asked, metric, storage, k, chosen, seed, bar)
    if len(kept) and stored > len(sample):
        notes.append(
            f"measured on {len(kept):,} rows; with all {stored:,} flat takes {stored / len(kept):.1f} times as long, "
            "an index little longer at a little less recall"
        )
    if found and stats["embedder"] and asked_by.startswith("rows"):
        notes.append(
            "rows taken out are easier to find neighbours for than questions, which an embedder puts farther away; "
            "measure with questions if you have some"
        )
    return IndexComparison(
        collection.name, metric, collection.dim or 0, k, recall, stored, len(kept), len(asked), asked_by,
        _row_bytes(storage, collection.dim), _auto(metric, stored, collection.dim), tuple(found), tuple(notes),
    )  # fmt: skip


def _check(k: int, recall: float, rows: int) -> None:
    for name, value in (("k", k), ("rows", rows)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidOption(f"{name} is a whole number, 1 or more, not {value!r}.")
    if not isinstance(recall, int | float) or not 0 < recall <= 1:
        raise InvalidOption(f"recall is a share above 0 and up to 1, not {recall!r}.")


def _chosen(
    families: Iterable[str] | Mapping[str, Params] | None, metric: Metric, dim: int | None
) -> dict[str, Params]:
    """The families to build, in their usual order, with their parameters checked."""
    from adjoin.index import base

    if families is None:
        families = base.families_for(metric)
    named = dict(families) if isinstance(families, Mapping) else {family: {} for family in _listed(families)}
    for family, params in named.items():
        if family not in base.FAMILIES:
            raise InvalidOption.unknown("index", family, base.FAMILIES)
        base.check(family, metric, params, dim)
    return {family: named[family] for family in base.FAMILIES if family in named and family != FLAT}


def _listed(families: Iterable[str]) -> list[str]:
    if isinstance(families, str):
        raise InvalidOption(f"families is a list of names, not the text {families!r}. Write [{families!r}].")
    return list(families)


def _sample(collection: Collection, stored: int, most: int, random: np.random.Generator, bar: _Bar) -> Floats:
    """Vectors of that many rows drawn at random, in the order of storing: shape (≤ most, dim)."""
    drawn = np.zeros(stored, bool)
    drawn[random.choice(stored, min(stored, most), replace=False)] = True
    vectors = []
    for number, document in enumerate(collection.scan(vectors=True)):
        if number == stored:  # rows that came since
            break
        if drawn[number] and document.vector is not None:
            vectors.append(document.vector)
        bar.at((number + 1) / stored)
    bar.next()
    return np.stack(vectors) if vectors else np.empty((0, collection.dim or 1), np.float32)


def _queries(
    collection: Collection, given: Sequence[Any] | Any, sample: Floats, random: np.random.Generator
) -> tuple[Floats, Floats, str]:
    """Queries, the rows that they are asked of, and what the queries are."""
    if given is not None:
        return _as_vectors(collection, given), sample, "yours"
    live = collection.live_queries()
    if live is not None:
        return random.permutation(live)[:MOST_QUERIES], sample, "live ones"
    count = min(MOST_QUERIES, len(sample) // _A_QUERY)
    if not count:  # too few rows to do without any
        return sample, sample, "rows themselves"
    out = np.zeros(len(sample), bool)
    out[random.choice(len(sample), count, replace=False)] = True
    return sample[out], sample[~out], "rows taken out"


def _as_vectors(collection: Collection, given: Sequence[Any] | Any) -> Floats:
    from adjoin.distance import check_vectors

    listed = list(given)
    if not listed:
        raise InvalidInput("queries is empty. Give texts or vectors, or leave it out.")
    if all(isinstance(query, str) for query in listed):
        model = collection.embedder
        if model is None:
            raise InvalidInput(f"collection {collection.name!r} has no embedder, so queries are vectors, not texts.")
        return model.embed(cast("list[Content]", listed), kind="query")
    return check_vectors(given, dim=collection.dim, metric=cast("Metric", collection.metric), what="query")


def _measured(
    vectors: Floats,
    queries: Floats,
    metric: Metric,
    storage: str,
    k: int,
    chosen: dict[str, Params],
    seed: int,
    bar: _Bar,
) -> tuple[list[IndexRow], list[str]]:
    from adjoin.index import base
    from adjoin.index.small import MOST_ROWS

    exact = _exact(vectors, metric, storage)
    trial = _Trial.of(exact, exact.points(queries), k)
    found, notes = [trial.flat], list[str]()
    if len(vectors) <= MOST_ROWS:
        return found, [f"every index is exact search up to {MOST_ROWS} rows, so no other was built"]
    for family, params in chosen.items():
        if family == "graph" and not base.has_graph():
            notes.append(str(base.fallback_note()))
        else:
            began = time.perf_counter()
            built = base.build(family, vectors, metric, params, seed=seed, progress=bar.half)
            found += trial.climb(built, time.perf_counter() - began, bar)
        bar.next()
    return found, notes


def _exact(vectors: Floats, metric: Metric, storage: str) -> Exact:
    """Exact search over rows kept as the collection keeps them."""
    from adjoin.index.exact import Exact, figures_of
    from adjoin.store.segment import Vectors
    from adjoin.store.vectors import VectorCodec

    codec = VectorCodec(storage, vectors.shape[1])
    raw = codec.encode(vectors).tobytes()
    centre = vectors.mean(axis=0, dtype=np.float64) if metric == "euclidean" else np.zeros(vectors.shape[1])
    return Exact(
        Vectors(codec.over(raw, len(vectors)), raw, codec), metric, figures_of(metric, vectors, centre), centre
    )


@dataclass(frozen=True, eq=False)
class _Trial:
    """Queries with what is true of them. beyond: how far the k-th neighbour of each lies, shape (queries,)."""

    exact: Exact
    points: Floats
    k: int
    beyond: np.ndarray[Any, np.dtype[np.float64]]
    flat: IndexRow

    @classmethod
    def of(cls, exact: Exact, points: Floats, k: int) -> _Trial:
        k = min(k, exact.stored.n)
        true, us = _timed(lambda point: exact.search(point, k), points)
        beyond = np.array([near.distances[k - 1] for near in true])
        return cls(exact, points, k, beyond, IndexRow(FLAT, None, 1.0, 1.0, 1.0, us, 0.0, 0.0))

    def climb(self, built: Built, build_s: float, bar: _Bar) -> list[IndexRow]:
        """The index at each effort, until there is nothing left to find or exact search is clearly faster."""
        from adjoin.index.curve import lower_bound

        rows: list[IndexRow] = []
        efforts = [effort for effort in built.efforts if built.pool(self.k, effort) >= self.k]
        for number, effort in enumerate(efforts, 1):
            found, us = _timed(lambda point, effort=effort: self.search(built, point, effort), self.points)  # type: ignore[misc]
            recalls = self.recalls(found)
            low = max(lower_bound(recalls), rows[-1].low if rows else 0.0)  # more effort finds no less
            high = 1 - lower_bound(1 - recalls)
            params = {name: value for name, value in built.params.items() if value is not None}
            rows.append(
                IndexRow(
                    family=built.family,
                    effort=effort,
                    recall=float(recalls.mean()),
                    low=low,
                    high=max(high, low),
                    us=us,
                    build_s=build_s,
                    bytes_per_vector=built.memory_bytes / built.n,
                    params=params,
                )
            )
            bar.at(0.5 + number / len(efforts) / 2)
            if rows[-1].recall >= _ENOUGH or us > _TOO_SLOW * self.flat.us:
                break
        return rows

    def search(self, built: Built, point: Floats, effort: int) -> Neighbours:
        """As the store does: candidates of the index, measured exactly; all rows where it brings too few."""
        rows = built.search(point, built.pool(self.k, effort), effort)
        if len(rows) < self.k:
            return self.exact.search(point, self.k)
        return self.exact.measure(self.exact.shortlist(rows, point, self.k), point, self.k)

    def recalls(self, found: Sequence[Neighbours]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Of each query. A row exactly as far as the last true one is as good as that."""
        right = [np.count_nonzero(near.distances <= last) for near, last in zip(found, self.beyond, strict=True)]
        return np.minimum(right, self.k) / self.k


def _timed(search: Callable[[Floats], Neighbours], points: Floats) -> tuple[list[Neighbours], float]:
    """The answers, and the median of the microseconds that each took."""
    search(points[0])  # what is done once is not counted
    answers, times = [], []
    for point in points:
        began = time.perf_counter()
        answers.append(search(point))
        times.append(time.perf_counter() - began)
    return answers, float(np.median(times) * 1e6)


def _row_bytes(storage: str, dim: int | None) -> int:
    from adjoin.store.vectors import VectorCodec

    return VectorCodec(storage, dim).row_bytes if dim else 0


def _auto(metric: Metric, rows: int, dim: int | None) -> str:
    from adjoin.index.base import choose
    from adjoin.store.sealing import FLAT_BELOW

    return FLAT if rows < FLAT_BELOW else choose(metric, rows, dim or 1)


class _Bar:
    """Progress in steps: so many for each part of the work."""

    def __init__(self, progress: Progress | None, parts: int) -> None:
        self._progress = progress
        self._total = parts * _STEPS
        self._part = 0
        self._shown = -1

    def at(self, share: float) -> None:
        done = int((self._part + min(share, 1.0)) * _STEPS)
        if self._progress is not None and done > self._shown:
            self._shown = done
            self._progress(done, self._total)

    def half(self, done: int, total: int | None) -> None:
        """Of a build, which is the first half of a family's part."""
        if total:
            self.at(done / total / 2)

    def next(self) -> None:
        self.at(1.0)
        self._part += 1
