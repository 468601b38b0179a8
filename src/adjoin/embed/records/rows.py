"""Records as plain dicts, whatever they came as."""

from __future__ import annotations

import dataclasses
import math
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from adjoin.errors import InvalidContent
from adjoin.frames import frame_rows, is_frame

LATITUDES: Final = ("lat", "latitude")
LONGITUDES: Final = ("lon", "lng", "long", "longitude")
_MEASURE: Final = frozenset({"value", "unit"})
_PLAIN: Final = frozenset({int, float, bool, type(None)})


def rows_of(items: Any) -> Iterator[Any]:
    """The items one by one; a table's rows as dicts.

    Raises InvalidContent for a single record, whose fields would be taken for records.
    """
    if is_frame(items):
        return frame_rows(items)
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable) or _is_record_object(items):
        raise InvalidContent(
            f"records come in a list or a data frame, not as one {type(items).__name__}. Write [record]."
        )
    return iter(items)


def as_record(
    item: Any, position: int, names: Sequence[str] | None = None, leaves: Collection[str] = ()
) -> dict[str, Any]:
    """The fields of one item by name, nested dicts as `outer.inner`; fields without a value are left out.

    names: of the fields, in the order in which a list or tuple gives them; None where a schema is not known yet.
    leaves: names whose values stay as they are though they are dicts.
    Raises InvalidContent naming the position.
    """
    if isinstance(item, Mapping):
        fields: Mapping[Any, Any] = item
    elif dataclasses.is_dataclass(item) and not isinstance(item, type):
        fields = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    elif hasattr(item, "_asdict"):
        fields = item._asdict()
    elif hasattr(item, "to_dict") and hasattr(item, "index"):  # a row of pandas
        fields = item.to_dict()
    elif isinstance(item, list | tuple) or type(item).__name__ == "ndarray":
        fields = _by_order(item, position, names)
    else:
        raise InvalidContent(
            f"item {position} is {type(item).__name__}, and a record is a dict, a dataclass, a named tuple, or a row in the "
            "schema's order. Nothing of the call was embedded."
        )
    record: dict[str, Any] = {}
    _flatten(fields, "", record, position, frozenset(leaves))
    return record


def _by_order(item: Any, position: int, names: Sequence[str] | None) -> dict[str, Any]:
    if names is None:
        raise InvalidContent(
            f"item {position} is a {type(item).__name__} without names. Give dicts, or a schema whose order its values have."
        )
    if len(item) != len(names):
        raise InvalidContent(
            f"item {position} has {len(item)} values, and the schema {len(names)} fields: {', '.join(names)}."
        )
    return dict(zip(names, item, strict=True))


def _flatten(
    fields: Mapping[Any, Any], before: str, into: dict[str, Any], position: int, leaves: frozenset[str]
) -> None:
    for key, value in fields.items():
        if not isinstance(key, str):
            raise InvalidContent(
                f"item {position} has a field named {key!r:.80} of type {type(key).__name__}; names are str."
            )
        name = before + unicodedata.normalize("NFC", key)
        if isinstance(value, Mapping) and name not in leaves and not _is_value(value) and before.count(".") < 8:
            _flatten(value, f"{name}.", into, position, leaves)
        elif not is_missing(value):
            into[name] = plain(value)


def _is_value(value: Mapping[Any, Any]) -> bool:
    """Whether a dict is one value: a number with its unit, or a place."""
    names = {str(key).lower() for key in value}
    return names == _MEASURE or (len(names) == 2 and bool(names & {*LATITUDES}) and bool(names & {*LONGITUDES}))


def _is_record_object(item: object) -> bool:
    return dataclasses.is_dataclass(item) or hasattr(item, "_asdict")


def is_missing(value: object) -> bool:
    """Whether this says that there is no value: None, NaN, pandas' NA and NaT, text of white space alone."""
    kind_of = type(value)
    if value is None or kind_of is int or kind_of is bool:
        return value is None
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, float | Decimal):
        return math.isnan(value)
    kind = kind_of.__name__
    if kind in ("NAType", "NaTType", "MaskedConstant"):
        return True
    return kind in ("float32", "float16", "float64", "datetime64", "longdouble") and bool(value != value)


def plain(value: Any) -> Any:
    """The value as Python's own types; text in NFC, so that Hangul is one text however it was typed."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return unicodedata.normalize("NFC", str.__str__(value))
    if type(value).__module__ == "numpy":
        if type(value).__name__ == "ndarray":
            return plain(value.tolist())
        if type(value).__name__ == "datetime64":
            return value.astype("datetime64[us]").item()
        return value.item() if hasattr(value, "item") else value
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(one) for one in value), key=lambda one: (type(one).__name__, str(one)))
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)
    if hasattr(value, "tolist") and hasattr(value, "index"):  # a series of pandas
        return plain(value.tolist())
    return value


def to_json(value: Any) -> Any:
    """The value as JSON can say it, which `plain` of it reads back where the schema knows the field."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal | Fraction):
        return float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {key: to_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    return str(value)
