"""The metadata of a sealed segment by key, in memory or mapped from a file."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any, Final

import numpy as np

from adjoin.columns import Columns, Mask
from adjoin.conditions import Filter
from adjoin.errors import AdjoinError
from adjoin.kinds import Canonical, canonical
from adjoin.sealed import layout
from adjoin.sealed.answer import Answer, answer
from adjoin.sealed.column import Counted, Rows, SealedColumn
from adjoin.sealed.kept import kept, restored
from adjoin.sealed.merging import merge_columns, placed

_MOST_ROWS: Final = 2**31 - 1
_ROWS_AT_ONCE: Final = 4_096


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
        gathered: defaultdict[str, _Gathered] = defaultdict(_Gathered)
        n = 0
        for row in rows:
            for key, value in row.items():
                found = gathered[key]
                found.rows.append(n)
                found.values.append(value)
            n += 1
            if n % _ROWS_AT_ONCE == 0:
                for found in gathered.values():
                    found.code_values()
        return cls(n, {key: gathered.pop(key).sealed(n) for key in list(gathered)})

    @classmethod
    def seal(cls, columns: Columns, mask: Mask | None = None) -> SealedColumns:
        """The rows of growing columns where the mask is true; None keeps all.

        mask: shape (rows,); rows beyond it, which were added since, are left out.
        """
        rows = columns.n if mask is None else len(mask)
        (place,) = placed([(rows, mask)])
        sealed = {}
        for key in columns.keys():  # noqa: SIM118
            column = columns.get(key)
            assert column is not None
            numbers, codes = place.coded_rows(column.padded(rows))
            if len(numbers):
                used = np.flatnonzero(np.bincount(codes))
                stand_ins = [canonical(column.values[code]) for code in used.tolist()]
                own = np.searchsorted(used, codes)
                sealed[key] = SealedColumn.of(place.kept, numbers.astype(np.uint32), own, stand_ins)
        return cls(place.kept, sealed)

    @classmethod
    def merge(cls, parts: Sequence[tuple[SealedColumns, Mask | None]]) -> SealedColumns:
        """The rows of all parts, one part after the other, where the part's mask is true; None keeps all.

        Cost: O(rows) array steps a key and part, and one look at each distinct value.
        """
        places = placed([(columns.n, mask) for columns, mask in parts])
        n = sum(place.kept for place in places)
        merged = {}
        for key in dict.fromkeys(chain.from_iterable(columns.keys() for columns, _ in parts)):
            found = [(columns.get(key), place) for (columns, _), place in zip(parts, places, strict=True)]
            merged[key] = merge_columns(n, [(column, place) for column, place in found if column is not None])
        return cls(n, {key: column for key, column in merged.items() if column is not None})

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
        return cls(head.rows, {key: partial(_read, path, head, key) for key in head.places})

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


def _read(path: Path, head: layout.Head, key: str) -> SealedColumn:
    place = head.places[key]
    content = head.body[place.offset : place.offset + place.size_bytes]
    try:
        return restored(head.rows, *layout.read_section(content, place.checksum))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, AdjoinError) as exc:
        raise ValueError(f"the section of {key!r} in {path} is damaged: {exc}") from exc


class _Gathered:
    """The values of one key while rows stream by.

    rows: those that have the key.
    values: the newest of theirs, not yet coded.
    """

    def __init__(self) -> None:
        self.rows = array("I")
        self.values: list[Any] = []
        self._codes = array("i")
        self._code_of: defaultdict[Canonical, int] = defaultdict(count().__next__)

    def code_values(self) -> None:
        self._codes.extend(map(self._code_of.__getitem__, map(canonical, self.values)))
        self.values.clear()

    def sealed(self, n: int) -> SealedColumn:
        self.code_values()
        rows, codes = np.array(self.rows, np.uint32), np.array(self._codes, np.int64)
        return SealedColumn.of(n, rows, codes, list(self._code_of))
