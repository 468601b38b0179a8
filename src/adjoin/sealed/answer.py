"""What a whole filter means for sealed columns: how many rows, which of them, or which among some.

Conditions on one key are put together as spans of its terms before any row is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from adjoin.columns import Mask
from adjoin.conditions import And, Compare, Filter, Not, Or
from adjoin.sealed.chosen import Chosen
from adjoin.sealed.column import SMALL, SORT_UPTO, Counted, Rows, SealedColumn, numbers_of, sorted_once
from adjoin.sealed.texts import to_bytes

_TEST_UPTO: Final = 8  # up to 1/8 of the rows, testing these beats another mask
_CHEAP_SEARCH_BYTES: Final = 16_384  # so much text is searched while counting
_LOOKED_INTO: Final = 1_000  # up to so many rows, looking into the text of each beats searching all texts


class _Columns(Protocol):
    @property
    def n(self) -> int: ...

    def get(self, key: str) -> SealedColumn | None: ...


class Answer:
    """The rows that match a filter, worked out as far as is asked.

    n: rows of the columns.
    """

    n: int

    @property
    def is_cheap(self) -> bool:
        """Whether finding the rows costs no search through texts."""
        return True

    def count(self) -> Counted:
        """How many rows match: exactly for conditions on one key, lists and searched texts aside; else bounds.

        Cheap: no pass over rows or texts.
        """
        raise NotImplementedError

    def mask(self) -> Mask:
        """Which rows match: shape (n,)."""
        raise NotImplementedError

    def rows(self) -> Rows:
        """The numbers of the rows that match, ascending."""
        return numbers_of(self.mask())

    def among(self, rows: Rows) -> Mask:
        """Which of these rows match, in their order; they ascend."""
        raise NotImplementedError


def answer(columns: _Columns, condition: Filter) -> Answer:
    """Cost: a look-up for each operand; no row is touched."""
    if isinstance(condition, Compare):
        return _compared(columns, condition)
    if isinstance(condition, Not):
        return _negated(answer(columns, condition.part))
    if isinstance(condition, And | Or):
        parts = [answer(columns, part) for part in condition.parts]
        return _joined(columns.n, parts, is_and=isinstance(condition, And))
    raise TypeError(f"a filter of the unknown class {type(condition).__name__}")


def _compared(columns: _Columns, condition: Compare) -> Answer:
    column = columns.get(condition.key)
    if column is None:
        return _Constant(columns.n, condition.matches({}))
    is_text_search = condition.op == "$contains" and isinstance(condition.wanted, str)
    if is_text_search and len(column.terms.texts.content) > _CHEAP_SEARCH_BYTES:
        return _TextSearch(column, condition)
    return _Meant(column, condition.ask(column.terms, columns.n))


def _negated(part: Answer) -> Answer:
    if isinstance(part, _Constant):
        return _Constant(part.n, not part.holds)
    if isinstance(part, _Meant) and not part.chosen.inside:
        return _Meant(part.column, ~part.chosen)
    return part.part if isinstance(part, _Negated) else _Negated(part)


def _joined(n: int, parts: Sequence[Answer], *, is_and: bool) -> Answer:
    rest: list[Answer] = []
    meant: dict[int, _Meant] = {}
    for part in parts:
        if isinstance(part, _Constant):
            if part.holds is not is_and:  # it decides
                return part
        elif isinstance(part, _Meant) and not (is_and and part.chosen.inside):
            known = meant.get(id(part.column))
            if known is not None:
                both = known.chosen.meet(part.chosen) if is_and else known.chosen.join(part.chosen)
                part = _Meant(part.column, both)
            meant[id(part.column)] = part
        else:
            rest.append(part)
    rest += meant.values()
    if len(rest) < 2:
        return rest[0] if rest else _Constant(n, is_and)
    return _All(n, rest) if is_and else _Any(n, rest)


class _Constant(Answer):
    def __init__(self, n: int, holds: bool) -> None:
        self.n, self.holds = n, holds

    def count(self) -> Counted:
        return _exactly(self.n if self.holds else 0)

    def mask(self) -> Mask:
        return np.full(self.n, self.holds)

    def rows(self) -> Rows:
        return np.arange(self.n if self.holds else 0)

    def among(self, rows: Rows) -> Mask:
        return np.full(len(rows), self.holds)


class _Meant(Answer):
    """Terms of one key."""

    def __init__(self, column: SealedColumn, chosen: Chosen) -> None:
        self.n, self.column, self.chosen = column.n, column, chosen

    def count(self) -> Counted:
        return self.column.count(self.chosen)

    def mask(self) -> Mask:
        return self.column.mask(self.chosen)

    def rows(self) -> Rows:
        return self.column.rows(self.chosen)

    def among(self, rows: Rows) -> Mask:
        return self.column.among(rows, self.chosen)


class _TextSearch(Answer):
    """A text in many texts: they are searched only when rows are asked for."""

    def __init__(self, column: SealedColumn, condition: Compare) -> None:
        self.n, self._column, self._condition = column.n, column, condition
        self._wanted = to_bytes(str(condition.wanted))
        self._searched: _Meant | None = None

    @property
    def is_cheap(self) -> bool:
        return self._searched is not None

    def _meant(self) -> _Meant:
        if self._searched is None:
            self._searched = _Meant(self._column, self._condition.ask(self._column.terms, self.n))
        return self._searched

    def count(self) -> Counted:
        if self._searched is not None:
            return self._searched.count()
        terms = self._column.terms
        inside = self._column.count(self._as_element()).low
        texts = self._column.count(Chosen(terms.size, ((terms.first_text, terms.first_nested),))).low
        share = terms.texts.share_containing(self._wanted)
        return Counted(inside, inside + texts, inside + round(texts * share))

    def mask(self) -> Mask:
        return self._meant().mask()

    def rows(self) -> Rows:
        return self._meant().rows()

    def among(self, rows: Rows) -> Mask:
        if self._searched is not None or len(rows) > _LOOKED_INTO:
            return self._meant().among(rows)
        terms = self._column.terms
        texts, first, end = terms.texts, terms.first_text, terms.first_nested
        codes = self._column.codes_of(rows).tolist()
        holds = (first <= code < end and self._wanted in texts[code - first] for code in codes)
        found = np.fromiter(holds, np.bool_, len(codes))
        return found | self._column.among(rows, self._as_element()) if terms.has_lists else found

    def _as_element(self) -> Chosen:
        return self._column.terms.where_equal([self._condition.wanted])._replace(own=(), missing=False)


class _Negated(Answer):
    def __init__(self, part: Answer) -> None:
        self.n, self.part = part.n, part

    @property
    def is_cheap(self) -> bool:
        return self.part.is_cheap

    def count(self) -> Counted:
        low, high, estimate = self.part.count()
        return Counted(self.n - high, self.n - low, self.n - estimate)

    def mask(self) -> Mask:
        return ~self.part.mask()

    def among(self, rows: Rows) -> Mask:
        return ~self.part.among(rows)


class _All(Answer):
    """All of two parts or more; they are taken as independent of each other when matches are estimated."""

    def __init__(self, n: int, parts: Sequence[Answer]) -> None:
        self.n = n
        counted = [(part.count(), part) for part in parts]
        counted.sort(key=lambda one: (not one[1].is_cheap, one[0].estimate))
        self.parts = [part for _, part in counted]
        self._counts = [count for count, _ in counted]

    @property
    def is_cheap(self) -> bool:
        return self.parts[-1].is_cheap

    def count(self) -> Counted:
        if self._counts[0].high <= SMALL and self.is_cheap:
            return _exactly(len(self.rows()))
        low = max(0, sum(count.low for count in self._counts) - (len(self._counts) - 1) * self.n)
        high = min(count.high for count in self._counts)
        share = math.prod(count.estimate / self.n for count in self._counts)
        return Counted(low, high, min(high, max(low, round(share * self.n))))

    def mask(self) -> Mask:
        mask = self.parts[0].mask()
        for part in self.parts[1:]:
            mask &= part.mask()
        return mask

    def rows(self) -> Rows:
        if self._counts[0].high * _TEST_UPTO > self.n:
            return numbers_of(self.mask())
        rows = self.parts[0].rows()
        for part in self.parts[1:]:
            if not len(rows):
                break
            rows = rows.compress(part.among(rows))
        return rows

    def among(self, rows: Rows) -> Mask:
        mask = self.parts[0].among(rows)
        for part in self.parts[1:]:
            mask &= part.among(rows)
        return mask


class _Any(Answer):
    """Any of two parts or more."""

    def __init__(self, n: int, parts: Sequence[Answer]) -> None:
        self.n, self.parts = n, parts

    @property
    def is_cheap(self) -> bool:
        return all(part.is_cheap for part in self.parts)

    def count(self) -> Counted:
        counts = [part.count() for part in self.parts]
        high = min(self.n, sum(count.high for count in counts))
        if high <= SMALL and self.is_cheap:
            return _exactly(len(self.rows()))
        low = max(count.low for count in counts)
        left = math.prod(1 - count.estimate / self.n for count in counts)
        return Counted(low, high, min(high, max(low, round((1 - left) * self.n))))

    def mask(self) -> Mask:
        mask = self.parts[0].mask()
        for part in self.parts[1:]:
            mask |= part.mask()
        return mask

    def rows(self) -> Rows:
        if sum(part.count().high for part in self.parts) * SORT_UPTO > self.n:
            return numbers_of(self.mask())
        return sorted_once(np.concatenate([part.rows() for part in self.parts]))

    def among(self, rows: Rows) -> Mask:
        mask = self.parts[0].among(rows)
        for part in self.parts[1:]:
            mask |= part.among(rows)
        return mask


def _exactly(count: int) -> Counted:
    return Counted(count, count, count)
