"""The recall of live queries: a sample of them is kept in memory, and searched again both ways when someone asks.

Nothing of it is written to disk. What is measured also corrects what curves promise: see `correction`.
"""

from __future__ import annotations

import dataclasses
import os
import random
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from adjoin.engine import Found, SearchRequest
from adjoin.types import RecallLine, RecallReport

if TYPE_CHECKING:
    from adjoin.types import Floats, Where

Search = Callable[[str, SearchRequest], list[Found]]

SAMPLE: Final = 512  # queries kept a collection
_RANGES: Final = ((0.5, 1.0), (0.1, 0.5), (0.01, 0.1), (0.0, 0.01))  # of selectivity, above and up to
_Z: Final = 1.959964  # of a two-sided interval at 95 %
_EASE: Final = 1.25  # times the misses that are planned for, when fewer are made
_ENOUGH: Final = 100  # wanted neighbours, before a shortfall is taken for more than chance


@dataclass(frozen=True, slots=True)
class _Heard:
    vector: Floats
    where: Where | None
    recall: float


@dataclass(slots=True)
class _Tally:
    queries: int = 0
    right: int = 0
    wanted: int = 0

    def add(self, right: int, wanted: int) -> None:
        self.queries += 1
        self.right += right
        self.wanted += wanted


class _Ear:
    """A uniform sample of all queries so far (Vitter, algorithm R, 1985)."""

    def __init__(self) -> None:
        self.heard: list[_Heard] = []
        self.count = 0
        self.correction = 0.0
        self._random = random.Random(0)

    def place(self) -> int:
        """Where the next query goes; SAMPLE or more for nowhere."""
        self.count += 1
        return self.count - 1 if self.count <= SAMPLE else int(self._random.random() * self.count)

    def put(self, place: int, query: _Heard) -> None:
        if place < len(self.heard):
            self.heard[place] = query
        else:
            self.heard.append(query)


class Meter:
    """Of one engine's collections, by name."""

    def __init__(self) -> None:
        self._ears: dict[str, _Ear] = {}
        self._lock = threading.Lock()
        self._quiet = threading.local()
        _living.add(self)

    def after_fork(self) -> None:
        """In a child the thread that held the lock is not there to let it go."""
        self._lock = threading.Lock()

    def heard(self, name: str, request: SearchRequest) -> None:
        """Remember a search that may be less than exact. Cost: a few microseconds."""
        if request.recall >= 1 or getattr(self._quiet, "now", False):
            return
        ear = self._ears.get(name) or self._ears.setdefault(name, _Ear())
        with self._lock:
            for vector in request.vectors[:SAMPLE]:
                place = ear.place()
                if place < SAMPLE:
                    ear.put(place, _Heard(vector.copy(), request.where, request.recall))

    def forget(self, name: str) -> None:
        """Begin anew: another collection goes by this name now."""
        with self._lock:
            self._ears.pop(name, None)

    def correction(self, name: str) -> float:
        """How much of the share that may be missed has to be taken back, in [0, 1): measured, and 0 until it is."""
        ear = self._ears.get(name)
        return 0.0 if ear is None else ear.correction

    def queries(self, name: str) -> Floats | None:
        """Those of live queries that had no filter, to measure new segments with: shape (q, dim); None if there are few."""
        with self._lock:
            ear = self._ears.get(name)
            found = [] if ear is None else [query.vector for query in ear.heard if query.where is None]
        return np.stack(found) if len(found) >= SAMPLE // 4 else None

    def measure(self, name: str, search: Search, *, k: int, budget_s: float) -> RecallReport:
        """Search sampled queries both ways until the time is up, at least one of them."""
        began = time.monotonic()
        with self._lock:
            ear = self._ears.get(name)
            queries = [] if ear is None else random.Random(0).sample(ear.heard, len(ear.heard))
        asked = [query.recall for query in queries]
        everything, ranges = _Tally(), [_Tally() for _ in _RANGES]
        self._quiet.now = True
        try:
            for query in queries:
                right, wanted, selectivity = _compare(name, search, query, k)
                if wanted:
                    everything.add(right, wanted)
                    ranges[_range_of(selectivity)].add(right, wanted)
                if time.monotonic() - began > budget_s:
                    break
        finally:
            self._quiet.now = False
        lines = [_line((0.0, 1.0), everything)]
        lines += [_line(span, tally) for span, tally in zip(_RANGES, ranges, strict=True) if tally.queries]
        wanted_recall = float(np.mean(asked)) if asked else 0.95
        if ear is not None:
            ear.correction = _corrected(ear.correction, wanted_recall, lines[0])
        return RecallReport(wanted_recall, tuple(lines), time.monotonic() - began)


_living: weakref.WeakSet[Meter] = weakref.WeakSet()


def _after_fork() -> None:
    for meter in list(_living):
        meter.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _compare(name: str, search: Search, query: _Heard, k: int) -> tuple[int, int, float]:
    """(true neighbours that the search found, all there are, the share of rows that matched).

    A row exactly as far as the last true one is as good as that.
    """
    request = SearchRequest(query.vector[None, :], k, query.where, query.recall)
    [found] = search(name, request)
    [true] = search(name, dataclasses.replace(request, recall=1.0))
    if not true.neighbours:
        return 0, 0, true.plan.selectivity
    last = true.neighbours[-1].distance
    right = sum(neighbour.distance <= last for neighbour in found.neighbours)
    return min(right, len(true.neighbours)), len(true.neighbours), true.plan.selectivity


def _range_of(selectivity: float) -> int:
    for place, (above, _) in enumerate(_RANGES):
        if selectivity > above:
            return place
    return len(_RANGES) - 1


def _line(span: tuple[float, float], tally: _Tally) -> RecallLine:
    low, high = wilson(tally.right, tally.wanted)
    recall = tally.right / tally.wanted if tally.wanted else 0.0
    return RecallLine(span, tally.queries, tally.right, tally.wanted, recall, low, high)


def wilson(right: int, wanted: int, z: float = _Z) -> tuple[float, float]:
    """The score interval of a share. Source: Wilson, JASA 1927."""
    if not wanted:
        return 0.0, 1.0
    share = right / wanted
    middle = share + z * z / (2 * wanted)
    spread = z * float(np.sqrt(share * (1 - share) / wanted + z * z / (4 * wanted * wanted)))
    scale = 1 + z * z / wanted
    return max(0.0, min(share, (middle - spread) / scale)), min(1.0, max(share, (middle + spread) / scale))


def _corrected(before: float, asked: float, line: RecallLine) -> float:
    """Plan for fewer misses when live queries miss more than they may; ease off when they clearly miss less."""
    if line.wanted < _ENOUGH or asked >= 1:
        return before
    if line.recall < asked:
        share = (1 - asked) / max(1e-6, 1 - line.recall)  # of what is missed now that may be missed
        return 1 - (1 - before) * max(0.02, share * 0.8)
    if line.low > asked:  # a little at a time: the way back down is as steep as the way up
        return max(0.0, 1 - (1 - before) * _EASE)
    return before
