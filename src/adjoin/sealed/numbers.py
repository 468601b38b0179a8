"""Sorted numbers of any size, found exactly."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_INT64 = range(-(2**63), 2**63)


class Numbers:
    """Distinct numbers in ascending order.

    near: int64 when all are whole and fit; else float64, the nearest to each, whole or not.
    exact: the ints that no float64 equals, by their place in `near`.
    """

    def __init__(self, near: NDArray[Any], exact: Mapping[int, int]) -> None:
        self.near = near
        self.exact = exact
        self._is_whole = near.dtype.kind == "i"

    @classmethod
    def of(cls, numbers: Sequence[int | float]) -> Numbers:
        are_whole = bool(numbers) and all(type(one) is int for one in numbers)
        if are_whole and numbers[0] in _INT64 and numbers[-1] in _INT64:
            return cls(np.array(numbers, "<i8"), {})
        near = np.fromiter(map(nearest_float, numbers), "<f8", len(numbers))
        rounded = zip(numbers, near.tolist(), strict=True)
        return cls(near, {i: int(one) for i, (one, float_) in enumerate(rounded) if one != float_})

    def __len__(self) -> int:
        return len(self.near)

    def __getitem__(self, i: int) -> int | float:
        exact = self.exact.get(i) if self.exact else None
        return self.near.item(i) if exact is None else exact

    def lower(self, wanted: Any) -> int:
        """How many numbers are less than this one."""
        if self._is_whole:
            if wanted > _INT64[-1] or wanted < _INT64[0]:
                return len(self) if wanted > 0 else 0
            return int(self.near.searchsorted(math.ceil(wanted)))
        rounded = nearest_float(wanted)
        place = int(self.near.searchsorted(rounded))
        if not self.exact:  # all are floats
            return place + (place < len(self) and self.near.item(place) == rounded and rounded < wanted)
        # Rounding keeps order, so only where both round to one float can the exact comparison differ.
        return bisect_left(self, wanted, place, int(self.near.searchsorted(rounded, side="right")))

    def find(self, wanted: Any) -> int:
        """The place of this number, or -1."""
        place = self.lower(wanted)
        return place if place < len(self) and self[place] == wanted else -1

    def exact_json(self) -> bytes:
        return json.dumps([hex(one) for one in self.exact.values()]).encode() if self.exact else b""


def read_exact(places: NDArray[Any], said: bytes) -> dict[int, int]:
    """What `exact_json` wrote. Raises ValueError when it is not that."""
    try:
        numbers = [int(one, 16) for one in json.loads(said)] if said else []
    except (TypeError, RecursionError) as exc:
        raise ValueError("its large integers cannot be read") from exc
    return dict(zip(places.tolist(), numbers, strict=True))


def nearest_float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
