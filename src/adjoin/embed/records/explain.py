"""Why two records are near or far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from adjoin.embed.records.schema import html_table, table


@dataclass(frozen=True, slots=True)
class Contribution:
    """One field's part in the distance of two records.

    squared: what the field adds to the squared distance. share: of the whole, in [0, 1]; 0 where the whole is 0.
    a, b: the two values; None where there was none.
    """

    field: str
    squared: float
    share: float
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Explanation:
    """The squared Euclidean distance of two records, field by field, the greatest part first.

    The parts add up to `squared_distance`, which is that of the two vectors. Prints as a table, shows as one in a notebook.
    """

    contributions: tuple[Contribution, ...]

    @property
    def squared_distance(self) -> float:
        return sum(one.squared for one in self.contributions)

    @property
    def distance(self) -> float:
        root: float = self.squared_distance**0.5
        return root

    def __getitem__(self, field: str) -> float:
        """What the field adds to the squared distance. Raises KeyError."""
        for one in self.contributions:
            if one.field == field:
                return one.squared
        raise KeyError(field)

    def __iter__(self) -> Iterator[Contribution]:
        return iter(self.contributions)

    def __len__(self) -> int:
        return len(self.contributions)

    def to_dict(self) -> dict[str, float]:
        """Field → what it adds to the squared distance."""
        return {one.field: one.squared for one in self.contributions}

    _NAMES: ClassVar[tuple[str, ...]] = ("field", "squared", "share", "a", "b")

    def _lines(self) -> list[tuple[str, ...]]:
        lines = [
            (one.field, f"{one.squared:.4f}", f"{one.share:.1%}", _short(one.a), _short(one.b))
            for one in self.contributions
        ]
        return [*lines, ("all", f"{self.squared_distance:.4f}", "", "", "")]

    def __str__(self) -> str:
        return f"distance {self.distance:.4f}\n{table(self._NAMES, self._lines())}"

    def _repr_html_(self) -> str:
        return f"<p>distance {self.distance:.4f}</p>{html_table(self._NAMES, self._lines())}"


def _short(value: Any) -> str:
    text = "–" if value is None else " ".join(str(value).split())
    return text if len(text) <= 32 else text[:31] + "…"
