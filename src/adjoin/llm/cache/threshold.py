"""How near two questions must be: learned from pairs of which it is known whether one answer serves both.

The threshold is the lowest at which the share of wrong hits stays under the budget with 95 % confidence: thresholds are tried
from the highest downwards, each by the exact upper bound of Clopper and Pearson (Biometrika 1934), and the first that fails
ends it. Because the order is fixed beforehand, the confidence holds for the chosen one: fixed-sequence testing, as in
"Learn then Test" (Angelopoulos, Bates, Candès, Jordan and Lei, 2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

CONFIDENCE: Final = 0.95
OFF: Final = 2.0
"""A threshold that no cosine reaches: exact hits alone."""

SHIPPED: Final[tuple[tuple[float, float], ...]] = ((0.003, 0.62),)
"""(budget, threshold) for the default model, from the training half of benchmarks/cache.py: of 1,162 pairs that the guards let pass
none was wrong, which with 95 % confidence is less than 0.26 %. The nearness matters little once the words are equal."""
UNKNOWN_MODEL: Final = 0.75
"""For a model whose cosines were never measured, until pairs are learned."""
STEP: Final = 0.005

Source = Literal["shipped", "unmeasured", "learned", "tightened", "off"]


class Label(NamedTuple):
    """A pair that the guards let pass: its cosine, and whether one answer serves both."""

    score: float
    same: bool


class Threshold(NamedTuple):
    """value: the least cosine of a hit. source: where it is from. wrong, judged: of the labels at or above it.
    bound: the share of wrong hits is at most this, with 95 % confidence, where labels tell."""

    value: float
    source: Source
    wrong: int = 0
    judged: int = 0
    bound: float = 1.0


def shipped(budget: float, *, default_model: bool) -> Threshold:
    """Before any label: measured for the default model, cautious for others, off for a budget below all that was measured."""
    fitting = [value for known, value in SHIPPED if known <= budget + 1e-12]
    if not fitting:
        return Threshold(OFF, "off")
    if not default_model:
        return Threshold(UNKNOWN_MODEL, "unmeasured")
    return Threshold(fitting[-1], "shipped")


def choose(labels: Iterable[Label], budget: float, start: Threshold) -> Threshold:
    """The threshold that the labels allow; `start` while they are too few to tell, raised where they speak against it."""
    ordered = sorted(labels, reverse=True)
    learned = _lowest(ordered, budget)
    if learned is not None:
        return learned
    value, source = start.value, start.source
    while value < 1.0:
        wrong, judged = _above(ordered, value)
        if not judged or lower_bound(wrong, judged) <= budget:
            break
        value, source = min(1.0, value + STEP), "tightened"
    wrong, judged = _above(ordered, value)
    if judged and wrong and lower_bound(wrong, judged) > budget:
        return Threshold(OFF, "tightened", wrong, judged, upper_bound(wrong, judged))
    return Threshold(value, source, wrong, judged, upper_bound(wrong, judged))


def _lowest(ordered: Sequence[Label], budget: float) -> Threshold | None:
    """The lowest threshold of the grid whose bound is within the budget, where enough labels are above it to say so."""
    found = None
    tried = math.ceil(1.0 / STEP)
    while tried >= 0:
        value = round(tried * STEP, 6)
        wrong, judged = _above(ordered, value)
        bound = upper_bound(wrong, judged)
        if bound <= budget:
            found = Threshold(value, "learned", wrong, judged, bound)
        elif found is not None or lower_bound(wrong, judged) > budget:
            break
        if judged == len(ordered) and found is None:
            break
        if judged == len(ordered):
            break
        tried -= 1
    return found


def _above(ordered: Sequence[Label], value: float) -> tuple[int, int]:
    judged = [label for label in ordered if label.score >= value - 1e-9]
    return sum(not label.same for label in judged), len(judged)


def upper_bound(wrong: int, judged: int, confidence: float = CONFIDENCE) -> float:
    """At most this share is wrong, by Clopper and Pearson, one-sided. 1.0 for nothing judged."""
    if judged == 0 or wrong >= judged:
        return 1.0
    return _solve(lambda p: _at_most(wrong, judged, p) > 1 - confidence)


def lower_bound(wrong: int, judged: int, confidence: float = CONFIDENCE) -> float:
    """At least this share is wrong, one-sided. 0.0 for nothing wrong."""
    if wrong == 0 or judged == 0:
        return 0.0
    return _solve(lambda p: 1 - _at_most(wrong - 1, judged, p) < 1 - confidence)


def _solve(holds: object) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if holds(middle):  # type: ignore[operator]
            low = middle
        else:
            high = middle
    return high


def _at_most(wrong: int, judged: int, p: float) -> float:
    """The chance of at most so many wrong."""
    if p <= 0:
        return 1.0
    if p >= 1:
        return float(wrong >= judged)
    whole = math.lgamma(judged + 1)
    return min(1.0, math.fsum(
        math.exp(
            whole - math.lgamma(k + 1) - math.lgamma(judged - k + 1) + k * math.log(p) + (judged - k) * math.log1p(-p)
        )
        for k in range(wrong + 1)
    ))  # fmt: skip
