"""How to search a segment: by its index, by comparing the rows that match, or all. The cheapest that keeps the promise.

The costs are those measured when the segment was built: nanoseconds a row of an exact scan, and of rows picked by
number; microseconds a query of each effort of the index.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from adjoin.store.matching import Matching
    from adjoin.store.segment import Offer, Segment

Strategy = Literal["index", "rows", "all", "none"]

_CANDIDATE_NS: Final = 150  # to measure one candidate exactly
_TEST_NS: Final = 30  # to ask whether it matches
_CALL_NS: Final = 15_000  # of NumPy's calls for one exact search of any size
_MOST_KEPT: Final = 64
_RANKS: Final = 1.3  # times k / share: how far down the k-th match is likely to lie
_MASK_SHARE: Final = 0.25  # what barring rows costs beside a scan of all


@dataclass(frozen=True, slots=True)
class Way:
    """A way to search a segment. depth: how far down the index's list matches are looked for; offer: the index's.

    cost_ns: expected, for one query. promised: the recall that is kept, a lower bound.
    """

    strategy: Strategy
    cost_ns: float
    reason: str
    depth: int = 0
    offer: Offer | None = None
    promised: float = 1.0


class Wanted(NamedTuple):
    """What a search asks of each segment. recall is that asked for, raised where live queries have shown it short."""

    k: int
    recall: float
    queries: int


def ways(segment: Segment, matching: Matching, wanted: Wanted) -> list[Way]:
    """All ways there are, cheapest first. The last resort, comparing the rows that match, is always among them."""
    asked = (wanted, segment.has_index, matching.copy is not None)
    known: list[Way] | None = matching.ways.get(asked)
    if known is None:
        if len(matching.ways) > _MOST_KEPT:
            matching.ways.clear()
        known = matching.ways[asked] = _ways(segment, matching, wanted)
    return known


def _ways(segment: Segment, matching: Matching, wanted: Wanted) -> list[Way]:
    if not matching.count:
        return [Way("none", 0.0, "no row matches")]
    found = [exact_way(segment, matching, wanted)]
    if wanted.recall < 1:
        by_index = index_way(segment, matching, wanted)
        if by_index is not None:
            found.append(by_index)
    return sorted(found, key=lambda way: way.cost_ns)


def exact_way(segment: Segment, matching: Matching, wanted: Wanted) -> Way:
    """Comparing all rows, or only those that match, whichever costs less."""
    costs, n, m = segment.manifest.costs, segment.n, matching.count
    one = wanted.queries == 1
    scan = costs.scan_ns if one else costs.batch_ns
    whole = n * scan + _CALL_NS
    if matching.every:
        return Way("all", whole, "every row is compared")
    masked = whole + _MASK_SHARE * n
    picked = m * (scan if matching.copy is not None else costs.gather_ns / (1 if one else wanted.queries) + scan)
    if picked + _CALL_NS <= masked:
        return Way("rows", picked + _CALL_NS, f"only the {m:,} rows that match are compared")
    return Way("all", masked, "so many rows match that comparing all and leaving some out costs less")


def index_way(segment: Segment, matching: Matching, wanted: Wanted) -> Way | None:
    """The index asked for so many rows that k of them match; None where no effort keeps the promise."""
    curve = segment.curve
    if curve is None or not segment.has_index:
        return None
    share = matching.count / segment.n
    depth = depth_for(wanted.k, share)
    # The k nearest that match lie among the first k / share rows or so, each as likely to be found as any of these.
    offer = segment.offer(wanted.recall, min(depth, math.ceil(_RANKS * wanted.k / share)), depth)
    if offer is None:
        return None
    cost = offer.cost_ns + depth * (_CANDIDATE_NS + (0 if matching.every else _TEST_NS))
    reason = offer.reason if matching.every else f"{offer.reason}, asked for {depth:,} so that {wanted.k:,} match"
    return Way("index", cost + _CALL_NS, reason, depth, offer, offer.promised)


def depth_for(k: int, share: float) -> int:
    """How many of the nearest rows to look at so that k of them match, but for one time in some hundred."""
    if share >= 1:
        return k
    return math.ceil((k + 2.4 * math.sqrt(k) + 2) / share)
