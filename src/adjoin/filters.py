"""The filter language of `where=`: Mongo-style dicts, parsed once, asked of one row or of whole columns.

>>> recent_news = parse({"year": {"$gte": 2020}, "tags": "news"})
>>> recent_news.matches({"year": 2024, "tags": ["news", "asia"]})
True

docs/filters.md is the definition.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

import numpy as np

from adjoin.columns import ORDERINGS, Column, Columns, Mask
from adjoin.conditions import EVERYTHING, And, Compare, Filter, Not, Or
from adjoin.errors import InvalidFilter
from adjoin.kinds import ORDERED, Canonical, canonical, kind_of, plain_scalar

__all__ = ["EVERYTHING", "And", "Column", "Columns", "Compare", "Filter", "Mask", "Not", "Or", "parse"]

MOST_LEVELS: Final = 50
OPERATORS: Final = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$contains", "$not")
JOINERS: Final = ("$and", "$or", "$not")
_LONGEST_INT_BITS: Final = 10_000


def parse(where: Mapping[str, Any] | Filter | None) -> Filter:
    """The filter that a dict says. None and `{}` match every row; a Filter comes back as it is.

    Raises InvalidFilter, naming the key, the operator and the remedy.
    """
    if isinstance(where, Filter):
        return where
    return EVERYTHING if where is None else _parse_group(where, 0)


def _parse_group(where: Any, level: int) -> Filter:
    """A dict of keys and joiners, all of which must hold."""
    _check_level(level)
    if not isinstance(where, Mapping):
        raise InvalidFilter(f"a filter is a dict such as {{'year': {{'$gte': 2020}}}}; got {_shown(where)}.")
    return _all_of([_parse_entry(key, said, level) for key, said in where.items()])


def _parse_entry(key: Any, said: Any, level: int) -> Filter:
    if not isinstance(key, str):
        raise InvalidFilter(f"filter key {key!r} is a {type(key).__name__}; metadata keys are str: use {str(key)!r}.")
    if not key.startswith("$"):
        return _parse_condition(str.__str__(key), said, level)
    if key == "$not":
        return _negated(_parse_group(said, level + 1))
    if key not in ("$and", "$or"):
        raise _unknown_joiner(key)
    if not isinstance(said, list | tuple) or not said:
        raise InvalidFilter(f"{key} takes a list of at least one filter; got {_shown(said)}. Leave out an empty {key}.")
    parts = [_parse_group(part, level + 1) for part in said]
    return _all_of(parts) if key == "$and" else (parts[0] if len(parts) == 1 else Or(tuple(parts)))


def _parse_condition(key: str, said: Any, level: int) -> Filter:
    """What is asked of one key: a value to equal, or a dict of operators."""
    _check_level(level)
    if not isinstance(said, Mapping) or not _has_operators(key, said):
        return _compare(key, "$eq", said)
    return _all_of([_parse_operator(key, op, operand, level) for op, operand in said.items()])


def _has_operators(key: str, said: Mapping[Any, Any]) -> bool:
    """False for a dict that is itself a value, a tagged date among them."""
    marked = [name for name in said if isinstance(name, str) and name.startswith("$")]
    if marked and len(marked) < len(said):
        plain = next(name for name in said if name not in marked)
        raise InvalidFilter(
            f"the condition on {key!r} mixes the operator {marked[0]!r} with the plain key {plain!r}. "
            "Use operators alone, or a dict without '$' to compare with a dict."
        )
    return bool(marked) and marked != ["$date"]


def _parse_operator(key: str, op: str, operand: Any, level: int) -> Filter:
    if op == "$not":
        if not isinstance(operand, Mapping) or not operand or not _has_operators(key, operand):
            raise InvalidFilter(
                f"$not on {key!r} takes a dict of operators, such as {{'$gt': 3}}; got {_shown(operand)}. "
                "To exclude a value use $ne."
            )
        return _negated(_parse_condition(key, operand, level + 1))
    if op == "$ne":
        return Not(_compare(key, "$eq", operand))
    if op in ("$in", "$nin"):
        found = _compare_any(key, op, operand)
        return found if op == "$in" else Not(found)
    if op == "$exists":
        return _compare_presence(key, operand)
    if op in ("$eq", "$contains") or op in ORDERINGS:
        return _compare(key, op, operand)
    raise _unknown_operator(key, op)


def _compare(key: str, op: str, said: Any) -> Compare:
    operand, wanted = _operand(key, op, said)
    if op in ORDERINGS and kind_of(wanted) not in ORDERED and kind_of(wanted) != "nan":
        raise InvalidFilter(f"{op} on {key!r} needs a number, a str or a datetime; {_shown(said)} has no order.")
    return Compare(key, op, operand, wanted)


def _compare_any(key: str, op: str, said: Any) -> Compare:
    if not isinstance(said, list | tuple | set | frozenset) and getattr(said, "ndim", 0) != 1:
        raise InvalidFilter(f"{op} on {key!r} takes a list of values; got {_shown(said)}. Put it in a list.")
    members = [_operand(key, op, member) for member in said]
    return Compare(key, "$in", tuple(operand for operand, _ in members), frozenset(wanted for _, wanted in members))


def _compare_presence(key: str, said: Any) -> Compare:
    if not isinstance(said, bool | np.bool_):
        raise InvalidFilter(f"$exists on {key!r} takes True or False; got {_shown(said)}.")
    return Compare(key, "$exists", bool(said), canonical(bool(said)))


def _operand(key: str, op: str, said: Any) -> tuple[Any, Canonical]:
    """The plain value that was said, and its canonical stand-in."""
    try:
        value = _plain(said, 0)
        return value, canonical(value)
    except (ValueError, TypeError, OverflowError) as exc:
        raise InvalidFilter(
            f"{op} on {key!r} cannot compare with {_shown(said)}: {exc}. "
            "Operands are None, bool, int, float, str, datetime, date, and lists and dicts of these."
        ) from exc


def _plain(said: Any, level: int) -> Any:
    if level > MOST_LEVELS:
        raise ValueError(f"it is nested more than {MOST_LEVELS} deep, or holds itself")
    if isinstance(said, Mapping):
        return _plain_mapping(said, level)
    if isinstance(said, list | tuple) or (isinstance(said, np.ndarray) and said.ndim == 1):
        return [_plain(one, level + 1) for one in said]
    value = plain_scalar(said)
    if value is not None and not isinstance(value, bool | int | float | str | date):
        raise ValueError(f"metadata holds no {type(said).__name__}")
    if isinstance(value, int) and value.bit_length() > _LONGEST_INT_BITS:
        raise ValueError(f"it has more than {_LONGEST_INT_BITS} bits")
    return value


def _plain_mapping(said: Mapping[Any, Any], level: int) -> Any:
    if list(said) == ["$date"]:
        return _moment(said["$date"])
    for name in said:
        if not isinstance(name, str):
            raise ValueError(f"its key {name!r} is not a str")
        if name.startswith("$"):
            raise ValueError(f"{name!r} is no metadata key, and an operator cannot stand inside a value")
    return {str.__str__(name): _plain(inner, level + 1) for name, inner in said.items()}


def _moment(said: Any) -> date:
    if isinstance(said, date):
        return said
    try:
        return datetime.fromisoformat(said)
    except (TypeError, ValueError) as exc:
        raise ValueError("$date takes an ISO 8601 text such as '2024-01-01T00:00:00Z'") from exc


def _all_of(parts: list[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _negated(part: Filter) -> Filter:
    return part.part if isinstance(part, Not) else Not(part)


def _check_level(level: int) -> None:
    if level > MOST_LEVELS:
        raise InvalidFilter(f"the filter is nested more than {MOST_LEVELS} deep, or holds itself. Flatten it.")


def _unknown_joiner(op: str) -> InvalidFilter:
    if op in OPERATORS:
        return InvalidFilter(f"{op} needs a key to ask about: {{'year': {{{op!r}: …}}}}.")
    return InvalidFilter(f"unknown operator {op!r}{_nearest(op, JOINERS)}. Known here: {', '.join(JOINERS)}.")


def _unknown_operator(key: str, op: str) -> InvalidFilter:
    if op in JOINERS:
        return InvalidFilter(f"{op} stands around keys, not under {key!r}: {{{op!r}: [{{{key!r}: …}}, …]}}.")
    return InvalidFilter(f"unknown operator {op!r} on {key!r}{_nearest(op, OPERATORS)}. Known: {', '.join(OPERATORS)}.")


def _nearest(op: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(op.lower(), known, 1, cutoff=0.5)
    return f"; {near[0]!r} is near" if near else ""


def _shown(said: Any) -> str:
    try:
        text = repr(said)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        text = f"a {type(said).__name__}"
    return text if len(text) <= 80 else text[:79] + "…"
