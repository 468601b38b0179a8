"""The tree that a filter is parsed into, and its answer for one row or for whole columns.

Four kinds of node: `And`, `Or`, `Not` and `Compare`. `$ne` and `$nin` are `Not` over `$eq` and `$in`, as
docs/filters.md defines them. Made by `adjoin.filters.parse`.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol, TypeVar

import numpy as np

from adjoin.columns import ORDERINGS, Mask
from adjoin.kinds import ORDERED, Canonical, canonical, elements, kind_of, sort_key

_MISSING: Any = object()


class Invertible(Protocol):
    def __invert__(self) -> Any: ...


Answer_co = TypeVar("Answer_co", bound=Invertible, covariant=True)
Answer = TypeVar("Answer", bound=Invertible)


class AnyColumn(Protocol[Answer_co]):
    """What a condition asks of the values under a key. An answer may be a mask, or a choice of distinct values.

    rows: look at the first so many alone.
    """

    def where_equal(self, wanted: Iterable[Canonical], rows: int) -> Answer_co:
        """Where the value, or an element of it, is one of these; a missing key equals None."""

    def where_ordered(self, op: str, bound: Canonical, rows: int) -> Answer_co:
        """Where the value, or an element of it, is of the bound's kind and on the asked side of it."""

    def where_contains(self, wanted: Canonical, rows: int) -> Answer_co:
        """Where the list has the wanted element, or the text has the wanted text in it."""

    def where_present(self, rows: int) -> Answer_co:
        """Where the key is."""


class AnyColumns(Protocol):
    """Metadata by key."""

    @property
    def n(self) -> int: ...

    def get(self, key: str) -> AnyColumn[Mask] | None: ...


class Filter:
    """A condition on metadata. Made by `parse`; equal filters compare equal and hash alike."""

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether one row's metadata meets it. Raises ValueError for a value that metadata cannot hold."""
        raise NotImplementedError

    def mask(self, columns: AnyColumns, rows: int | None = None) -> Mask:
        """Which rows meet it: shape (rows,), by default all of the columns'.

        rows: look at the first so many alone, as a reader of an older state does.
        Cost: O(rows) cheap array steps a condition, and one comparison for each distinct value.
        """
        raise NotImplementedError

    def keys(self) -> frozenset[str]:
        """The metadata keys it asks about."""
        raise NotImplementedError

    def meaning(self) -> Hashable:
        """The same for filters that differ in order, repetition or the spelling of operands alone: 1 and 1.0.

        Exact where `to_json` is for reading; the key under which answers may be kept.
        """
        raise NotImplementedError

    def to_json(self) -> str:
        """Canonical text: parses back to an equivalent filter, and is the same for filters that differ in order alone.

        NaN and the infinities stand in it as Python's `json` writes them.
        """
        return _text(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """The filter as a dict of the language, operands in JSON's types."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class And(Filter):
    """All of the parts hold; with no parts, every row."""

    parts: tuple[Filter, ...]

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        return all(part.matches(metadata) for part in self.parts)

    def mask(self, columns: AnyColumns, rows: int | None = None) -> Mask:
        rows = columns.n if rows is None else rows
        mask = np.ones(rows, np.bool_)
        for part in self.parts:
            mask &= part.mask(columns, rows)
        return mask

    def keys(self) -> frozenset[str]:
        return frozenset().union(*(part.keys() for part in self.parts))

    def meaning(self) -> Hashable:
        return _joined_meaning("$and", self.parts)

    def to_dict(self) -> dict[str, Any]:
        return _joined("$and", self.parts) if self.parts else {}


@dataclass(frozen=True, slots=True)
class Or(Filter):
    """At least one of the parts holds; there is at least one part."""

    parts: tuple[Filter, ...]

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        return any(part.matches(metadata) for part in self.parts)

    def mask(self, columns: AnyColumns, rows: int | None = None) -> Mask:
        rows = columns.n if rows is None else rows
        mask = np.zeros(rows, np.bool_)
        for part in self.parts:
            mask |= part.mask(columns, rows)
        return mask

    def keys(self) -> frozenset[str]:
        return frozenset().union(*(part.keys() for part in self.parts))

    def meaning(self) -> Hashable:
        return _joined_meaning("$or", self.parts)

    def to_dict(self) -> dict[str, Any]:
        return _joined("$or", self.parts)


@dataclass(frozen=True, slots=True)
class Not(Filter):
    """The part does not hold; so a row without its key is among the matches."""

    part: Filter

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        return not self.part.matches(metadata)

    def mask(self, columns: AnyColumns, rows: int | None = None) -> Mask:
        return ~self.part.mask(columns, rows)

    def keys(self) -> frozenset[str]:
        return self.part.keys()

    def meaning(self) -> Hashable:
        found = self.part.meaning()
        return found[1] if isinstance(found, tuple) and found[0] == "$not" and len(found) == 2 else ("$not", found)

    def to_dict(self) -> dict[str, Any]:
        said = self.part.to_dict()
        return dict(said["$not"]) if set(said) == {"$not"} else {"$not": said}


@dataclass(frozen=True, slots=True)
class Compare(Filter):
    """One condition on one key.

    op: `$eq`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$exists` or `$contains`.
    operand: a plain value of metadata; for `$in` a tuple of them, for `$exists` a bool.
    wanted: the operand's canonical stand-in, or those of the operand's members, by which filters are compared.
    """

    key: str
    op: str
    operand: Any = field(compare=False)
    wanted: Canonical | frozenset[Canonical] = field(repr=False)

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        value = metadata.get(self.key, _MISSING)
        if self.op == "$exists":
            return (value is not _MISSING) is bool(self.operand)
        if value is _MISSING:
            return self.op in ("$eq", "$in") and None in self._wanted_any()
        found = canonical(value)
        if self.op == "$contains":
            return self._is_in(found)
        if self.op in ORDERINGS:
            return any(map(self._is_beyond, elements(found) or (found,)))
        wanted = self._wanted_any()
        return found in wanted or not wanted.isdisjoint(elements(found))

    def mask(self, columns: AnyColumns, rows: int | None = None) -> Mask:
        rows = columns.n if rows is None else rows
        column = columns.get(self.key)
        if column is None:
            return np.full(rows, self.matches({}), np.bool_)
        return self.ask(column, rows)

    def ask(self, column: AnyColumn[Answer], rows: int) -> Answer:
        """What the key's column answers; it must be there."""
        if self.op == "$exists":
            present = column.where_present(rows)
            return present if self.operand else ~present
        if self.op == "$contains":
            return column.where_contains(self.wanted, rows)
        if self.op in ORDERINGS:
            return column.where_ordered(self.op, self.wanted, rows)
        return column.where_equal(self._wanted_any(), rows)

    def keys(self) -> frozenset[str]:
        return frozenset([self.key])

    def meaning(self) -> Hashable:
        if self.op == "$in" and isinstance(self.wanted, frozenset) and len(self.wanted) == 1:
            return (self.key, "$eq", next(iter(self.wanted)))
        return (self.key, self.op, self.wanted)

    def to_dict(self) -> dict[str, Any]:
        if self.op != "$in":
            return {self.key: {self.op: json_operand(self.operand)}}
        members = {_text(member): member for member in map(json_operand, self.operand)}
        return {self.key: {"$in": [members[text] for text in sorted(members)]}}

    def _wanted_any(self) -> frozenset[Canonical]:
        return self.wanted if isinstance(self.wanted, frozenset) else frozenset([self.wanted])

    def _is_in(self, found: Canonical) -> bool:
        if isinstance(found, str):
            return isinstance(self.wanted, str) and self.wanted in found
        return self.wanted in elements(found)

    def _is_beyond(self, found: Canonical) -> bool:
        kind = kind_of(found)
        return (
            kind in ORDERED
            and kind == kind_of(self.wanted)
            and bool(ORDERINGS[self.op](sort_key(found), sort_key(self.wanted)))
        )


EVERYTHING = And(())


def json_operand(value: Any) -> Any:
    """A plain operand in JSON's types, the same for operands that the language holds for equal."""
    stand_in = canonical(value)
    if isinstance(value, date):
        return {"$date": _iso(value)}
    if isinstance(value, list | tuple):
        return [json_operand(one) for one in value]
    if isinstance(value, Mapping):
        return {key: json_operand(value[key]) for key in sorted(value)}
    if isinstance(stand_in, float) and stand_in.is_integer() and abs(stand_in) <= 2**53:
        return int(stand_in)
    return stand_in if isinstance(stand_in, str) else value


def _iso(value: date) -> str:
    """In UTC where the calendar reaches so far, else with its own offset."""
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    if moment.utcoffset() is None:
        moment = moment.replace(tzinfo=UTC)
    with suppress(OverflowError):
        moment = moment.astimezone(UTC)
    return moment.isoformat()


def _joined(op: str, parts: tuple[Filter, ...]) -> dict[str, Any]:
    texts = {_text(part): part for part in _flat(op, parts)}
    if len(texts) <= 1:
        return next(iter(texts.values()), {})
    return {op: [texts[text] for text in sorted(texts)]}


def _joined_meaning(op: str, parts: tuple[Filter, ...]) -> Hashable:
    """A pair of the joiner and a set; a condition's is a triple, so that a key named like a joiner is none."""
    found: set[Hashable] = set()
    for part in parts:
        inner = part.meaning()
        if isinstance(inner, tuple) and len(inner) == 2 and inner[0] == op:
            found |= inner[1]
        else:
            found.add(inner)
    return found.pop() if len(found) == 1 else (op, frozenset(found))


def _flat(op: str, parts: tuple[Filter, ...]) -> Iterator[dict[str, Any]]:
    for part in parts:
        said = part.to_dict()
        if set(said) == {op}:
            yield from said[op]
        elif said or op == "$or":
            yield said


def _text(said: Any) -> str:
    return json.dumps(said, sort_keys=True, separators=(",", ":"))
