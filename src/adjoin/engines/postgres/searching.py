"""From a request to neighbours: which way to search, and both ways.

pgvector computes in float32 and knows no ties. So candidates come from PostgreSQL and their distances and order from
`adjoin.distance`: exactly, because a bound on the rounding of float32 says which rows could be among the k nearest.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from adjoin.distance import distances_to
from adjoin.engine import Found, Neighbour, SearchRequest
from adjoin.engines.postgres import catalogue, measuring, rows
from adjoin.engines.postgres.catalogue import Held
from adjoin.engines.postgres.facts import Sql, as_sql
from adjoin.engines.postgres.measuring import Curve, Kind
from adjoin.engines.postgres.nearby import OPERATORS, Dial, as_indexed, settings_of
from adjoin.engines.postgres.statements import one, run
from adjoin.filters import parse
from adjoin.types import Document, Id, Metric, Plan, Where

if TYPE_CHECKING:
    from adjoin.engines.postgres.connections import Connection
    from adjoin.types import Floats

_MARGIN: Final = 16  # candidates beyond k, for those that float32 puts in another order
_MOST_FETCHED: Final = 20_000  # beyond here all rows are streamed by, and measured as they pass
_STREAM_BYTES: Final = 2**22
_COUNTED_SHARE: Final = 20  # one in so many rows must match before the index is asked under a filter
_FLOAT32: Final = 2.0**-24
_KNOWN_S: Final = 30.0
_MOST_KNOWN: Final = 1000


class Candidate(NamedTuple):
    distance: float
    is_text: bool
    id: Id
    seq: int


@dataclass(frozen=True, slots=True)
class Choice:
    """How a search is done. matching: None where it was not counted to the end. curve: of the index, None for comparing all."""

    reason: str
    rows: int
    matching: int | None
    curve: Curve | None = None
    notes: tuple[str, ...] = ()


class Many:
    """Filters that were seen a moment ago to match many rows, so that they are not counted before each search.

    Only for choosing a way: what a way brings short is made good, and what is told was counted.
    """

    def __init__(self) -> None:
        self._until: dict[tuple[int, str], float] = {}

    def add(self, key: int, where: str) -> None:
        if len(self._until) >= _MOST_KNOWN:
            self._until.clear()
        self._until[key, where] = time.monotonic() + _KNOWN_S

    def knows(self, key: int, where: str) -> bool:
        return self._until.get((key, where), 0.0) > time.monotonic()


class Searcher:
    """Searches of one collection among the rows that match a filter, in the transaction of a connection."""

    def __init__(
        self, connection: Connection, held: Held, where: Where | None, exact_below: int, many: Many | None = None
    ) -> None:
        self.connection = connection
        self.held = held
        self.is_filtered = where is not None
        self._condition: Sql = ("TRUE", []) if where is None else as_sql(parse(where))
        self._where = parse(where)
        self._exact_below = exact_below
        self._many = Many() if many is None else many
        self._is_bound = False  # to the index, until the end of the transaction or `unbind`

    def choose(self, k: int, recall: float) -> Choice:
        """Exact where that is asked, cheap, or all there is; else the cheapest setting that was measured to reach it."""
        total = catalogue.count(self.connection, self.held)
        if not self.held.has_index or recall >= 1 or self.held.metric not in OPERATORS:
            return Choice(
                self._why_exact(recall), total, self.count() if self.is_filtered else total, notes=self._hints(total)
            )
        few = max(self._exact_below, total // _COUNTED_SHARE if self.is_filtered else 0)
        matching = self._count_few(few) if self.is_filtered else total
        if matching <= few:
            return Choice(f"{matching:,} rows are few enough to compare one by one", total, matching)
        kind = Kind.of(k, filtered=self.is_filtered)
        if kind is None:
            reason = f"recall was measured for up to {max(measuring.KS)} neighbours, so every row is compared"
            return Choice(reason, total, self.count() if self.is_filtered else matching)
        curve = measuring.load(self.connection, self.held, kind)
        return Choice("by the index", total, None if self.is_filtered else matching, curve)

    def _count_few(self, few: int) -> int:
        """How many rows match, counting no further than one beyond `few`."""
        where = self._where.to_json()
        if self._many.knows(self.held.key, where):
            return few + 1
        matching = self.count(few + 1)
        if matching > few:
            self._many.add(self.held.key, where)
        return matching

    def _why_exact(self, recall: float) -> str:
        if self.held.metric not in OPERATORS:
            return f"pgvector has no {self.held.metric}: adjoin reads the rows and compares them itself"
        if recall >= 1:
            return "recall=1.0 compares every row that matches"
        return "there is no index: every row that matches is compared"

    def _hints(self, total: int) -> tuple[str, ...]:
        if self.held.spec.index == "flat" or self.held.has_index or total <= self._exact_below:
            return ()
        if self.held.metric not in OPERATORS:
            return ()
        return ("optimize() builds an index, which these many rows would be found by faster",)

    def count(self, most: int | None = None) -> int:
        """How many rows match, counting up to `most`."""
        sql, values = self._condition
        limit = "" if most is None else f"LIMIT {most}"
        (found,) = one(
            self.connection, f"SELECT count(*) FROM (SELECT FROM {self.held.table} WHERE {sql} {limit}) m", values
        )  # fmt: skip
        return int(found)

    # Exactly

    def exact(self, points: Floats, k: int, most: float | None = None) -> list[list[Candidate]]:
        """The k nearest of each, by distance and then id, none beyond `most`."""
        self.unbind()
        if self.held.metric not in OPERATORS or k + _MARGIN > _MOST_FETCHED:
            return self.streamed(points, k, most)
        found = []
        for point in points:
            nearest = None if rows.odd_ones(point[None, :], self.held.metric)[0] else self._exactly(point, k, most)
            found.append(self.streamed(point[None, :], k, most)[0] if nearest is None else nearest)
        return found

    def _exactly(self, point: Floats, k: int, most: float | None) -> list[Candidate] | None:
        """None when too many rows are too near each other for float32 to tell them apart."""
        bound = Rounding.of(self.held.metric, point)
        odd = self._odd()
        fetched = k + _MARGIN
        while fetched <= _MOST_FETCHED:
            near = self._by_lower_bound(point, bound, fetched, most)
            low = np.array([row[4] for row in near])
            high = np.sort([bound.highest(row[4], row[5]) for row in near])
            limit = high[k - 1] if len(near) >= k else np.inf
            if len(near) < fetched or low[-1] > limit:
                kept = [row[:4] for row, lowest in zip(near, low, strict=True) if lowest <= limit]
                return _nearest(self._measured([*kept, *odd], point), k, most)
            fetched *= 8
        return None

    def _odd(self) -> list[tuple[Any, ...]]:
        sql, values = self._condition
        return run(
            self.connection, f"SELECT seq, id_int, id_text, vector FROM {self.held.table} WHERE odd AND {sql}", values
        ).fetchall()  # fmt: skip

    def _by_lower_bound(self, point: Floats, bound: Rounding, count: int, most: float | None) -> list[tuple[Any, ...]]:
        """(seq, id_int, id_text, vector, lowest, error) of the first rows in the order of what their distance is at least.

        The order is that of an expression, not of the operator alone, so that no index that only nears it is taken.
        """
        sql, values = self._condition
        dim = self.held.spec.dim
        column = f"vector::vector({dim})" if self.held.storage == "float16" else "vector"
        away = f"({column} {OPERATORS[self.held.metric]} %s::vector({dim}))"
        error = f"{bound.per_length!r} * vector_norm({column})" if bound.per_length else "0.0::float8"
        within, more = "TRUE", []
        if most is not None and np.isfinite(most):
            within, more = f"{away} - {error} <= %s::float8", [_text(point), bound.reach(most)]
        return run(
            self.connection,
            f"SELECT seq, id_int, id_text, vector, {away} - {error} AS lowest, {error} FROM {self.held.table} "
            f"WHERE NOT odd AND {sql} AND {within} ORDER BY lowest LIMIT %s",
            [_text(point), *values, *more, count],
        ).fetchall()

    def streamed(self, points: Floats, k: int, most: float | None) -> list[list[Candidate]]:
        """All matching rows pass by once, in blocks, and are measured here."""
        sql, values = self._condition
        best: list[list[Candidate]] = [[] for _ in points]
        dim = self.held.spec.dim or 1
        with self.connection.cursor(name="adjoin_stream") as cursor:
            cursor.execute(
                f"SELECT seq, id_int, id_text, vector FROM {self.held.table} WHERE {sql}".encode(), values, binary=True
            )  # fmt: skip
            while block := cursor.fetchmany(max(16, _STREAM_BYTES // (4 * dim))):
                for n, point in enumerate(points):
                    reach = best[n][k - 1].distance if len(best[n]) >= k else np.inf
                    passing = [found for found in self._measured(block, point) if found.distance <= reach]
                    best[n] = _nearest([*best[n], *passing], k, most)
        return best

    def _measured(self, found: Sequence[tuple[Any, ...]], point: Floats) -> list[Candidate]:
        """found: (seq, id_int, id_text, vector, …)."""
        if not found:
            return []
        matrix = rows.vectors_of([row[3] for row in found], self.held.storage)
        away = distances_to(matrix, point, self.held.metric).tolist()
        return [
            Candidate(distance, row[1] is None, rows.id_of(row[1], row[2]), row[0])
            for distance, row in zip(away, found, strict=True)
        ]

    # By the index

    def by_index(self, point: Floats, k: int, dial: Dial, most: float | None = None) -> list[Candidate]:
        """The k nearest that the index finds; perhaps fewer. Under a filter it goes on until enough match, or gives up."""
        sql, values = self._condition
        kind = Kind.of(k, filtered=self.is_filtered)  # by kinds, so that what was measured is what is done
        fetched = 2 * max(k, kind.k if kind else 0) + (_MARGIN if self.is_filtered else 0)
        run(self.connection, *settings_of(dial, fetched))
        self._is_bound = True
        column, cast = as_indexed(self.held)
        near = run(
            self.connection,
            f"SELECT seq, id_int, id_text, vector FROM {self.held.table} WHERE {sql} "
            f"ORDER BY {column} {OPERATORS[self.held.metric]} %s::{cast} LIMIT %s",
            [*values, _text(point), fetched],
        ).fetchall()
        return _nearest(self._measured(near, point), k, most)

    def unbind(self) -> None:
        if self._is_bound:
            run(self.connection, *settings_of(None, 0))
            self._is_bound = False

    def can_ask_index(self, point: Floats) -> bool:
        """A query that the index's own numbers cannot hold is compared with every row."""
        if rows.odd_ones(point[None, :], self.held.metric)[0]:
            return False
        return "halfvec" not in as_indexed(self.held)[1] or float(np.abs(point).max()) < 65504


@dataclass(frozen=True, slots=True)
class Rounding:
    """How far a distance of pgvector's can be from the true one.

    Sums of n products in float32 are off by at most about n units of the last place of the sum of their sizes; four times
    that is allowed for. fixed: that much. relative: of the distance. per_length: times the row's length.
    """

    fixed: float
    relative: float
    per_length: float

    @classmethod
    def of(cls, metric: Metric, point: Floats) -> Rounding:
        share = 4 * (len(point) + 8) * _FLOAT32
        if metric == "cosine":
            return cls(share, 0.0, 0.0)
        if metric == "dot":
            return cls(1e-37, 0.0, share * float(np.linalg.norm(point.astype(np.float64))))
        return cls(1e-18, share, 0.0)

    def highest(self, lowest: float, error: float) -> float:
        """What a distance is at most whose computed value, less `error`, is `lowest`, with what that may be too high by.

        lowest lacks the fixed and the relative part, so these count twice: once for it, once for the row compared with.
        """
        return lowest + 2 * error + 2 * (self.fixed + self.relative * abs(lowest)) / (1 - self.relative)

    def reach(self, most: float) -> float:
        """What `lowest` can be of a row no farther than `most`."""
        return most + self.fixed + 2 * self.relative * abs(most)


def _nearest(found: Iterable[Candidate], k: int, most: float | None) -> list[Candidate]:
    within = [one for one in found if most is None or one.distance <= most]
    within.sort()
    return within[:k]


def _text(point: Floats) -> str:
    return "[" + ",".join(map(str, point.tolist())) + "]"


def search(
    searcher: Searcher, request: SearchRequest, location: str, load_ms: float
) -> tuple[list[Found], Curve | None]:
    """The neighbours of every query, with the plan that was carried out; and what was measured of the index on the way."""
    began = time.perf_counter()
    total = catalogue.count(searcher.connection, searcher.held)
    k = min(request.k, max(1, total))
    choice = searcher.choose(k, request.recall)
    plan_ms = load_ms + _ms(began)
    found = []
    if choice.curve is None:
        began = time.perf_counter()
        nearest = searcher.exact(request.vectors, k, request.max_distance) if total else [[] for _ in request.vectors]
        compare_ms = _ms(began) / max(1, len(request.vectors))
        for candidates in nearest:
            plan = _exact_plan(request, choice, {"plan": plan_ms, "compare": compare_ms})
            found.append(_found(searcher, request, candidates, plan, location))
        return found, None
    for point in request.vectors:
        began = time.perf_counter()
        candidates, plan = _by_index_or_exactly(searcher, request, choice, choice.curve, point, k)
        plan = plan.with_stages({"plan": plan_ms}, {"compare": _ms(began)})
        found.append(_found(searcher, request, candidates, plan, location))
    return found, choice.curve


def _by_index_or_exactly(
    searcher: Searcher, request: SearchRequest, choice: Choice, curve: Curve, point: Floats, k: int
) -> tuple[list[Candidate], Plan]:
    """Never short: what the index does not bring in full is compared one by one."""
    if not searcher.can_ask_index(point):
        why = "this query is beyond the numbers of the index, so every row was compared"
    elif curve.wants(request.recall):
        why = f"one of the queries that are compared with every row, to measure the index by ({curve.queries:,} so far)"
        candidates = measuring.measure(searcher, point, curve)
        return _nearest(candidates, k, request.max_distance), _exact_plan(request, _instead(searcher, choice, why), {})
    elif (dial := curve.reaching(request.recall)) is None:
        why = (
            f"no setting of the index surely reached a recall of {request.recall:g} over {curve.queries:,} live queries"
        )
    else:
        candidates = searcher.by_index(point, k, dial)
        if len(candidates) >= k:
            return _nearest(candidates, k, request.max_distance), _index_plan(request, choice, curve, dial)
        why = f"the index brought {len(candidates)} of {k} rows that match, so every one was compared"
    exact = _instead(searcher, choice, why)
    return searcher.exact(point[None, :], k, request.max_distance)[0], _exact_plan(request, exact, {})


def _instead(searcher: Searcher, choice: Choice, why: str) -> Choice:
    searcher.unbind()
    return Choice(
        why, choice.rows, searcher.count() if choice.matching is None else choice.matching, notes=choice.notes
    )


def _found(searcher: Searcher, request: SearchRequest, candidates: list[Candidate], plan: Plan, location: str) -> Found:
    began = time.perf_counter()
    held = documents(
        searcher.connection, searcher.held, [one.seq for one in candidates], location, with_vectors=request.with_vectors
    )
    neighbours = [Neighbour(held[one.seq], one.distance) for one in candidates]
    return Found(neighbours, plan.with_stages({}, {"fetch": _ms(began)}))


def documents(
    connection: Connection, held: Held, seqs: list[int], location: str, *, with_vectors: bool
) -> dict[int, Document]:
    """Rows by their number."""
    if not seqs:
        return {}
    found = run(connection, f"SELECT {rows.DOCUMENT_COLUMNS} FROM {held.table} WHERE seq = ANY(%s)", (seqs,))
    return {row[0]: rows.decode(row, location, held.storage, with_vector=with_vectors) for row in found}


def _exact_plan(request: SearchRequest, choice: Choice, stages_ms: dict[str, float]) -> Plan:
    matching = choice.rows if choice.matching is None else choice.matching
    return Plan("exact", choice.reason, choice.rows, matching, matching, request.recall, 1.0, stages_ms, choice.notes)


def _index_plan(request: SearchRequest, choice: Choice, curve: Curve, dial: Dial) -> Plan:
    notes = choice.notes
    if choice.matching is None:
        notes = (
            *notes,
            "so many rows match that they were not counted: the filter was applied to what the index brought",
        )
    matching = choice.rows if choice.matching is None else choice.matching
    share = dial.value / curve.dials[-1].value  # of the lists of an IVF index
    looked_at = min(choice.rows, dial.value) if dial.family == "hnsw" else round(choice.rows * share)
    return Plan(
        dial.family, curve.told(dial), choice.rows, matching, looked_at, request.recall, curve.low(dial), {}, notes
    )  # fmt: skip


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000
