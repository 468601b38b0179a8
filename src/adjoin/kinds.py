"""The kinds of metadata values: what counts as one, when two are equal, and which comes first.

The rules are those of docs/filters.md.

`canonical` turns a value into a hashable one that equals another's exactly when the filter language holds the
two values for equal. Numbers and strings stand for themselves; the other kinds are tuples that begin with their
kind, so that no two kinds can be taken for each other.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Hashable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final

import numpy as np

Canonical = Hashable

MOST_LEVELS: Final = 100  # of lists and dicts in each other

NUMBER: Final = "number"
TEXT: Final = "text"
MOMENT: Final = "datetime"
LIST: Final = "list"
BOOL: Final = "bool"
DICT: Final = "dict"
ORDERED: Final = frozenset({NUMBER, TEXT, MOMENT})
NONE: Final = None  # also what a missing key is equal to
NAN: Final = ("nan",)
TRUE: Final = (BOOL, True)
FALSE: Final = (BOOL, False)

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min - _EPOCH) // _MICROSECOND
_WIDEST_OFFSET: Final = timedelta(hours=24) - _MICROSECOND
_LAST: Final = (datetime.max - _EPOCH) // _MICROSECOND


def canonical(value: Any) -> Canonical:
    """The value's stand-in for comparison. Raises ValueError for a value that metadata cannot hold.

    >>> canonical(1) == canonical(1.0), canonical(True) == canonical(1), canonical(float("nan"))
    (True, False, ('nan',))
    """
    kind = type(value)
    if kind is str:
        return nfc(value)
    if kind is int or value is None:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return TRUE if value else FALSE
    if kind is float:
        return NAN if math.isnan(value) else value
    return _canonical_of_rarer(value, 0)


def nfc(text: str) -> str:
    """The text with its characters composed: a Hangul syllable is one code point however it was typed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def kind_of(stand_in: Canonical) -> str | None:
    """The kind within which a canonical value has an order, or another tag."""
    if isinstance(stand_in, tuple):
        return stand_in[0]  # type: ignore[no-any-return]
    if stand_in is None:
        return NONE
    return TEXT if isinstance(stand_in, str) else NUMBER


def sort_key(stand_in: Canonical) -> Any:
    """What is compared within a kind: a number, a str, or for a datetime its microseconds."""
    return stand_in[1] if isinstance(stand_in, tuple) else stand_in


def elements(stand_in: Canonical) -> tuple[Canonical, ...]:
    """The canonical elements of a list; none of anything else."""
    if isinstance(stand_in, tuple) and stand_in[0] == LIST:
        return stand_in[1]  # type: ignore[no-any-return]
    return ()


def plain_value(stand_in: Canonical) -> Any:
    """A value that a stand-in stands for, always the same one: the way back from `canonical`.

    >>> plain_value(canonical(2.0)), plain_value(canonical({"b": [True], "a": None}))
    (2, {'a': None, 'b': [True]})
    """
    if not isinstance(stand_in, tuple):
        return stand_in if stand_in is None or isinstance(stand_in, str) else _plain_number(stand_in)
    if stand_in == NAN:
        return math.nan
    kind, inner = stand_in
    if kind == LIST:
        return [plain_value(one) for one in inner]
    if kind == DICT:
        return {key: plain_value(value) for key, value in sorted(inner, key=lambda entry: str(entry[0]))}
    return _moment(inner) if kind == MOMENT else inner


def _plain_number(number: Any) -> int | float:
    """An int where it is a small whole number or no float can say it, else a float."""
    try:
        near = float(number)
    except OverflowError:
        return int(number)
    if near != number:
        return int(number)
    return int(near) if abs(near) <= 2**53 and near.is_integer() else near


def _moment(since: int) -> datetime:
    """In UTC; beyond the calendar, where only the zones of its first and last day reach, in such a zone."""
    if since < _FIRST:
        zone = timezone(_WIDEST_OFFSET)
    else:
        zone = UTC if since <= _LAST else timezone(-_WIDEST_OFFSET)
    local = since + (zone.utcoffset(None) or timedelta(0)) // _MICROSECOND
    if not _FIRST <= local <= _LAST:
        raise ValueError(f"{since} microseconds from 1970 is a moment of no calendar")
    return (_EPOCH + _MICROSECOND * local).replace(tzinfo=zone)


def _canonical_of_rarer(value: Any, level: int) -> Canonical:
    if level > MOST_LEVELS:
        raise ValueError(f"it is nested more than {MOST_LEVELS} deep, or holds itself")
    if isinstance(value, date):
        return (MOMENT, microseconds(value))
    if isinstance(value, list | tuple) or _is_array(value):
        return (LIST, tuple([_inner(inner, level) for inner in value]))
    if isinstance(value, Mapping):
        return (DICT, frozenset([(key, _inner(inner, level)) for key, inner in value.items()]))
    plain = plain_scalar(value)
    if plain is value:
        raise ValueError(f"it is a {type(value).__name__}, which metadata cannot hold")
    return canonical(plain)


def _inner(value: Any, level: int) -> Canonical:
    if type(value) not in _PLAIN and (isinstance(value, list | tuple | Mapping) or _is_array(value)):
        return _canonical_of_rarer(value, level + 1)
    return canonical(value)


def _is_array(value: Any) -> bool:
    return getattr(value, "ndim", 0) == 1


def plain_scalar(value: object) -> Any:
    """A NumPy scalar, or an instance of a subclass of str, int, float or datetime, as the plain Python value.

    Other values come back as they are. Raises ValueError when the plain value would not be the same one.
    """
    if isinstance(value, np.generic):
        return _plain_numpy(value)
    for kind in (str, int, float):
        if isinstance(value, kind) and not isinstance(value, bool):
            return kind.__str__(value) if kind is str else kind(value)
    if isinstance(value, datetime):
        return _plain_datetime(value)
    return value


def microseconds(moment: date) -> int:
    """Microseconds from 1970 in UTC, exactly; a naive datetime is taken as UTC, a date as its midnight."""
    if not isinstance(moment, datetime):
        return (datetime(moment.year, moment.month, moment.day) - _EPOCH) // _MICROSECOND
    offset = moment.utcoffset() or timedelta(0)
    # Not astimezone(): years 1 and 9999 would overflow.
    return (moment.replace(tzinfo=None) - _EPOCH - offset) // _MICROSECOND


def _plain_numpy(value: np.generic) -> Any:
    if isinstance(value, np.datetime64):
        unit = "D" if np.datetime_data(value)[0] in ("Y", "M", "W", "D") else "us"
        exact = value.astype(f"datetime64[{unit}]")
        moment: Any = exact.astype(object)
        if exact.astype(value.dtype) != value or not isinstance(moment, date):  # NaT differs from itself
            raise ValueError(f"{value!r} is no day or whole microsecond of the years 1 to 9999")
        return moment
    if isinstance(value, np.bool_ | np.integer | np.str_):
        return value.item()
    if isinstance(value, np.floating):
        plain = float(value)
        if value == value and plain != value:
            raise ValueError(f"{value!r} has more digits than a float")
        return plain
    return value


def _plain_datetime(value: datetime) -> datetime:
    """Of a subclass, such as pandas' Timestamp; its NaT has no year, and fails here."""
    if getattr(value, "nanosecond", 0):
        raise ValueError(f"{value!r} has nanoseconds; round it to microseconds")
    parts = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
    return datetime(*parts, tzinfo=value.tzinfo, fold=value.fold)
