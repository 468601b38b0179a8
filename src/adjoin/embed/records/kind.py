"""What one field of a record becomes: the base of all kinds of fields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Kind(ABC):
    """Reads a field's values, learns from them, and gives each a row of numbers.

    The keyword-only parameters of `__init__` are the options that a schema may give. Missing values never reach a kind: the
    embedder gives them their own signal.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """What to give `__init__` to have this one again, as plain JSON values; those that are not the default's."""

    @abstractmethod
    def read(self, value: Any) -> Any:
        """The value as this kind computes with it; None where it turns out to be missing.

        Raises ValueError that says what is wrong, as a half sentence that follows the field's name.
        """

    def learn(self, values: Sequence[Any], labels: Sequence[Any] | None, folds: Sequence[int]) -> None:  # noqa: B027
        """Learn from values that were read. labels, folds: one for each of them."""

    @abstractmethod
    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        """Shape (len(values), width); len(values) may be 0."""

    @abstractmethod
    def typical(self) -> Any:
        """A value, as JSON can say it, that `read` takes: it stands in the embedder's canary."""

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """What was learned: plain JSON values, and arrays by name."""
        return {}, {}

    def restore(self, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take up what `state` gave."""
        return self


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def number_of(value: Any) -> float:
    """A finite float of a number or of text that is one. Raises ValueError."""
    import math
    from decimal import Decimal
    from fractions import Fraction

    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal | Fraction):
        raise ValueError(f"{shown(value)} is {type(value).__name__}, not a number")
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"{shown(value)} is not a number") from None
    except OverflowError:
        raise ValueError(f"{shown(value)} is too large for a float") from None
    if not math.isfinite(number):
        raise ValueError(f"{shown(value)} is not finite; leave the field out where there is no value")
    return number
