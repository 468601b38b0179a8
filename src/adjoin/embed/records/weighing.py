"""Weights of fields by labels: how much each field should count so that neighbours have the same label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.records.categories import targets_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

FACTORS: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
MOST_ROWS: Final = 800
LEAST_ROWS: Final = 40
PARTS: Final = 20
NEIGHBOURS: Final = 10
PASSES: Final = 3
WORTH: Final = 0.005
"""A weight is changed only where the error falls by this share, so that chance decides little."""


def factors_by_labels(blocks: Mapping[str, Array], labels: Sequence[Any]) -> dict[str, float]:
    """Field → what to multiply its weight with, one of FACTORS; all 1 where there are fewer than LEAST_ROWS records.

    blocks: field → its columns, (n, width). The error is that of the mean label of the nearest records (the Brier score of classes,
    the squared error of numbers), field after field tried with each factor, up to PASSES times. Records are cut into PARTS runs in
    their order, and neighbours are taken from other runs: what stands side by side, such as two hours of a day, may not vouch for
    each other.
    Cost: O(fields · MOST_ROWS²); of more records, MOST_ROWS at even steps are looked at.
    """
    import numpy as np

    factors = dict.fromkeys(blocks, 1.0)
    if len(labels) < LEAST_ROWS:
        return factors
    rows = np.unique(np.linspace(0, len(labels) - 1, min(MOST_ROWS, len(labels))).astype(int))
    targets = targets_of(labels)[rows]
    parts = np.arange(len(rows)) * PARTS // len(rows)
    apart = np.where(parts[:, None] == parts[None, :], np.inf, 0.0).astype(np.float32)
    squares = {name: _squares(block[rows]) for name, block in blocks.items()}

    def error(distances: Array) -> float:
        near = np.argpartition(distances + apart, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        return float(((targets[near].mean(axis=1) - targets) ** 2).sum())

    total = np.sum(list(squares.values()), axis=0)
    least = error(total)
    for _ in range(PASSES):
        before = least
        for name, added in squares.items():
            others = total - factors[name] * added
            tried = {factor: error(others + factor * added) for factor in FACTORS if factor != factors[name]}
            best = min(tried, key=lambda factor: (tried[factor], factor))
            if tried[best] < least * (1 - WORTH) and (best or any(f for one, f in factors.items() if one != name)):
                factors[name], least = best, tried[best]
                total = others + best * added
        if least == before:
            break
    return factors


def _squares(block: Array) -> Array:
    """Squared distances of all pairs, (n, n)."""
    import numpy as np

    given = block.astype(np.float64)
    lengths = (given**2).sum(axis=1)
    found = lengths[:, None] + lengths[None, :] - 2 * given @ given.T
    return np.asarray(np.maximum(found, 0), np.float32)
