"""Metadata by key rather than by row, so that a filter looks at each distinct value once."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adjoin.forks import renew_in_child
from adjoin.kinds import LIST, MOMENT, NUMBER, TEXT, Canonical, canonical, elements, kind_of, sort_key

Mask = NDArray[np.bool_]
Codes = NDArray[np.int32]

MISSING: Final = -1
ORDERINGS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_FEW_CODES = 3  # up to here comparing the codes beats looking them up


class Column:
    """The values under one key: a code for each row, and each distinct value once.

    codes: shape (rows,), the position of the row's value in `values`, or -1 where the key is missing.
    values: as first seen. Values that no filter can tell apart share a code: 1 and 1.0, or a text in NFC and NFD.
    One thread appends at a time; others may read rows that were complete before.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._codes = _Growing(np.int32)
        self._canonical: list[Canonical] = []
        self._code_of: dict[Canonical, int] = {}
        self._lists_with: dict[Canonical, list[int]] = {}
        self._ordered = {NUMBER: _Ordered(), MOMENT: _Ordered(), TEXT: _Ordered()}
        self._ordered_upto = 0
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")

    @property
    def codes(self) -> Codes:
        return self._codes.view()

    def code(self, value: Any) -> int:
        """The code of a value, a new one if need be. Raises ValueError for a value metadata cannot hold."""
        stand_in = canonical(value)
        code = self._code_of.get(stand_in)
        if code is None:
            code = len(self.values)
            # The value before the ways to it: a reader must not meet a code that `values` has not.
            self.values.append(value)
            self._canonical.append(stand_in)
            for element in dict.fromkeys(elements(stand_in)):
                self._lists_with.setdefault(element, []).append(code)
            self._code_of[stand_in] = code
        return code

    def extend(self, codes: Codes) -> None:
        """Append the codes of further rows."""
        self._codes.extend(codes)

    def where_equal(self, wanted: Iterable[Canonical], rows: int) -> Mask:
        """Rows whose value, or an element of it, is one of these; a missing key equals None. Cost: O(rows)."""
        wanted = list(wanted)
        codes = [self._code_of[one] for one in wanted if one in self._code_of]
        codes += [code for one in wanted for code in self._lists_with.get(one, ())]
        return self._rows_with(codes, rows, missing=None in wanted)

    def where_ordered(self, op: str, bound: Canonical, rows: int) -> Mask:
        """Rows whose value, or an element of it, is of the bound's kind and on the asked side of it."""
        group = self._ordered.get(kind_of(bound) or "")
        if group is None:  # NaN has no order
            return np.zeros(rows, np.bool_)
        with self._lock:
            self._sort_in_new_values()
            codes = group.select(ORDERINGS[op], sort_key(bound), numeric=kind_of(bound) != TEXT)
        return self._rows_with(codes, rows)

    def where_contains(self, wanted: Canonical, rows: int) -> Mask:
        """Rows whose list has the wanted element, or whose text has the wanted text in it."""
        codes = list(self._lists_with.get(wanted, ()))
        if isinstance(wanted, str):
            known = self._canonical[: len(self._canonical)]
            codes += [code for code, text in enumerate(known) if isinstance(text, str) and wanted in text]
        return self._rows_with(codes, rows)

    def where_present(self, rows: int) -> Mask:
        """Rows that have the key."""
        present: Mask = self.padded(rows) != MISSING
        return present

    def _rows_with(self, codes: list[int] | NDArray[np.int64], rows: int, *, missing: bool = False) -> Mask:
        own = self._codes.view(rows)
        if len(codes) <= _FEW_CODES:
            mask = np.zeros(rows, np.bool_)
            for code in codes:
                mask[: len(own)] |= own == code
            if missing:
                mask[: len(own)] |= own == MISSING
        else:
            table = np.zeros(len(self.values) + 1, np.bool_)  # the last place answers for code -1
            table[codes] = True
            table[MISSING] = missing
            mask = np.empty(rows, np.bool_)
            np.take(table, own, out=mask[: len(own)], mode="wrap")
        mask[len(own) :] = missing
        return mask

    def padded(self, rows: int) -> Codes:
        """The codes of the first rows, shape (rows,), with -1 for those that were added without the key."""
        own = self._codes.view(rows)
        return own if len(own) == rows else np.concatenate([own, np.full(rows - len(own), MISSING, np.int32)])

    def _sort_in_new_values(self) -> None:
        upto = len(self._canonical)
        for code in range(self._ordered_upto, upto):
            stand_in = self._canonical[code]
            for one in elements(stand_in) if kind_of(stand_in) == LIST else (stand_in,):
                group = self._ordered.get(kind_of(one) or "")
                if group is not None:
                    group.add(sort_key(one), code)
        self._ordered_upto = upto


class Columns:
    """The columns of a growing run of rows."""

    def __init__(self) -> None:
        self.n = 0
        self._columns: dict[str, Column] = {}

    @classmethod
    def load(cls, n: int, columns: Mapping[str, tuple[Codes, list[Any]]]) -> Columns:
        """From codes and values that were kept: key → (codes of shape (n,), values)."""
        loaded = cls()
        for key, (codes, values) in columns.items():
            column = loaded._columns[key] = Column()
            recoded = np.array([*(column.code(value) for value in values), MISSING], np.int32)
            column.extend(recoded[codes])
        loaded.n = n
        return loaded

    def kept(self) -> dict[str, tuple[Codes, list[Any]]]:
        """What `load` takes: key → (codes of shape (n,), values)."""
        rows = self.n
        return {
            key: (column.padded(rows), column.values[: len(column.values)]) for key, column in self._columns.items()
        }

    def keys(self) -> list[str]:
        return list(self._columns)

    def get(self, key: str) -> Column | None:
        """The column of a key, or None where no row has it. It may be shorter than `n`: the rest lack the key."""
        return self._columns.get(key)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows at the end. Either all are added or, on ValueError for a value of no known kind, none."""
        added = 0
        fresh: dict[str, tuple[list[int], list[int]]] = {}
        for row in rows:
            for key, value in row.items():
                places, codes = fresh.setdefault(key, ([], []))
                places.append(added)
                column = self._columns.get(key)
                if column is None:
                    column = self._columns[key] = Column()
                codes.append(column.code(value))
            added += 1
        for key, (places, codes) in fresh.items():
            column = self._columns[key]
            block = np.full(self.n + places[-1] + 1 - len(column.codes), MISSING, np.int32)
            block[np.array(places) + (self.n - len(column.codes))] = codes
            column.extend(block)
        # Last, so that a reader who sees n sees every code below it.
        self.n += added


class _Growing:
    """An array that grows at its end; what was published is never written again."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._held: tuple[NDArray[Any], int] = (np.empty(0, dtype), 0)

    def extend(self, more: NDArray[Any]) -> None:
        array, length = self._held
        if length + len(more) > len(array):
            grown = np.empty(max(2 * len(array), length + len(more), 16), array.dtype)
            grown[:length] = array[:length]
            array = grown
        array[length : length + len(more)] = more
        self._held = (array, length + len(more))

    def view(self, most: int | None = None) -> NDArray[Any]:
        array, length = self._held
        return array[: length if most is None else min(length, most)]


class _Ordered:
    """Values of one kind that can be ordered, with the codes they stand in."""

    def __init__(self) -> None:
        self._exact: list[Any] = []
        self._codes = _Growing(np.int64)
        self._near = _Growing(np.float64)
        self._fresh: list[int] = []

    def add(self, value: Any, code: int) -> None:
        self._exact.append(value)
        self._fresh.append(code)

    def select(self, compare: Callable[[Any, Any], Any], bound: Any, *, numeric: bool) -> NDArray[np.int64]:
        """The codes whose value compares so to the bound, exactly as Python compares them."""
        if self._fresh:
            fresh = self._exact[-len(self._fresh) :]
            self._near.extend(np.array([_nearest_float(one) for one in fresh] if numeric else [], np.float64))
            self._codes.extend(np.array(self._fresh, np.int64))
            self._fresh = []
        codes: NDArray[np.int64] = self._codes.view()
        if not numeric:
            return codes[np.fromiter((compare(one, bound) for one in self._exact), np.bool_, len(codes))]
        near = self._near.view()
        rounded = _nearest_float(bound)
        chosen: Mask = compare(near, rounded)
        # Rounding keeps order, so only where both round to one float can the exact comparison differ.
        for place in np.flatnonzero(near == rounded):
            chosen[place] = compare(self._exact[place], bound)
        return codes[chosen]


def _nearest_float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return np.inf if number > 0 else -np.inf
