"""One key of a sealed segment: which rows have which of its terms."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adjoin.columns import MISSING, Mask
from adjoin.kinds import Canonical, elements
from adjoin.sealed.chosen import Chosen, Spans
from adjoin.sealed.terms import Terms

Rows = NDArray[np.int64]

# The crossings below are where one way became faster than the other at 200,000 rows; benchmarks/filters.py shows them.
_MASK_FROM: Final = 24  # comparing all codes beats writing into an empty mask from 1/24 of the rows
SORT_UPTO: Final = 8  # sorting row numbers beats a mask up to 1/8 of the rows
_FEW_SPANS: Final = {1: 24, 2: 12, 4: 6}  # up to here, by the codes' bytes, comparing them beats looking them up
SMALL: Final = 256  # so many rows are counted one by one
_DENSE_FROM: Final = 4  # a key that 1/4 of the rows have gets a code for every row


class Counted(NamedTuple):
    """How many rows match: between `low` and `high`, both included, and most likely about `estimate`."""

    low: int
    high: int
    estimate: int

    @property
    def is_exact(self) -> bool:
        return self.low == self.high


class Postings(NamedTuple):
    """Rows by term, one run after the other: those of `term` are `rows[starts[term]:starts[term + 1]]`, ascending."""

    rows: NDArray[np.uint32]
    starts: NDArray[Any]

    def slices(self, spans: Spans) -> list[NDArray[np.uint32]]:
        at = self.starts.item
        return [self.rows[at(low) : at(high)] for low, high in spans]

    def total(self, spans: Spans) -> int:
        at = self.starts.item
        return sum(at(high) - at(low) for low, high in spans)


class SealedColumn:
    """The values under one key, for good.

    n: rows of the segment.
    present: the rows that have the key, ascending; None when `codes` has a place for every row.
    codes: the term of each row, or of each of `present`; -1 where the key is missing.
    own: rows by the term of their value.
    inside: rows by the terms of their list's elements; None when no value is a list.
    most_inside: the most different elements that one row's list has.
    """

    def __init__(
        self,
        n: int,
        terms: Terms,
        codes: NDArray[Any],
        present: NDArray[np.uint32] | None,
        own: Postings,
        inside: Postings | None,
        most_inside: int,
    ) -> None:
        self.n, self.terms, self.codes, self.present = n, terms, codes, present
        self.own, self.inside, self.most_inside = own, inside, most_inside
        self.has_missing = len(own.rows) < n
        self._mask_from = n // _MASK_FROM

    @classmethod
    def of(cls, n: int, rows: NDArray[np.uint32], codes: NDArray[Any], stand_ins: Sequence[Canonical]) -> SealedColumn:
        """From the rows that have the key, ascending, and for each a code into distinct stand-ins, all in use."""
        place_of = {one: i for i, one in enumerate(stand_ins)}
        lists = {place: tuple(dict.fromkeys(elements(one))) for one, place in place_of.items() if elements(one)}
        for inside in lists.values():
            for one in inside:
                place_of.setdefault(one, len(place_of))
        terms, number_of = Terms.of(list(place_of), has_lists=bool(lists))
        codes = number_of[codes]
        term_lists = {int(number_of[place]): number_of[[place_of[one] for one in lists[place]]] for place in lists}
        return cls.assembled(n, rows, codes, terms, term_lists)

    @classmethod
    def assembled(
        cls,
        n: int,
        rows: NDArray[np.uint32],
        codes: NDArray[Any],
        terms: Terms,
        lists: Mapping[int, NDArray[np.int64]] | None = None,
    ) -> SealedColumn:
        """codes: the term of each of the rows. lists: the terms of the elements of each list, by the list's term."""
        return cls(
            n,
            terms,
            *_own_codes(n, rows, codes, terms.size),
            _postings(rows, codes, terms.size),
            _inside(rows, codes, terms.size, lists) if lists else None,
            max(map(len, lists.values()), default=0) if lists else 0,
        )

    # As `conditions.AnyColumn` asks it.

    def where_equal(self, wanted: Iterable[Canonical], rows: int) -> Mask:
        return self.mask(self.terms.where_equal(wanted))[:rows]

    def where_ordered(self, op: str, bound: Canonical, rows: int) -> Mask:
        return self.mask(self.terms.where_ordered(op, bound))[:rows]

    def where_contains(self, wanted: Canonical, rows: int) -> Mask:
        return self.mask(self.terms.where_contains(wanted))[:rows]

    def where_present(self, rows: int) -> Mask:
        return self.mask(self.terms.where_present())[:rows]

    # Of a choice of terms.

    def count(self, chosen: Chosen) -> Counted:
        """Cost: O(spans). Exact unless several elements of lists are meant, or an element and a list."""
        own = self.own.total(chosen.own)
        if chosen.missing:
            own += self.n - len(self.own.rows)
        inside = self.inside.total(chosen.inside) if self.inside and chosen.inside else 0
        if not inside or (self.most_inside == 1 and not self._lists_are_meant(chosen)):
            return Counted(own + inside, own + inside, own + inside)
        if _is_one(chosen.inside) and not self._lists_are_meant(chosen):
            return Counted(own + inside, own + inside, own + inside)
        if own + inside <= SMALL:
            found = len(self.rows(chosen))
            return Counted(found, found, found)
        at_least = math.ceil(inside / self.most_inside)
        low = max(own, at_least) if self._lists_are_meant(chosen) else own + at_least
        high = min(self.n, own + inside)
        return Counted(low, high, min(high, max(low, own + round(_spread(inside, self.n - own)))))

    def mask(self, chosen: Chosen) -> Mask:
        """Shape (n,). Cost: one or two passes over the codes, or O(matches) where these are few."""
        missing = chosen.missing and self.has_missing
        if self.present is None and (missing or self.own.total(chosen.own) >= self._mask_from):
            mask = _in_spans(self.codes, chosen.own, self.terms.size, missing=missing, has_missing=self.has_missing)
        else:
            mask = np.full(self.n, missing)
            if missing:
                mask[self.own.rows] = False
            for piece in self.own.slices(chosen.own):
                mask[piece] = True
        if self.inside:
            for piece in self.inside.slices(chosen.inside):
                mask[piece] = True
        return mask

    def rows(self, chosen: Chosen) -> Rows:
        """Ascending. Cost: O(matches log matches), and no more than a mask."""
        if chosen.missing and self.has_missing:
            return numbers_of(self.mask(chosen))
        pieces = self.own.slices(chosen.own)
        if self.inside and chosen.inside:
            pieces += self.inside.slices(chosen.inside)
        pieces = [piece for piece in pieces if len(piece)]
        if not pieces:
            return np.empty(0, np.int64)
        if len(pieces) == 1 and all(high - low == 1 for low, high in chosen.own + chosen.inside):
            return pieces[0].astype(np.int64)
        if sum(map(len, pieces)) * SORT_UPTO > self.n:
            return numbers_of(self.mask(chosen))
        found = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        # A row may have several of the elements.
        return sorted_once(found) if chosen.inside else np.sort(found).astype(np.int64)

    def among(self, rows: Rows, chosen: Chosen) -> Mask:
        """Which of these rows are meant; shape of `rows`, which ascend. Cost: O(rows), elements of lists aside."""
        codes, missing = self.codes_of(rows), chosen.missing
        found = _in_spans(codes, chosen.own, self.terms.size, missing=missing, has_missing=self.has_missing)
        if self.inside and chosen.inside:
            only = Chosen(chosen.size, (), chosen.inside)
            if self.inside.total(chosen.inside) >= self._mask_from:
                found |= self.mask(only)[rows]
            else:
                found |= _is_in(self.rows(only), rows)[0]
        return found

    def code(self, row: int) -> int:
        """The term of a row, or -1."""
        return int(self.codes_of(np.array([row]))[0])

    def codes_of(self, rows: Rows) -> NDArray[Any]:
        """The term of each of the rows, -1 where the key is missing; shape of `rows`."""
        if self.present is None:
            return self.codes[rows]
        found, places = _is_in(self.present, rows)
        return np.where(found, self.codes[places] if len(self.codes) else MISSING, MISSING)

    def _lists_are_meant(self, chosen: Chosen) -> bool:
        return bool(chosen.own) and chosen.own[-1][1] > self.terms.first_nested


def numbers_of(mask: Mask) -> Rows:
    """Where the mask is true, ascending."""
    n = len(mask)
    # NumPy slows down tenfold where few are true, and these in no pattern. Then we look for eight that are not all
    # false, and among these only for the true ones.
    if np.count_nonzero(mask) * 10 > n:
        return np.flatnonzero(mask)
    cut = n - n % 8
    words = mask[:cut].view(np.uint64)
    firsts = np.flatnonzero(words != 0)
    places = np.flatnonzero(words[firsts].view(np.bool_))
    firsts <<= 3
    rows = firsts.take(places >> 3)
    places &= 7
    rows += places
    return np.concatenate([rows, cut + np.flatnonzero(mask[cut:])]) if cut < n else rows


def sorted_once(rows: NDArray[Any]) -> Rows:
    """Ascending, each once. (np.unique takes ten times as long.)"""
    found = np.sort(rows).astype(np.int64)
    return found.compress(np.concatenate(([True], found[1:] != found[:-1]))) if len(found) else found


def _own_codes(
    n: int, rows: NDArray[np.uint32], codes: NDArray[np.int64], size: int
) -> tuple[NDArray[Any], NDArray[np.uint32] | None]:
    dtype = next(dtype for dtype in ("<i1", "<i2", "<i4") if size <= np.iinfo(dtype).max)
    if len(rows) * _DENSE_FROM < n:
        return codes.astype(dtype), rows.astype("<u4")
    dense = np.full(n, MISSING, dtype)
    dense[rows] = codes
    return dense, None


def _postings(rows: NDArray[np.uint32], terms: NDArray[np.int64], size: int) -> Postings:
    """rows: ascending, so that a stable sort keeps each term's rows so."""
    starts = np.zeros(size + 1, "<u4" if len(rows) <= np.iinfo(np.uint32).max else "<u8")
    np.cumsum(np.bincount(terms, minlength=size), out=starts[1:])
    narrow = terms.astype(np.min_scalar_type(size))  # 16 bits are sorted by radix
    return Postings(rows[np.argsort(narrow, kind="stable")].astype("<u4"), starts)


def _inside(
    rows: NDArray[np.uint32], codes: NDArray[np.int64], size: int, lists: Mapping[int, NDArray[np.int64]]
) -> Postings:
    """lists: the terms of the elements of each list, by the list's term."""
    lengths = np.zeros(size, np.int64)
    lengths[list(lists)] = [len(inside) for inside in lists.values()]
    firsts = np.zeros(size, np.int64)
    firsts[list(lists)] = np.cumsum([0, *(len(inside) for inside in lists.values())])[:-1]
    flat = np.concatenate(list(lists.values()))
    repeats = lengths[codes]  # (rows,)
    ends = np.cumsum(repeats)
    step = np.arange(int(repeats.sum())) - np.repeat(ends - repeats, repeats)
    return _postings(np.repeat(rows, repeats), flat[np.repeat(firsts[codes], repeats) + step], size)


def _in_spans(codes: NDArray[Any], spans: Spans, size: int, *, missing: bool, has_missing: bool) -> Mask:
    """Which codes lie in the spans; the missing ones as said."""
    missing &= has_missing
    if missing and spans and spans[0][0] == 0:  # -1 lies next to it
        spans, missing = ((MISSING, spans[0][1]), *spans[1:]), False
    elif missing:
        spans, missing = ((MISSING, 0), *spans), False
    if len(spans) > _FEW_SPANS[codes.itemsize]:
        table = np.zeros(size + 1, np.bool_)  # the last place answers for code -1
        for low, high in spans:
            table[max(low, 0) : high] = True
        table[MISSING] = spans[0][0] == MISSING
        return np.take(table, codes, mode="wrap")
    lowest = MISSING if has_missing else 0
    mask: Mask | None = None
    for low, high in spans:
        one = _in_span(codes, low, high, lowest, size)
        mask = one if mask is None else np.logical_or(mask, one, out=mask)
    return np.zeros(len(codes), np.bool_) if mask is None else mask


def _in_span(codes: NDArray[Any], low: int, high: int, lowest: int, size: int) -> Mask:
    if high - low == 1:
        equal: Mask = codes == low
        return equal
    if low <= lowest:
        return codes < high if high < size else np.ones(len(codes), np.bool_)
    mask: Mask = codes >= low
    return mask if high >= size else np.logical_and(mask, codes < high, out=mask)


def _is_in(ascending: NDArray[Any], rows: Rows) -> tuple[Mask, Rows]:
    """Which rows are among the ascending ones, and a place that can be looked at for each."""
    if not len(ascending):
        return np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.int64)
    places = np.minimum(ascending.searchsorted(rows.astype(ascending.dtype)), len(ascending) - 1)
    return ascending[places] == rows, places


def _is_one(spans: Spans) -> bool:
    return len(spans) == 1 and spans[0][1] - spans[0][0] == 1


def _spread(hits: int, rows: int) -> float:
    """How many of the rows are hit if hits fall on them evenly."""
    return rows * -math.expm1(-hits / rows) if rows else 0.0
