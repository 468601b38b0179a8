"""Which rows of a segment a filter leaves, found out only as far as a search needs, and kept for the next one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin.forks import renew_in_child

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.filters import Filter
    from adjoin.store.planner import Way
    from adjoin.store.state import Part
    from adjoin.types import Floats

    Mask = NDArray[np.bool_]
    Rows = NDArray[np.int64]

_MOST_KEPT: Final = 32  # filters of a segment
_FEW_ROWS: Final = 4096  # are kept at once; more only for a filter that comes again
_MOST_BYTES: Final = 64 * 2**20  # of vectors copied for filters that come again


class Matching:
    """The rows of one part that are alive and match one filter (or, without one, all that are alive).

    estimate: what postings say before rows are looked at. count: how many there truly are.
    """

    def __init__(self, part: Part, where: Filter | None, room: Callable[[int], bool] | None = None) -> None:
        """room: asked before so many bytes are kept."""
        self._room = room
        self._part = part
        self._where = where
        self.uses = 0
        self.ways: dict[Any, list[Way]] = {}  # the planner's
        self.copy: Floats | None = None
        self._rows: Rows | None = None
        self._mask: Mask | None = None
        segment = part.segment
        if where is None:
            self._answer = None
            self.estimate = self.count = part.count
            return
        self._answer = segment.columns.answer(where)
        counted = self._answer.count()
        self.estimate = counted.estimate
        if counted.low == counted.high:
            self.count = counted.low - self._gone_or_changed()
        else:
            self.count = len(self.rows())

    def _gone_or_changed(self) -> int:
        """How many of the rows that matched when the segment was sealed do not count now, less those that came to."""
        part = self._part
        assert self._answer is not None
        assert self._where is not None
        if part.alive is None and not part.revised:
            return 0
        odd = np.flatnonzero(~part.alive) if part.alive is not None else np.empty(0, np.int64)
        changed = np.array(sorted(part.revised), np.int64)
        both = np.union1d(odd, changed)
        before = int(np.count_nonzero(self._answer.among(both)))
        now = sum(
            self._where.matches(metadata)
            for row, metadata in part.revised.items()
            if part.alive is None or part.alive[row]
        )
        return before - now

    @property
    def every(self) -> bool:
        """Whether no row of the segment is left out."""
        return self.count == self._part.segment.n

    def rows(self) -> Rows:
        """Their numbers, rising."""
        if self._rows is not None:
            return self._rows
        rows = self._part.chosen(self._where)
        if self.uses > 1 or len(rows) <= _FEW_ROWS:
            self._rows = rows
        return rows

    def mask(self) -> Mask | None:
        """Shape (n,); None where every row matches."""
        if self.every:
            return None
        if self._where is None:
            return self._part.alive
        if self._mask is None:
            mask = np.zeros(self._part.segment.n, np.bool_)
            mask[self.rows()] = True
            self._mask = mask
        return self._mask

    def among(self, rows: Rows) -> Mask | None:
        """Which of these match, in their order; None for all. Cost: that of the rows, where nothing is kept yet."""
        if self.every:
            return None
        if self._where is None:
            assert self._part.alive is not None
            return self._part.alive[rows]
        if self._mask is None and self.uses > 1:
            self.mask()
        if self._mask is not None:
            return self._mask[rows]
        order = np.argsort(rows)
        rising = rows[order]
        found = self._part.matches(self._where, rising)
        if self._part.alive is not None:
            found &= self._part.alive[rising]
        result = np.empty(len(rows), np.bool_)
        result[order] = found
        return result

    def vectors(self) -> Floats | None:
        """A copy of their stored vectors side by side, for a filter that comes again; None the first time."""
        if self.copy is None and self.uses > 1 and self._room is not None:
            rows = self.rows()
            if self._room(len(rows) * self._part.segment.manifest.dim * 4):
                self.copy = np.ascontiguousarray(self._part.segment.vectors.take(rows))
        return self.copy


class Matchings:
    """Those of one part, by filter: the latest, within a bound of memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Matching] = OrderedDict()
        self._all: Matching | None = None
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")

    def of(self, part: Part, where: Filter | None, key: Hashable) -> Matching:
        """key: the filter's own."""
        if where is None or key is None:
            if self._all is None:
                self._all = Matching(part, None)
            return self._all
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
        if found is None:
            found = Matching(part, where, self._make_room)
            with self._lock:
                self._kept[key] = found
                if len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        found.uses += 1
        return found

    def _make_room(self, size: int) -> bool:
        """Whether there is room for another copy, after those of filters that were longest not used are let go."""
        if size > _MOST_BYTES:
            return False
        with self._lock:
            copies = [one for one in self._kept.values() if one.copy is not None]
            total = size + sum(one.copy.nbytes for one in copies if one.copy is not None)
            for one in copies:
                if total <= _MOST_BYTES:
                    break
                total -= one.copy.nbytes if one.copy is not None else 0
                one.copy = None
        return True
