"""From a request and what a transaction sees to neighbours, and the plan that found them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from adjoin.engine import Found, Neighbour, SearchRequest
from adjoin.filters import Filter
from adjoin.index.measure import NONE, unit
from adjoin.store.attempt import Answer, Attempt, exactly
from adjoin.store.planner import Wanted, Way, index_way, ways
from adjoin.store.state import Part, View
from adjoin.types import Document, Id, Plan, SegmentPlan

if TYPE_CHECKING:
    from adjoin.store.matching import Matching
    from adjoin.store.segment import Segment
    from adjoin.types import Floats

_Figures = tuple[tuple[str, str, str, int, int, int, int, int | None, float], float]
"""A part's SegmentPlan, field by field, and the recall that was promised of it."""

Fetch = Callable[[list[int]], dict[int, Document]]
FetchIds = Callable[[list[int]], dict[int, Id]]
_FEW_TIES: Final = 100


def search(
    request: SearchRequest,
    where: Filter | None,
    view: View,
    fetch: Fetch,
    fetch_ids: FetchIds,
    load_ms: float,
    correction: float = 0.0,
) -> list[Found]:
    """The neighbours of every query.

    fetch, fetch_ids: give documents and ids by seq, on the same snapshot as `view`.
    correction: by how much live queries have shown the promise to fall short, in [0, 1).
    """
    queries = request.vectors
    wanted = Wanted(request.k, raised(request.recall, correction), len(queries))
    began = time.perf_counter()
    points = unit(queries) if view.now.metric == "cosine" and view.parts else queries
    key = None if where is None else where.meaning()
    searched = [_in_part(part, points, where, key, wanted, request.max_distance) for part in view.parts]
    tail = _in_tail(view, request) if view.tail.rows else None
    compared_ms = (time.perf_counter() - began) * 1000 / max(1, len(queries))
    return [
        _found(request, where, view, i, searched, tail, fetch, fetch_ids, load_ms, compared_ms)
        for i in range(len(queries))
    ]


def raised(recall: float, correction: float) -> float:
    """The recall to plan for, so that what is asked is kept although curves promise too much by the correction."""
    if not correction or recall >= 1:
        return recall
    return min(0.9999, 1 - (1 - recall) * (1 - correction))


@dataclass(slots=True)
class _InPart:
    part: Part
    matching: Matching
    answers: list[Answer]


def _in_part(
    part: Part, points: Floats, where: Filter | None, key: Hashable, wanted: Wanted, most: float | None
) -> _InPart:
    matching = part.matchings.of(part, where, key)
    segment = part.segment
    options = ways(segment, matching, wanted)
    way = _affordable(segment, options, wanted)
    if way.strategy == "index":
        index = segment.index
        assert index is not None
        answers = [Attempt(segment, index, matching, way, point, wanted, most).answer() for point in points]
    else:
        if way.strategy == "all" and options[0].strategy == "index":
            way = replace(way, reason=f"{way.reason}: the index is not in memory yet")
        answers = exactly(segment, matching, way, points, wanted.k, most)
        if way.strategy != "none" and wanted.recall < 1 and segment.curve is not None and segment.index is None:
            by_index = index_way(segment, matching, wanted)
            if by_index is not None and by_index.cost_ns < way.cost_ns:
                segment.spent(sum(answer.ms for answer in answers) / 1000)
    return _InPart(part, matching, answers)


def _affordable(segment: Segment, options: list[Way], wanted: Wanted) -> Way:
    """The cheapest way that is open: an index that is not in memory is loaded now only if that pays off in this call."""
    best = options[0]
    if best.strategy != "index" or segment.index is not None:
        return best
    other = next(way for way in options if way.strategy != "index")
    if (other.cost_ns - best.cost_ns) * wanted.queries > segment.load_s * 1e9 and segment.load_index() is not None:
        return best
    return other


def _in_tail(view: View, request: SearchRequest) -> list[Answer]:
    tail = view.tail
    began = time.perf_counter()
    if tail.flat is None or not tail.count:
        found = [NONE] * len(request.vectors)
    else:
        found = tail.flat.search_many(
            request.vectors, request.k, rows=len(tail.seqs), mask=tail.mask, max_distance=request.max_distance
        )
    ms = (time.perf_counter() - began) * 1000 / max(1, len(found))
    return [Answer(near, tail.count, 1.0, "exact", "rows not sealed yet are compared", None, ms) for near in found]


def _found(
    request: SearchRequest,
    where: Filter | None,
    view: View,
    i: int,
    searched: Sequence[_InPart],
    tail: list[Answer] | None,
    fetch: Fetch,
    fetch_ids: FetchIds,
    load_ms: float,
    compared_ms: float,
) -> Found:
    began = time.perf_counter()
    near = _merged(view, i, searched, tail, request.k)
    if len(near) > request.k + _FEW_TIES:  # a thousand equal rows: their ids say which of them are wanted
        ids = fetch_ids([seq for seq, _ in near])
        near = sorted(near, key=lambda pair: (pair[1], id_order(ids[pair[0]])))[: request.k]
    documents = fetch([seq for seq, _ in near])
    neighbours = [Neighbour(documents[seq], distance) for seq, distance in near]
    if len(searched) + (tail is not None) > 1 or len({distance for _, distance in near}) < len(near):
        neighbours.sort(key=_by_distance_and_id)
    stages = {"load": load_ms, "compare": compared_ms, "fetch": (time.perf_counter() - began) * 1000}
    return Found(neighbours[: request.k], _plan_of(request, where is not None, view, i, searched, tail, stages))


def _merged(
    view: View, i: int, searched: Sequence[_InPart], tail: list[Answer] | None, k: int
) -> list[tuple[int, float]]:
    """(seq, distance) of the k nearest of all parts and all that are as far as the k-th."""
    pieces = [(one.part.segment.seqs[one.answers[i].near.rows], one.answers[i].near.distances) for one in searched]
    if tail is not None:
        pieces.append((view.tail.seqs[tail[i].near.rows], tail[i].near.distances))
    if not pieces:
        return []
    if len(pieces) == 1:
        seqs, distances = pieces[0]
    else:
        seqs = np.concatenate([seqs for seqs, _ in pieces])
        distances = np.concatenate([distances for _, distances in pieces])
        if len(distances) > k:
            kept = distances <= np.partition(distances, k - 1)[k - 1]
            seqs, distances = seqs[kept], distances[kept]
    return list(zip(seqs.tolist(), distances.tolist(), strict=True))


def _by_distance_and_id(neighbour: Neighbour) -> tuple[float, bool, Id]:
    id_ = neighbour.document.id
    return neighbour.distance, isinstance(id_, str), id_


def id_order(id_: Id) -> tuple[bool, Id]:
    """Numbers before texts, each in its own order: how equal distances are ranked."""
    return isinstance(id_, str), id_


def _plan_of(
    request: SearchRequest,
    filtered: bool,
    view: View,
    i: int,
    searched: Sequence[_InPart],
    tail: list[Answer] | None,
    stages: dict[str, float],
) -> Callable[[], Plan]:
    """What makes the plan. It holds figures alone, so that hits that are kept do not keep segments mapped."""
    parts = [_figures(one.part.segment.id, one.part.count, one.matching, one.answers[i]) for one in searched]
    if tail is not None:
        count = view.tail.count
        parts.append(_figures("tail", view.tail.rows, None, tail[i], count))
    rows, asked = view.now.documents, request.recall
    notes = _notes(searched) if any(one.part.segment.index_damage for one in searched) else ()
    return lambda: _plan(parts, filtered, rows, asked, notes, stages)


def _figures(place: str, rows: int, matching: Matching | None, answer: Answer, count: int = 0) -> _Figures:
    estimate, count = (count, count) if matching is None else (matching.estimate, matching.count)
    line = (place, answer.strategy, answer.reason, rows, estimate, count, answer.candidates, answer.effort, answer.ms)
    return line, answer.promised


def _plan(
    parts: list[_Figures], filtered: bool, rows: int, asked: float, notes: tuple[str, ...], stages: dict[str, float]
) -> Plan:
    lines = [SegmentPlan(*line) for line, _ in parts]
    strategies = list(dict.fromkeys(line.strategy for line in lines)) or ["exact"]
    return Plan(
        strategy=strategies[0] if len(strategies) == 1 else " + ".join(strategies),
        reason=_reason(lines, filtered),
        rows=rows,
        matching=sum(line.matching for line in lines),
        candidates=sum(line.candidates for line in lines),
        recall_asked=asked,
        recall_promised=min((promised for _, promised in parts), default=1.0),
        stages_ms=stages,
        notes=notes,
        estimated=sum(line.estimated for line in lines),
        segments=tuple(lines),
    )


def _reason(lines: list[SegmentPlan], filtered: bool) -> str:
    if not lines:
        return "the collection is empty"
    if len(lines) == 1 and lines[0].place == "tail":
        return "every row is compared" if not filtered else "the rows that match the filter are compared one by one"
    if len(lines) == 1:
        return lines[0].reason
    return f"{len(lines)} parts, each its own way"


def _notes(searched: Sequence[_InPart]) -> tuple[str, ...]:
    return tuple(
        f"the index of segment {one.part.segment.id} cannot be used ({one.part.segment.index_damage.what}), so its rows are "
        "compared; `adjoin doctor --repair` builds it again"
        for one in searched
        if one.part.segment.index_damage is not None
    )
