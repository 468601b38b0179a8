"""Metadata to JSON text and back, with nothing lost on the way.

Text is plain JSON wherever JSON can say it. What it cannot say stands in an object with one key that starts
with `$`, which no metadata key may, so that the two cannot be taken for each other:

    {"$datetime": "2024-05-01T09:30:00+09:00"}   {"$date": "2024-05-01"}
    {"$float": "nan" | "inf" | "-inf"}           {"$int": "0x…"}  (integers of thousands of digits)
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import numpy as np

from adjoin.errors import InvalidMetadata, StoreCorrupted
from adjoin.kinds import MOST_LEVELS, plain_scalar

_PLAIN = frozenset({str, int, bool, float, type(None)})
_LONGEST_PLAIN_INT_BITS = 10_000  # Python refuses to read or write integers of more than 4,300 digits
_FROM_JSON = json.JSONDecoder().decode
_SCAN = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # `decode` without its look for white space, which `encode` does not write
_TO_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False).encode


def encode(metadata: Mapping[str, Any]) -> str:
    """The JSON text that `decode` turns into equal metadata.

    Values: None, bool, int of any size, float (NaN, infinities and -0.0 too), str, datetime, date, and lists and
    dicts of these. Keys keep their order, and keys and strings their code points: nothing is normalised.
    A tuple or 1-dimensional array becomes a list, a NumPy scalar or an enum member its plain value, and the zone
    of a datetime its offset from UTC (`Asia/Seoul` becomes `+09:00`).
    Raises InvalidMetadata, naming the key, for everything else, and for keys that are not str or start with `$`.
    """
    if not isinstance(metadata, Mapping):
        raise InvalidMetadata(f"metadata is a {_type_name(metadata)}; give a dict of names to values.")
    if _is_plain(metadata):
        try:
            return _checked(_TO_JSON(metadata), metadata)
        except ValueError:  # NaN, infinity or an integer of thousands of digits
            pass
    return _checked(_TO_JSON(_tagged_mapping(metadata, ())), metadata)


def decode(text: str) -> dict[str, Any]:
    """The metadata that was encoded. Raises StoreCorrupted when the text is not `encode`'s."""
    try:
        if '"$' in text:
            found = _untagging()(text)
        else:
            found, end = _SCAN(text, 0)
            if end != len(text):
                found = _FROM_JSON(text)
    except (ValueError, StopIteration, TypeError, KeyError, OverflowError, RecursionError) as exc:
        raise StoreCorrupted(f"stored metadata cannot be read: {exc}. Run `adjoin doctor` on the store.") from exc
    if not isinstance(found, dict):
        raise StoreCorrupted("stored metadata is not a JSON object. Run `adjoin doctor` on the store.")
    return found


@functools.cache
def _untagging() -> Callable[[str], Any]:
    return json.JSONDecoder(object_hook=_untag).decode


def _is_plain(metadata: Mapping[str, Any]) -> bool:
    """Whether JSON says this as it is, floats and surrogates aside: the common case, kept cheap."""
    if type(metadata) is not dict:
        return False
    for key, value in metadata.items():
        if type(key) is not str or key[:1] == "$":
            return False
        kind = type(value)
        if kind not in _PLAIN and not (kind is list and _PLAIN.issuperset(map(type, value))):
            return False
    return True


def _checked(text: str, metadata: Mapping[str, Any]) -> str:
    """The text, if it can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        where = _find_surrogate(metadata, ())
        raise InvalidMetadata(
            f"metadata {where} has the lone surrogate U+{ord(text[exc.start]):04X}, which is not a character. "
            "Decode the text with errors='replace', or drop it."
        ) from exc
    return text


def _find_surrogate(value: Any, path: tuple[str | int, ...]) -> str:
    if isinstance(value, str):
        return _shown(path) if _has_surrogate(value) else ""
    if isinstance(value, Mapping):
        if any(_has_surrogate(key) for key in value):
            return "key " + next(ascii(key) for key in value if _has_surrogate(key))
        return next(filter(None, (_find_surrogate(inner, (*path, key)) for key, inner in value.items())), "")
    if isinstance(value, list | tuple | np.ndarray):
        return next(filter(None, (_find_surrogate(inner, (*path, i)) for i, inner in enumerate(value))), "")
    return ""


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _tagged(value: Any, path: tuple[str | int, ...]) -> Any:
    """The value in JSON's types. path: the keys and positions that lead to it."""
    if len(path) > MOST_LEVELS:
        raise InvalidMetadata(
            f"metadata {_shown(path[:3])}… is nested more than {MOST_LEVELS} deep, or holds itself. Flatten it."
        )
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return {"$int": hex(value)} if value.bit_length() > _LONGEST_PLAIN_INT_BITS else value
    if kind is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, Mapping):
        return _tagged_mapping(value, path)
    if isinstance(value, list | tuple):
        return [_tagged(inner, (*path, i)) for i, inner in enumerate(value)]
    if kind is datetime:
        return {"$datetime": value.isoformat()}
    if kind is date:
        return {"$date": value.isoformat()}
    return _tagged(_made_plain(value, path), path)


def _tagged_mapping(metadata: Mapping[Any, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    tagged = {}
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise InvalidMetadata(
                f"metadata {_shown(path)} has the key {key!r} of type {_type_name(key)}. "
                f"Keys are str: use {str(key)!r}."
            )
        if key.startswith("$"):
            raise InvalidMetadata(
                f"metadata key {_shown((*path, key))} starts with '$', which is kept for operators. "
                f"Name it {key.lstrip('$')!r}" + (", and give a datetime as a datetime." if "date" in key else ".")
            )
        tagged[str.__str__(key)] = _tagged(value, (*path, key))
    return tagged


def _made_plain(value: Any, path: tuple[str | int, ...]) -> Any:
    if isinstance(value, np.ndarray) and value.ndim <= 1:
        return value.item() if value.ndim == 0 else list(value)
    try:
        plain = plain_scalar(value)
    except (ValueError, TypeError, OverflowError) as exc:
        raise InvalidMetadata(f"metadata {_shown(path)} cannot be stored faithfully: {exc}.") from exc
    if plain is value:
        raise InvalidMetadata(
            f"metadata {_shown(path)} is a {_type_name(value)}, which cannot be stored{_remedy(value)}. "
            "Values are None, bool, int, float, str, datetime, date, and lists and dicts of these."
        )
    return plain


def _untag(found: dict[str, Any]) -> Any:
    if len(found) != 1:
        return found
    ((key, value),) = found.items()
    if not key.startswith("$"):
        return found
    if key == "$datetime":
        return datetime.fromisoformat(value)
    if key == "$date":
        return date.fromisoformat(value)
    if key == "$float":
        return float(value)
    if key == "$int":
        return int(value, 16)
    raise ValueError(f"it has {key!r}, which this version of adjoin does not know")


def _shown(path: tuple[str | int, ...]) -> str:
    """`'a'['b'][2]`: where in the metadata."""
    if not path:
        return "itself"
    return repr(path[0]) + "".join(f"[{step!r}]" for step in path[1:])


def _remedy(value: object) -> str:
    if isinstance(value, np.ndarray):
        return "; use .tolist()"
    if isinstance(value, set | frozenset):
        return "; use a sorted list"
    if isinstance(value, bytes | bytearray):
        return "; decode it, or use .hex()"
    return "; use a number or a str"


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
