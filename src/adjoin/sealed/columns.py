"""The metadata of a sealed segment by key, in memory or mapped from a file."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adjoin.columns import Mask
from adjoin.conditions import Filter
from adjoin.errors import AdjoinError
from adjoin.kinds import Canonical, canonical
from adjoin.sealed import layout
from adjoin.sealed.answer import Answer, answer
from adjoin.sealed.column import Counted, Rows, SealedColumn
from adjoin.sealed.kept import kept, restored

_MOST_ROWS = 2**31 - 1


class SealedColumns:
    """The columns of rows that never change. Several threads may read.

    n: how many rows.
    """

    def __init__(self, n: int, columns: Mapping[str, SealedColumn | Callable[[], SealedColumn]]) -> None:
        """columns: of each key its column, or what reads it when it is first used."""
        if n > _MOST_ROWS:
            raise ValueError(f"{n} rows are more than a segment's {_MOST_ROWS}")
        self.n = n
        self._columns = dict(columns)

    @classmethod
    def build(cls, rows: Iterable[Mapping[str, Any]]) -> SealedColumns:
        """Of rows that stream by. Holds a code for each value, and each distinct value once.

        Raises ValueError for a value that metadata cannot hold.
        """
        gathered: dict[str, _Gathered] = {}
        n = 0
        for row in rows:
            for key, value in row.items():
                found = gathered.get(key)
                if found is None:
                    found = gathered[key] = _Gathered()
                found.add(n, value)
            n += 1
        return cls(n, {key: gathered.pop(key).sealed(n) for key in list(gathered)})

    @classmethod
    def merge(cls, parts: Sequence[tuple[SealedColumns, Mask | None]]) -> SealedColumns:
        """The rows of all parts, one part after the other, where the part's mask is true; None keeps all.

        Cost: O(rows) array steps a key and part, and one look at each distinct value.
        """
        kept_parts = [_Part(columns, mask) for columns, mask in parts]
        n = 0
        for part in kept_parts:
            part.first = n
            n += part.n
        keys = dict.fromkeys(chain.from_iterable(columns.keys() for columns, _ in parts))
        merged = ((key, _merged(n, kept_parts, key)) for key in keys)
        return cls(n, {key: column for key, column in merged if column is not None})

    def save(self, path: Path) -> None:
        """Write the file at `path`; whoever calls syncs it, and puts it in its place."""
        columns = ((key, self._column(key)) for key in self._columns)
        layout.write(path, self.n, ((key, *kept(column)) for key, column in columns))

    @classmethod
    def load(cls, path: Path) -> SealedColumns:
        """Map a saved file, which must stay as it is as long as the columns are used.

        Raises ValueError when the file is not one of columns, or is damaged: here for its head and length, and on the
        first use of a key for what belongs to the key.
        """
        head = layout.read_head(path)

        def reader(key: str, place: layout.Place) -> Callable[[], SealedColumn]:
            return lambda: _read(path, head, key, place)

        return cls(head.rows, {key: reader(key, place) for key, place in head.places.items()})

    def keys(self) -> list[str]:
        """The keys that any row has, as first seen."""
        return list(self._columns)

    def get(self, key: str) -> SealedColumn | None:
        """The column of a key, or None where no row has it. Raises ValueError when its part of the file is damaged."""
        found = self._columns.get(key)
        return found if found is None or isinstance(found, SealedColumn) else self._column(key)

    def row(self, i: int) -> dict[str, Any]:
        """The metadata of one row, equal in the language of filters to what it was built from."""
        if not 0 <= i < self.n:
            raise IndexError(f"there is no row {i} of {self.n}")
        coded = ((key, column, column.code(i)) for key in self._columns for column in (self._column(key),))
        return {key: column.terms.value(code) for key, column, code in coded if code >= 0}

    def answer(self, condition: Filter) -> Answer:
        """What a filter means here, for those who count first and then ask for rows."""
        return answer(self, condition)

    def count(self, condition: Filter) -> Counted:
        """How many rows match: exactly, or between two bounds. Cost: a look-up for each operand, no pass over rows."""
        return answer(self, condition).count()

    def mask(self, condition: Filter) -> Mask:
        """Which rows match: shape (n,)."""
        return answer(self, condition).mask()

    def rows(self, condition: Filter) -> Rows:
        """The numbers of the rows that match, ascending."""
        return answer(self, condition).rows()

    def _column(self, key: str) -> SealedColumn:
        found = self._columns[key]
        if not isinstance(found, SealedColumn):
            found = self._columns[key] = found()
        return found


def _read(path: Path, head: layout.Head, key: str, place: layout.Place) -> SealedColumn:
    content = head.body[place.offset : place.offset + place.size_bytes]
    try:
        return restored(head.rows, *layout.read_section(content, place.checksum))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, AdjoinError) as exc:
        raise ValueError(f"the section of {key!r} in {path} is damaged: {exc}") from exc


class _Gathered:
    """The values of one key while rows stream by."""

    def __init__(self) -> None:
        self._rows = array("I")
        self._codes = array("i")
        self._code_of: dict[Canonical, int] = {}

    def add(self, row: int, value: Any) -> None:
        stand_in = canonical(value)
        self._codes.append(self._code_of.setdefault(stand_in, len(self._code_of)))
        self._rows.append(row)

    def sealed(self, n: int) -> SealedColumn:
        rows, codes = np.array(self._rows, np.uint32), np.array(self._codes, np.int64)
        return SealedColumn.of(n, rows, codes, list(self._code_of))


class _Part:
    """A part of a merger: which of its rows are kept, and where they go."""

    def __init__(self, columns: SealedColumns, mask: Mask | None) -> None:
        if mask is not None and mask.shape != (columns.n,):
            raise ValueError(f"a mask of shape {mask.shape} is not for {columns.n} rows")
        self.columns = columns
        self.n = columns.n if mask is None else int(np.count_nonzero(mask))
        self.first = 0
        self._mask = mask
        self._places = None if mask is None else np.cumsum(mask) - 1

    def coded(self, column: SealedColumn) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """The rows that have the key and are kept, as numbered in the merger, and the term of each."""
        if column.present is None:
            rows = np.flatnonzero(column.codes >= 0)
            codes = column.codes[rows] if column.has_missing else column.codes
        else:
            rows, codes = column.present.astype(np.int64), column.codes
        if self._mask is not None and self._places is not None:
            keep = self._mask[rows]
            rows, codes = self._places[rows[keep]], codes[keep]
        return rows + self.first, codes


def _merged(n: int, parts: Sequence[_Part], key: str) -> SealedColumn | None:
    code_of: dict[Canonical, int] = {}
    all_rows, all_codes = [], []
    for part in parts:
        column = part.columns.get(key)
        if column is None:
            continue
        rows, codes = part.coded(column)
        recoded = np.full(column.terms.size, -1, np.int64)
        for term in np.flatnonzero(np.bincount(codes, minlength=column.terms.size)).tolist():
            recoded[term] = code_of.setdefault(column.terms.stand_in(term), len(code_of))
        all_rows.append(rows)
        all_codes.append(recoded[codes])
    if not code_of:
        return None
    return SealedColumn.of(n, np.concatenate(all_rows).astype(np.uint32), np.concatenate(all_codes), list(code_of))
