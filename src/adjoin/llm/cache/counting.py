"""Counters that outlive the process: each instance has a row of its own, so that none overwrites another's."""

from __future__ import annotations

import os
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin.forks import renew_in_child
from adjoin.llm.cache.entries import KIND
from adjoin.llm.cache.report import total
from adjoin.types import Item

if TYPE_CHECKING:
    from adjoin.collection import Collection

FLUSH_S: Final = 30.0
FLUSH_COUNTS: Final = 500


class Counters:
    """What this instance counted. `item()` is its row; it is written with every answer stored, on close, and now and then.

    A killed process loses what it counted since then, and nothing else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._id = f"cache-counts:{uuid.uuid4().hex}"
        self._counts: dict[str, float] = {}
        self._since = 0.0
        self._flushed = time.monotonic()

    def add(self, **counts: float) -> None:
        with self._lock:
            if self._process != os.getpid():  # the parent goes on counting in its own row
                self._begin()
            for name, count in counts.items():
                self._counts[name] = self._counts.get(name, 0) + count
            self._since += 1

    @property
    def due(self) -> bool:
        """Whether a flush is worth a write."""
        late = time.monotonic() - self._flushed > FLUSH_S
        return self._since >= FLUSH_COUNTS or (self._since > 0 and late)

    @property
    def any(self) -> bool:
        """Whether there is anything to write. The row may be older than it looks: of two writes at once the older may come last."""
        return bool(self._counts)

    def item(self, dim: int) -> Item:
        """The row, as of now."""
        with self._lock:
            counts = dict(self._counts)
            self._since, self._flushed = 0.0, time.monotonic()
        return Item(self._id, self._id, {KIND: "counts", "counts": counts}, marker(dim))

    def all(self, collection: Collection) -> dict[str, float]:
        """Of every instance, this one's as of now."""
        others: list[dict[str, Any]] = [
            row.metadata["counts"] for row in collection.scan({KIND: "counts"}) if row.id != self._id
        ]
        with self._lock:
            return total([*others, self._counts])


def marker(dim: int) -> Any:
    """A vector for rows that are never searched."""
    vector = np.zeros(dim, np.float32)
    vector[0] = 1.0
    return vector
