"""Metadata as SQL can ask of it, exactly as docs/filters.md says, and filters as SQL.

SQL's own idea of values is not ours: its jsonb takes no NUL and no infinity, its texts order by a locale, and 1 and
True are one to some casts. So each row carries facts that are ours to the last bit, and SQL only compares bytes:

    tokens  a hash of (key, value), one of (key, element) for each element of a list, one of (key) alone
    orders  bytes that sort as numbers, texts and moments do: hash of the key, a letter for the kind, the value

A hash has 128 bits of BLAKE2b: two values that share one will not be met.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from adjoin.columns import ORDERINGS
from adjoin.conditions import And, Compare, Filter, Not, Or
from adjoin.kinds import DICT, LIST, MOMENT, NUMBER, TEXT, Canonical, canonical, elements, kind_of, sort_key

HAS, IS, HOLDS = b"?", b"=", b"["  # what a token says of its key: it is there, has this value, has this element
_LETTERS: Final = {NUMBER: b"n", MOMENT: b"m", TEXT: b"t"}
_TEXT_ELEMENT: Final = b"u"  # of a list: ordered like a text of its own, but `$contains` does not look inside

Sql = tuple[str, list[Any]]


def facts(metadata: Mapping[str, Any]) -> tuple[list[bytes], list[bytes]]:
    """The tokens and the orders of a row, each in order and once."""
    tokens: set[bytes] = set()
    orders: set[bytes] = set()
    for key, value in metadata.items():
        stand_in = canonical(value)
        inner = elements(stand_in)
        tokens.add(_token(key, HAS, b""))
        tokens.add(_token(key, IS, _stamp(stand_in)))
        tokens.update(_token(key, HOLDS, _stamp(one)) for one in inner)
        prefix = _prefix(key)
        for one in inner or (stand_in,):
            if kind_of(one) in _LETTERS:
                orders.add(prefix + _letter(one, inside=bool(inner)) + _sortable(one))
    return sorted(tokens), sorted(orders)


def as_sql(where: Filter) -> Sql:
    """A condition on a row of `rows_…` that is true or false, never null, and its parameters."""
    if isinstance(where, And | Or):
        parts = [as_sql(part) for part in where.parts]
        joiner = " AND " if isinstance(where, And) else " OR "
        said = joiner.join(sql for sql, _ in parts)
        return (f"({said})" if parts else "TRUE"), [value for _, values in parts for value in values]
    if isinstance(where, Not):
        sql, values = as_sql(where.part)
        return f"(NOT {sql})", values
    assert isinstance(where, Compare)
    if where.op == "$exists":
        sql, values = _overlap([_token(where.key, HAS, b"")])
        return (sql if where.operand else f"(NOT {sql})"), values
    if where.op == "$contains":
        return _contains(where.key, where.wanted)
    if where.op in ORDERINGS:
        return _ordered(where.key, where.op, where.wanted)
    return _equal(where.key, where.wanted if isinstance(where.wanted, frozenset) else frozenset([where.wanted]))


def _equal(key: str, wanted: frozenset[Canonical]) -> Sql:
    stamps = [_stamp(one) for one in wanted]
    sql, values = _overlap([_token(key, said, stamp) for stamp in stamps for said in (IS, HOLDS)])
    if None in wanted:  # which a key that is not there equals
        has, more = _overlap([_token(key, HAS, b"")])
        return f"({sql} OR NOT {has})", [*values, *more]
    return sql, values


def _contains(key: str, wanted: Any) -> Sql:
    sql, values = _overlap([_token(key, HOLDS, _stamp(wanted))])
    if not isinstance(wanted, str):
        return sql, values
    prefix = _prefix(key) + _LETTERS[TEXT]
    inside = (
        f"EXISTS (SELECT FROM unnest(orders) f WHERE substring(f FROM 1 FOR {len(prefix)}) = %s::bytea "
        f"AND position(%s::bytea IN substring(f FROM {len(prefix) + 1})) > 0)"
    )
    return f"({sql} OR {inside})", [*values, prefix, _bytes(wanted)]


def _ordered(key: str, op: str, wanted: Canonical) -> Sql:
    kind = kind_of(wanted)
    if kind not in _LETTERS:  # NaN, which has no order
        return "FALSE", []
    parts = [_within(_prefix(key) + _LETTERS[kind], op, wanted)]
    if kind == TEXT:
        parts.append(_within(_prefix(key) + _TEXT_ELEMENT, op, wanted))
    return f"({' OR '.join(sql for sql, _ in parts)})", [value for _, values in parts for value in values]


def _within(prefix: bytes, op: str, wanted: Canonical) -> Sql:
    """Whether one of the orders begins with the prefix and lies on the asked side of the value.

    `width_bucket` says by bisection how many of a sorted array are not greater than a value: many times faster than to
    unnest the array. The ends are such as no value has: 0xFF begins none.
    """
    bound = prefix + _sortable(wanted)
    first, last = prefix[:-1] + bytes([prefix[-1] - 1, 0xFF]), prefix + b"\xff"
    upto, holds = "width_bucket(%s::bytea, orders)", "%s::bytea = ANY(orders)"
    if op == "$gt":
        return f"{upto} > {upto}", [last, bound]
    if op == "$gte":
        return f"({upto} > {upto} OR {holds})", [last, bound, bound]
    if op == "$lt":
        return f"{upto} - ({holds})::integer > {upto}", [bound, bound, first]
    return f"{upto} > {upto}", [bound, first]


def _overlap(tokens: list[bytes]) -> Sql:
    return ("tokens && %s::uuid[]", [[UUID(bytes=token) for token in tokens]]) if tokens else ("FALSE", [])


def _token(key: str, said: bytes, stamp: bytes) -> bytes:
    name = _bytes(key)
    return _hash(len(name).to_bytes(4) + name + said + stamp)


def _prefix(key: str) -> bytes:
    return _hash(_bytes(key))


def _letter(stand_in: Canonical, *, inside: bool) -> bytes:
    kind = kind_of(stand_in)
    return _TEXT_ELEMENT if inside and kind == TEXT else _LETTERS[kind or ""]


def _stamp(stand_in: Canonical) -> bytes:
    """Bytes that are the same exactly for equal stand-ins."""
    kind = kind_of(stand_in)
    if kind in _LETTERS:
        return _LETTERS[kind] + _sortable(stand_in)
    if kind == LIST:
        return b"l" + b"".join(_framed(_stamp(one)) for one in stand_in[1])  # type: ignore[index]
    if kind == DICT:
        pairs = sorted((_bytes(key), _stamp(one)) for key, one in stand_in[1])  # type: ignore[index]
        return b"d" + b"".join(_framed(part) for pair in pairs for part in pair)
    return repr(stand_in).encode()  # None, NaN, True, False


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(8) + part


def _sortable(stand_in: Canonical) -> bytes:
    """Bytes that compare as the values of one kind do."""
    value = sort_key(stand_in)
    if isinstance(value, str):
        return _bytes(value)
    return (value + 2**63).to_bytes(8) if kind_of(stand_in) == MOMENT else _number(value)


def _number(value: int | float) -> bytes:
    """A number of any size, exactly: sign, power of two, then its binary digits by sevens.

    Sevens leave the byte 0xFF free to end a negative number, so that of two that begin alike the longer is the less.
    """
    if isinstance(value, float):
        if math.isinf(value):
            return b"\4" if value > 0 else b"\0"
        numerator, denominator = value.as_integer_ratio()
        shift = denominator.bit_length() - 1
    else:
        numerator, shift = value, 0
    if not numerator:
        return b"\2"
    magnitude = abs(numerator)
    digits = magnitude.bit_length()
    power = (digits - shift + 2**31).to_bytes(4)
    padding = -digits % 7
    sevens = bytes(_sevens(magnitude << padding, (digits + padding) // 7)).rstrip(b"\0")
    if numerator > 0:
        return b"\3" + power + sevens
    return b"\1" + bytes(255 - byte for byte in power) + bytes(127 - seven for seven in sevens) + b"\xff"


def _sevens(number: int, count: int) -> Iterator[int]:
    if count <= 16:
        for place in range(count - 1, -1, -1):
            yield number >> 7 * place & 127
        return
    low = count // 2  # halves, for shifting a number of thousands of digits by sevens would cost its square
    yield from _sevens(number >> 7 * low, count - low)
    yield from _sevens(number & (1 << 7 * low) - 1, low)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # an operand may have what metadata may not


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
