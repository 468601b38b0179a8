"""Which of a key's terms a condition means, as spans of term numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Spans = tuple[tuple[int, int], ...]  # (first, one past the last), ascending, apart from each other


class Chosen(NamedTuple):
    """Terms of one key; a row is meant if its own value, an element of it, or the lack of the key is.

    size: how many terms the key has.
    own: terms that are meant as a row's value.
    inside: terms that are meant as an element of a row's list; empty for a key without lists.
    missing: whether rows without the key are meant.
    """

    size: int
    own: Spans
    inside: Spans = ()
    missing: bool = False

    def __invert__(self) -> Chosen:
        """The rows that are not meant. Only where nothing is meant as an element."""
        assert not self.inside
        return Chosen(self.size, complement(self.own, self.size), (), not self.missing)

    def meet(self, other: Chosen) -> Chosen:
        """The rows that both mean. Only where neither means elements."""
        assert not self.inside
        assert not other.inside
        return Chosen(self.size, intersection(self.own, other.own), (), self.missing and other.missing)

    def join(self, other: Chosen) -> Chosen:
        """The rows that either means."""
        own, inside = union(self.own + other.own), union(self.inside + other.inside)
        return Chosen(self.size, own, inside, self.missing or other.missing)


def union(spans: Spans) -> Spans:
    """Spans in any order, put in order and together where they touch."""
    if len(spans) < 2:
        return spans
    joined: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def intersection(some: Spans, others: Spans) -> Spans:
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(some) and j < len(others):
        low, high = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if low < high:
            found.append((low, high))
        if some[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def complement(spans: Spans, size: int) -> Spans:
    edges = [0, *(edge for span in spans for edge in span), size]
    return tuple((low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if low < high)


def from_terms(terms: NDArray[np.int64]) -> Spans:
    """Of ascending term numbers, all different."""
    if not len(terms):
        return ()
    breaks = np.flatnonzero(np.diff(terms) != 1)
    lows = [terms[0], *terms[breaks + 1]]
    highs = [*(terms[breaks] + 1), terms[-1] + 1]
    return tuple((int(low), int(high)) for low, high in zip(lows, highs, strict=True))
