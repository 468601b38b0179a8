"""Columns of several segments made one, without going back to rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adjoin.columns import MISSING, Mask
from adjoin.kinds import Canonical
from adjoin.sealed.column import SealedColumn
from adjoin.sealed.terms import Terms

Coded = tuple[Terms, NDArray[np.int64], NDArray[Any]]  # terms, rows as numbered in the merger, the term of each row


class Place:
    """Where the rows of one part go.

    kept: how many of them are kept.
    """

    def __init__(self, first: int, n: int, mask: Mask | None) -> None:
        if mask is not None and (mask.shape != (n,) or mask.dtype != np.bool_):
            raise ValueError(f"a mask of shape {mask.shape} and {mask.dtype} is not for {n} rows")
        self._first = first
        self._mask = mask
        self._numbers = None if mask is None else np.cumsum(mask) - 1
        self.kept = n if mask is None else int(np.count_nonzero(mask))

    def coded(self, column: SealedColumn) -> Coded:
        """The rows that have the key and are kept."""
        if column.present is None:
            return column.terms, *self.coded_rows(column.codes)
        return column.terms, *self._renumbered(column.present.astype(np.int64), column.codes)

    def coded_rows(self, codes: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """The rows that have a code and are kept, as numbered in the merger, and their codes.

        codes: one for each row of the part, -1 where there is none.
        """
        rows = np.flatnonzero(codes != MISSING)
        return self._renumbered(rows, codes[rows] if len(rows) < len(codes) else codes)

    def _renumbered(self, rows: NDArray[np.int64], codes: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        if self._mask is None or self._numbers is None:
            return rows + self._first, codes
        keep = self._mask[rows]
        return self._numbers[rows[keep]] + self._first, codes[keep]


def placed(parts: Sequence[tuple[int, Mask | None]]) -> list[Place]:
    """parts: how many rows each has, and which of them are kept. Raises ValueError for a mask of another shape."""
    places: list[Place] = []
    first = 0
    for n, mask in parts:
        places.append(Place(first, n, mask))
        first += places[-1].kept
    return places


def merge_columns(n: int, parts: Sequence[tuple[SealedColumn, Place]]) -> SealedColumn | None:
    """One key of n rows in all; None when no row that is kept has it."""
    coded = [place.coded(column) for column, place in parts]
    coded = [part for part in coded if len(part[1])]
    if not coded:
        return None
    rows = np.concatenate([rows for _, rows, _ in coded]).astype(np.uint32)
    dtypes = {terms.plain_dtype for terms, _, _ in coded}
    if len(dtypes) == 1 and None not in dtypes:
        return _merged_arrays(n, rows, coded)
    code_of: dict[Canonical, int] = {}
    codes = []
    for terms, _, own in coded:
        recoded = np.full(terms.size, -1, np.int64)
        for term in _used(terms, own).tolist():
            recoded[term] = code_of.setdefault(terms.stand_in(term), len(code_of))
        codes.append(recoded[own])
    return SealedColumn.of(n, rows, np.concatenate(codes), list(code_of))


def _merged_arrays(n: int, rows: NDArray[np.uint32], coded: Sequence[Coded]) -> SealedColumn:
    """Where all terms are numbers of one type, or moments: no value becomes a Python object."""
    found = np.sort(np.concatenate([terms.plain_array[_used(terms, own)] for terms, _, own in coded]))
    found = found[np.concatenate(([True], found[1:] != found[:-1]))]
    codes = np.concatenate([found.searchsorted(terms.plain_array)[own] for terms, _, own in coded])
    return SealedColumn.assembled(n, rows, codes, coded[0][0].with_plain(found))


def _used(terms: Terms, codes: NDArray[Any]) -> NDArray[np.int64]:
    return np.flatnonzero(np.bincount(codes, minlength=terms.size))
