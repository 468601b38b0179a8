"""One query of one segment by its index: a first search, and others where what it finds says that more is needed."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from adjoin.distance import distances_to
from adjoin.index.measure import NONE, Neighbours, within
from adjoin.store.planner import Wanted, Way, exact_way

if TYPE_CHECKING:
    from adjoin.index.base import Built
    from adjoin.index.measure import Rows
    from adjoin.store.matching import Matching
    from adjoin.store.segment import Segment
    from adjoin.types import Floats

_PROBED: Final = 3  # of the candidates, to see how far the nearest is
_FAR: Final = "so far from all that is stored that the index has no way that costs less"
_DEEP: Final = "matches lie so deep that the index has no way that costs less"
_SHORT: Final = "too few matched"
_MEASURE_NS: Final = 200
_ESCALATION: Final = 4  # times the depth, before the rows that match are compared one and all


@dataclass(slots=True)
class Answer:
    """One part's neighbours of one query, and what it took. effort: None where no index was asked."""

    near: Neighbours
    candidates: int
    promised: float
    strategy: str
    reason: str
    effort: int | None
    ms: float


class Attempt:
    """matching: the rows that may be returned. point: of length 1 under cosine. most: the farthest that is wanted."""

    __slots__ = (
        "_began", "_compared", "_effort", "_index", "_matching", "_most", "_offer", "_point", "_reason", "_segment",
        "_wanted", "_way",
    )  # fmt: skip

    def __init__(
        self,
        segment: Segment,
        index: Built,
        matching: Matching,
        way: Way,
        point: Floats,
        wanted: Wanted,
        most: float | None,
    ) -> None:
        assert way.offer is not None
        self._segment = segment
        self._index = index
        self._matching = matching
        self._way = way
        self._offer = way.offer
        self._point = point
        self._wanted = wanted
        self._most = most
        self._effort = way.offer.effort
        self._compared = 0
        self._reason = way.reason
        self._began = time.perf_counter()

    def answer(self) -> Answer:
        k = self._wanted.k
        rows = self._asked(self._way.depth, self._effort)
        near = NONE
        if self._matching.every:  # what is measured anyway says how far the nearest row is
            near = self._measured(rows)
            needed = self._offer.choice.needed(float(near.distances[0]), self._point) if len(rows) else self._effort
        else:
            needed = self._effort_so_far(rows)
        if not self._pays(needed):
            return self._exactly(_FAR)
        if needed is not None and needed > self._effort:
            rows, near = self._again(needed, "far from all that is stored"), NONE
        if not self._matching.every:
            found = self._matched(rows)
            if found is None:
                return self._exactly(_DEEP)
            rows = found
        if len(rows) < k and len(rows) < self._matching.count:
            return self._deeper()
        if near is NONE:
            near = self._measured(rows)
        return self._told(near if self._most is None else within(near, self._most), self._way.promised)

    def _asked(self, depth: int, effort: int) -> Rows:
        rows = self._index.search(self._point, self._index.pool(depth, effort), effort)
        self._compared += len(rows)
        return rows

    def _again(self, effort: int, why: str) -> Rows:
        self._effort = effort
        self._reason += f"; {why}, so effort {effort}"
        return self._asked(self._way.depth, effort)

    def _measured(self, rows: Rows) -> Neighbours:
        exact, k = self._segment.exact, self._wanted.k
        return exact.measure(exact.shortlist(rows, self._point, k), self._point, k)

    def _pays(self, effort: int | None) -> bool:
        """Whether searching with this effort, if that is more than was spent already, costs less than comparing rows."""
        if effort is None:
            return False
        if effort <= self._effort:
            return True
        return self._segment.search_ns(effort) < exact_way(self._segment, self._matching, self._wanted).cost_ns

    def _effort_so_far(self, rows: Rows) -> int | None:
        """The effort that a query so far from its nearest rows needs; None: compare all."""
        choice = self._offer.choice
        if not choice.steps or not len(rows):
            return choice.effort
        segment = self._segment
        nearest = float(distances_to(segment.exact.take(rows[:_PROBED]), self._point, segment.metric).min())
        return choice.needed(nearest, self._point)

    def _matched(self, rows: Rows) -> Rows | None:
        """Those that match, after another search where they lie too deep; None where comparing all costs less."""
        among = self._matching.among(rows)
        places = np.arange(len(rows)) if among is None else np.flatnonzero(among)
        if len(places) < self._wanted.k:
            return rows[places]
        more = self._effort_so_deep(int(places[self._wanted.k - 1]) + 1)
        if not self._pays(more):
            return None
        if more is not None and more > self._effort:
            rows = self._again(more, "matches lie deep")
            among = self._matching.among(rows)
            return rows if among is None else rows[among]
        return rows[places]

    def _effort_so_deep(self, rank: int) -> int | None:
        """The effort that keeps the recall where the last match lies at this rank; None where there is none.

        A filter that goes against the query has its matches farther down than its share lets expect.
        """
        planned = self._offer.depth
        if rank <= planned:
            return self._offer.effort
        rank = min(self._way.depth, planned * math.ceil(4 * rank / planned) // 4)  # few different ones
        offer = self._segment.offer(self._wanted.recall, rank, self._way.depth)
        return None if offer is None else offer.effort

    def _deeper(self) -> Answer:
        """Fewer matched near the query than the filter's share lets expect: look deeper once, else compare all."""
        depth = min(self._segment.n, self._way.depth * _ESCALATION)
        offer = self._segment.offer(self._wanted.recall, self._way.depth, depth)
        costs = None if offer is None else offer.cost_ns + depth * _MEASURE_NS
        if offer is None or costs is None or costs >= self._exact_way().cost_ns:
            return self._exactly(_SHORT)
        self._effort = offer.effort
        self._reason += f"; {_SHORT}, so {depth:,} were asked for"
        rows = self._asked(depth, offer.effort)
        among = self._matching.among(rows)
        rows = rows if among is None else rows[among]
        if len(rows) < min(self._wanted.k, self._matching.count):
            return self._exactly(_SHORT)
        near = self._measured(rows)
        return self._told(near if self._most is None else within(near, self._most), offer.promised)

    def _exact_way(self) -> Way:
        return exact_way(self._segment, self._matching, self._wanted)

    def _exactly(self, why: str) -> Answer:
        way = self._exact_way()
        [answer] = exactly(self._segment, self._matching, way, self._point[None, :], self._wanted.k, self._most)
        answer.candidates += self._compared
        answer.reason = f"{self._reason}; {why}, so {way.reason}"
        answer.strategy = f"{self._segment.manifest.family}, then exact"
        answer.ms = (time.perf_counter() - self._began) * 1000
        return answer

    def _told(self, near: Neighbours, promised: float) -> Answer:
        ms = (time.perf_counter() - self._began) * 1000
        return Answer(near, self._compared, promised, self._segment.manifest.family, self._reason, self._effort, ms)


def exactly(segment: Segment, matching: Matching, way: Way, points: Floats, k: int, most: float | None) -> list[Answer]:
    """Every query by comparing rows, all at once."""
    began = time.perf_counter()
    exact = segment.exact
    if way.strategy == "none":
        found = [NONE] * len(points)
    elif way.strategy == "rows":
        found = exact.search_rows(matching.rows(), points, k, most=most, copy=matching.vectors())
    else:
        found = exact.search_many(points, k, mask=matching.mask(), most=most)
    ms = (time.perf_counter() - began) * 1000 / max(1, len(points))
    compared = matching.count if way.strategy == "rows" else 0 if way.strategy == "none" else segment.n
    return [Answer(near, compared, 1.0, "exact", way.reason, None, ms) for near in found]
