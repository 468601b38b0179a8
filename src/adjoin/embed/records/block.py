"""One field's columns in the vector of a record: centred, scaled, and with a signal for what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from adjoin.embed.records.fields import Ignored
from adjoin.embed.records.kind import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Block:
    """One field's columns in the vector: what its kind gives, around its mean, and a last one that says it is missing.

    What is missing stands at the mean, and its signal is as long as a known value lies from the mean on average (root mean
    square). So a missing value is as far from the known ones as they are from each other on average.
    """

    def __init__(self, kind: Kind, weight: float, start: int = 0) -> None:
        self.kind, self.weight, self.start = kind, weight, start
        self.mean: NDArray[Any] | None = None
        self.signal = 1.0
        self.scale = 1.0

    @property
    def width(self) -> int:
        assert self.mean is not None
        return 0 if isinstance(self.kind, Ignored) else len(self.mean) + 1

    @property
    def columns(self) -> slice:
        return slice(self.start, self.start + self.width)

    def learn(self, values: Sequence[Any], labels: Sequence[Any] | None, folds: Sequence[int]) -> None:
        """values: as read, None where there is none. The scale makes the mean squared distance of two records 1 in this block.

        Of n records, that is twice the variance summed over the columns; a field that is the same in all keeps its own scale.
        """
        import numpy as np

        known = [place for place, value in enumerate(values) if value is not None]
        given = [values[place] for place in known]
        its_folds = [folds[place] for place in known]
        self.kind.learn(given, None if labels is None else [labels[place] for place in known], its_folds)
        rows = self.kind.rows(given, its_folds)
        self.mean = np.asarray(rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1]), np.float64)
        variance = float(rows.var(axis=0).sum()) if len(rows) else 0.0
        share = len(known) / len(values)
        self.signal = variance**0.5 or 1.0
        total = share * variance + self.signal**2 * share * (1 - share)
        self.scale = float((2 * (total if total > 1e-18 else 1.0)) ** -0.5)

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> NDArray[Any]:
        """Shape (len(values), width)."""
        import numpy as np

        assert self.mean is not None
        known = [place for place, value in enumerate(values) if value is not None]
        found = np.zeros((len(values), len(self.mean) + 1))
        found[:, -1] = self.signal
        if known:
            rows = self.kind.rows([values[place] for place in known], [folds[place] for place in known])
            found[known, :-1] = rows - self.mean
            found[known, -1] = 0.0
        scaled: NDArray[Any] = found[:, : self.width] * (self.scale * self.weight**0.5)
        return scaled
