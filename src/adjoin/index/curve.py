"""What an index was measured to find, and which effort keeps a promise of recall."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adjoin.errors import StoreCorrupted

if TYPE_CHECKING:
    from adjoin.types import Floats

Shares: TypeAlias = tuple[tuple[float, ...], ...]
_Z: Final = 1.6448536  # 95 % of a normal distribution lie below so many standard deviations


@dataclass(frozen=True, slots=True)
class Choice:
    """How to search so that recall is kept.

    effort: for the first search. steps: (a distance, the effort where the nearest found is farther), rising; None for
    the effort means that all rows must be compared. by_length: distances are divided by the query's length first.
    """

    effort: int
    steps: tuple[tuple[float, int | None], ...] = ()
    by_length: bool = False

    def needed(self, nearest: float, query: Floats) -> int | None:
        """The effort for a query whose nearest neighbour was found at this distance; None: compare all rows.

        Where it is more than `effort`, search again.
        """
        if not self.steps or (not self.by_length and nearest <= self.steps[0][0]):
            return self.effort
        if self.by_length:
            nearest /= float(np.linalg.norm(query)) or 1.0
        effort: int | None = self.effort
        for beyond, more in self.steps:
            if nearest > beyond:
                effort = more
        return effort


@dataclass(frozen=True, slots=True)
class Stratum:
    """One kind of queries: those whose nearest neighbour lies farther than `beyond`.

    queries: how many were measured. recall, lower: by effort and depth, the mean and its lower bound.
    """

    beyond: float
    queries: int
    recall: Shares
    lower: Shares

    @classmethod
    def of(cls, beyond: float, found: Sequence[NDArray[np.float64]]) -> Stratum:
        """found: for each effort the recall of each query at each depth, shape (queries, depths).

        The bound of the first depth is no better than that of the second: a made query's one nearest row is easier to
        find than a real query's.
        """
        lower = np.maximum.accumulate([[lower_bound(column) for column in one.T] for one in found])
        if lower.shape[1] > 1:
            lower[:, 0] = np.minimum(lower[:, 0], lower[:, 1])
        mean = tuple(tuple(float(value) for value in one.mean(axis=0)) for one in found)
        return cls(beyond, len(found[0]), mean, tuple(tuple(float(v) for v in row) for row in lower))

    def least(self, efforts: Sequence[int], recall: float, place: Place) -> int | None:
        """The least effort whose lower bound at a depth is at least `recall`.

        Between two measured efforts it lies where the straight line between their bounds reaches it: recall bends the
        other way, so this errs on the side of more effort.
        """
        bounds = [place.of(row) for row in self.lower]
        reached = bisect_left(bounds, recall)
        if reached == len(bounds):
            return None
        effort = efforts[reached]
        if reached and bounds[reached - 1] > 0:
            below, low, high = efforts[reached - 1], bounds[reached - 1], bounds[reached]
            effort = below + math.ceil((effort - below) * (recall - low) / (high - low))
        return effort


class Place(NamedTuple):
    """Where a depth lies among those measured: at one, or between two by its logarithm, as recall falls with it."""

    below: int
    above: int
    share: float

    def of(self, row: Sequence[float]) -> float:
        return row[self.below] + (row[self.above] - row[self.below]) * self.share


@dataclass(frozen=True, slots=True)
class Curve:
    """Recall by effort and depth, measured on this very index, and its lower bounds.

    depths: how many neighbours are asked for. efforts: positions of the index's dial. cost_us: of one search for ten
    neighbours, without measuring them exactly. strata: ordinary queries first, then the farther ones.
    exact_beyond: the nearest distance that none of the measured queries exceeded. logged: whether ordinary queries
    were the users' own. by_length: distances stand for distances divided by the query's length (dot).

    recall holds for the mean over queries like those measured. lower is a one-sided 95 % bound: Wilson's interval, on
    the number of independent yes-or-no trials that would vary as the queries' recalls do.
    """

    depths: tuple[int, ...]
    efforts: tuple[int, ...]
    cost_us: tuple[float, ...]
    strata: tuple[Stratum, ...]
    exact_beyond: float
    logged: bool = False
    by_length: bool = False

    @property
    def recall(self) -> Shares:
        """Of ordinary queries, by effort and depth."""
        return self.strata[0].recall

    @property
    def queries(self) -> int:
        return sum(stratum.queries for stratum in self.strata)

    def cheapest(self, recall: float, depth: int) -> Choice | None:
        """The least effort that keeps `recall`, from 0 to 1, for `depth` neighbours; None: compare all rows.

        A depth between two that were measured is taken to lie between their bounds; one beyond all is never kept.
        """
        place = self._place(depth)
        if place is None:
            return None
        needed = [stratum.least(self.efforts, recall, place) for stratum in self.strata]
        first = needed[0]
        if first is None:
            return None
        steps = [
            (stratum.beyond, None if more is None else max(first, more))
            for stratum, more in zip(self.strata[1:], needed[1:], strict=True)
        ]
        return Choice(first, (*steps, (self.exact_beyond, None)), self.by_length)

    def lower_bound(self, effort: int, depth: int) -> float:
        """Of the recall of ordinary queries; 0 where it was not measured."""
        row = bisect_left(self.efforts, effort + 1) - 1
        place = self._place(depth)
        return 0.0 if row < 0 or place is None else place.of(self.strata[0].lower[row])

    def reaches(self, recall: float, depth: int = 10) -> bool:
        """Whether any effort keeps this recall for ordinary queries."""
        return self.cheapest(recall, depth) is not None

    def _place(self, depth: int) -> Place | None:
        """None where nothing so deep was measured."""
        above = bisect_left(self.depths, depth)
        if above == len(self.depths):
            return None
        if self.depths[above] == depth or not above:
            return Place(above, above, 0.0)
        low, high = self.depths[above - 1], self.depths[above]
        return Place(above - 1, above, math.log(depth / low) / math.log(high / low))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; infinite distances as None."""
        return {
            "depths": list(self.depths),
            "efforts": list(self.efforts),
            "cost_us": [round(cost, 2) for cost in self.cost_us],
            "strata": [
                {
                    "beyond": _finite(stratum.beyond),
                    "queries": stratum.queries,
                    "recall": [[round(value, 6) for value in row] for row in stratum.recall],
                    "lower": [[round(value, 6) for value in row] for row in stratum.lower],
                }
                for stratum in self.strata
            ],
            "exact_beyond": _finite(self.exact_beyond),
            "logged": self.logged,
            "by_length": self.by_length,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Curve:
        """Raises StoreCorrupted for anything that `to_json` would not write."""
        try:
            depths, efforts = _rising(told["depths"]), _rising(told["efforts"])
            shape = (len(efforts), len(depths))
            strata = tuple(
                Stratum(
                    -math.inf if one["beyond"] is None else float(one["beyond"]),
                    int(one["queries"]),
                    _shares(one["recall"], shape),
                    _shares(one["lower"], shape),
                )
                for one in told["strata"]
            )
            cost_us = tuple(float(cost) for cost in told["cost_us"])
            beyond = math.inf if told["exact_beyond"] is None else float(told["exact_beyond"])
            if not strata or len(cost_us) != len(efforts) or math.isnan(beyond):
                raise ValueError("its parts do not fit together")
            return cls(depths, efforts, cost_us, strata, beyond, bool(told["logged"]), bool(told["by_length"]))
        except (KeyError, TypeError, ValueError) as exc:
            raise StoreCorrupted(
                f"the recall figures of an index are damaged: {exc!r}. Rebuild the index; the vectors are kept elsewhere."
            ) from exc


def lower_bound(recalls: NDArray[np.float64]) -> float:
    """A one-sided 95 % lower bound of the mean of recalls, each from 0 to 1, shape (queries,).

    Wilson's interval (JASA 1927) for n·p(1 - p)/s² trials: each query counts for as many yes-or-no trials as its recall
    varies less than one. Where all are equal, each counts for one.
    """
    count, mean, variance = len(recalls), float(recalls.mean()), float(recalls.var())
    trials = max(count, count * mean * (1 - mean) / variance) if variance > 0 else float(count)
    part = _Z * _Z / trials
    spread = _Z * math.sqrt(max(0.0, mean * (1 - mean)) / trials + part / (4 * trials))
    return max(0.0, (mean + part / 2 - spread) / (1 + part)) if mean > 0 else 0.0


def _finite(distance: float) -> float | None:
    return distance if math.isfinite(distance) else None


def _rising(values: Any) -> tuple[int, ...]:
    numbers = tuple(int(value) for value in values)
    if not numbers or numbers[0] < 1 or any(a >= b for a, b in pairwise(numbers)):
        raise ValueError(f"{numbers} do not rise")
    return numbers


def _shares(rows: Any, shape: tuple[int, int]) -> Shares:
    found = tuple(tuple(float(value) for value in row) for row in rows)
    if [len(row) for row in found] != [shape[1]] * shape[0] or not all(0 <= v <= 1 for row in found for v in row):
        raise ValueError("its shares are not from 0 to 1, one for each effort and depth")
    return found
