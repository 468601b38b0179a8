"""The distinct values of a key, numbered by kind and within a kind by order, so that a range is a span of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adjoin.errors import InvalidMetadata, StoreCorrupted
from adjoin.kinds import (
    DICT,
    FALSE,
    LIST,
    MOMENT,
    NAN,
    NUMBER,
    TEXT,
    TRUE,
    Canonical,
    canonical,
    kind_of,
    plain_value,
    sort_key,
)
from adjoin.metadata import decode, encode
from adjoin.sealed.chosen import Chosen, Spans, union
from adjoin.sealed.numbers import Numbers
from adjoin.sealed.texts import Texts, to_bytes, to_text

SINGLE: Final[tuple[Canonical, ...]] = (None, NAN, FALSE, TRUE)
_BEFORE, _AFTER = len('{"":'), len("}")


class Terms:
    """Values that rows have under a key, or that stand in their lists, each once.

    Numbered in this order: those of `SINGLE` that are there, numbers, moments, texts, then lists and dicts.
    singles: shape (4,), which of `SINGLE` are there.
    moments: int64, microseconds from 1970 in UTC.
    nested: lists and dicts as JSON text, one text for values that are equal.
    has_lists: whether any row's value is a list.
    """

    def __init__(
        self,
        singles: Sequence[bool],
        numbers: Numbers,
        moments: NDArray[np.int64],
        texts: Texts,
        nested: Texts,
        *,
        has_lists: bool,
    ) -> None:
        self.singles = tuple(map(bool, singles))
        self.numbers, self.moments, self.texts, self.nested = numbers, moments, texts, nested
        self.has_lists = has_lists
        self._single_at = {one: sum(self.singles[:i]) for i, one in enumerate(SINGLE) if self.singles[i]}
        self.first_number = sum(self.singles)
        self.first_moment = self.first_number + len(numbers)
        self.first_text = self.first_moment + len(moments)
        self.first_nested = self.first_text + len(texts)
        self.size = self.first_nested + len(nested)

    @classmethod
    def of(cls, stand_ins: Sequence[Canonical], *, has_lists: bool) -> tuple[Terms, NDArray[np.int64]]:
        """The terms of distinct stand-ins, and the number that each has got."""
        groups: dict[str | None, list[int]] = {}
        for i, one in enumerate(stand_ins):
            groups.setdefault(kind_of(one), []).append(i)

        def sorted_by(kind: str, key: Callable[[Any], Any]) -> tuple[list[int], list[Any]]:
            keys = {i: key(stand_ins[i]) for i in groups.get(kind, ())}
            places = sorted(keys, key=keys.__getitem__)
            return places, [keys[i] for i in places]

        place_of = {stand_ins[i]: i for kind in map(kind_of, SINGLE) for i in groups.get(kind, ())}
        singles = [one in place_of for one in SINGLE]
        number_places, numbers = sorted_by(NUMBER, sort_key)
        moment_places, moments = sorted_by(MOMENT, sort_key)
        text_places, texts = sorted_by(TEXT, sort_key)
        groups["nested"] = [*groups.get(LIST, ()), *groups.get(DICT, ())]
        nested_places, nested = sorted_by("nested", _nested_bytes)
        places = [place_of[one] for one in SINGLE if one in place_of]
        places += number_places + moment_places + text_places + nested_places
        number_of = np.empty(len(stand_ins), np.int64)
        number_of[np.array(places, np.int64)] = np.arange(len(stand_ins))
        terms = cls(
            singles,
            Numbers.of(numbers),
            np.array(moments, "<i8"),
            Texts.of([to_bytes(one) for one in texts]),
            Texts.of(nested),
            has_lists=has_lists,
        )
        return terms, number_of

    @property
    def plain_dtype(self) -> str | None:
        """What kind and type of number all terms are, if they are nothing else: numbers or moments, and exactly."""
        if len(self.moments) == self.size > 0:
            return MOMENT
        return self.numbers.near.dtype.str if len(self.numbers) == self.size > 0 and not self.numbers.exact else None

    @property
    def plain_array(self) -> NDArray[Any]:
        return self.moments if len(self.moments) else self.numbers.near

    def with_plain(self, found: NDArray[Any]) -> Terms:
        """Terms of the same `plain_dtype`, with these numbers or moments, ascending and all different."""
        none = self.texts
        if self.plain_dtype == MOMENT:
            return Terms(self.singles, self.numbers, found, none, none, has_lists=False)
        return Terms(self.singles, Numbers(found, {}), self.moments, none, none, has_lists=False)

    def find(self, wanted: Canonical) -> int:
        """The number of a value's term, or -1."""
        if isinstance(wanted, str):
            place, first = self.texts.find(to_bytes(wanted)), self.first_text
        elif wanted is None or wanted in SINGLE:
            return self._single_at.get(wanted, -1)
        elif not isinstance(wanted, tuple):
            place, first = self.numbers.find(wanted), self.first_number
        elif wanted[0] == MOMENT:
            place, first = self._find_moment(wanted[1]), self.first_moment
        else:
            place, first = self._find_nested(wanted), self.first_nested
        return first + place if place >= 0 else -1

    def stand_in(self, term: int) -> Canonical:
        """The canonical value of a term. Raises ValueError where a damaged file says none."""
        if term >= self.first_nested:
            return canonical(_nested_value(self.nested[term - self.first_nested]))
        if term >= self.first_text:
            return to_text(self.texts[term - self.first_text])
        if term >= self.first_moment:
            return (MOMENT, self.moments.item(term - self.first_moment))
        if term >= self.first_number:
            return self.numbers[term - self.first_number]
        return [one for one, there in zip(SINGLE, self.singles, strict=True) if there][term]

    def value(self, term: int) -> Any:
        return plain_value(self.stand_in(term))

    # What a condition means, as `conditions.AnyColumn` asks it; how many rows there are makes no difference.

    def where_equal(self, wanted: Iterable[Canonical], rows: int = 0) -> Chosen:
        wanted = tuple(wanted)
        found = union(tuple((term, term + 1) for term in map(self.find, wanted) if term >= 0))
        return Chosen(self.size, found, found if self.has_lists else (), None in wanted)

    def where_ordered(self, op: str, bound: Canonical, rows: int = 0) -> Chosen:
        found = self._range(op, bound)
        return Chosen(self.size, found, found if self.has_lists else ())

    def where_contains(self, wanted: Canonical, rows: int = 0) -> Chosen:
        element = self.find(wanted) if self.has_lists else -1
        inside: Spans = ((element, element + 1),) if element >= 0 else ()
        if not isinstance(wanted, str):
            return Chosen(self.size, (), inside)
        first = self.first_text
        texts = self.texts.containing(to_bytes(wanted))
        return Chosen(self.size, tuple((first + low, first + high) for low, high in texts), inside)

    def where_present(self, rows: int = 0) -> Chosen:
        return Chosen(self.size, ((0, self.size),))

    def _range(self, op: str, bound: Canonical) -> Spans:
        kind = kind_of(bound)
        if kind == TEXT:
            first, end = self.first_text, self.first_nested
            place = self.texts.lower(to_bytes(bound))  # type: ignore[arg-type]
        elif kind == NUMBER:
            first, end = self.first_number, self.first_moment
            place = self.numbers.lower(bound)
        elif kind == MOMENT:
            first, end = self.first_moment, self.first_text
            place = _lower_moment(self.moments, sort_key(bound))
        else:  # NaN has no order
            return ()
        # Up to the bound for $lt and $gte; $lte and $gt draw the line behind it.
        line = first + place + (op in ("$lte", "$gt") and self.find(bound) >= 0)
        low, high = (line, end) if op in ("$gt", "$gte") else (first, line)
        return ((low, high),) if low < high else ()

    def _find_moment(self, since: int) -> int:
        place = _lower_moment(self.moments, since)
        return place if place < len(self.moments) and self.moments.item(place) == since else -1

    def _find_nested(self, wanted: Canonical) -> int:
        if not len(self.nested):
            return -1
        try:
            return self.nested.find(_nested_bytes(wanted))
        except InvalidMetadata:  # an operand that no metadata can hold, such as a lone surrogate
            return -1


def _lower_moment(moments: NDArray[np.int64], since: int) -> int:
    return int(moments.searchsorted(since))


def _nested_bytes(stand_in: Canonical) -> bytes:
    return to_bytes(encode({"": plain_value(stand_in)})[_BEFORE:-_AFTER])


def _nested_value(content: bytes) -> Any:
    try:
        return decode('{"":' + to_text(content) + "}")[""]
    except (StoreCorrupted, KeyError) as exc:
        raise ValueError("a list or dict in it cannot be read") from exc
