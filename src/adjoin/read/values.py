"""Values of tables and records, as metadata that can be stored and filtered."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_LEVELS = 32


def typed(text: str) -> Any:
    """The int, float or bool that a text says, None for an empty one, or else the text as it is.

    What only looks like a number stays text: "007", "010-1234", "1,000", "1_000", "nan", and more than 18 digits.

    >>> [typed(text) for text in ("12", "-0.5", "True", "", "007", "1,000")]
    [12, -0.5, True, None, '007', '1,000']
    """
    for kind in ("int", "float", "bool"):
        if (value := convert(text, kind)) is not None:
            return value
    return text if text.strip() else None


def convert(text: str, kind: str) -> Any:
    """The value of that kind that a text says, or None."""
    bare = text.strip()
    if kind == "int" and _INT.fullmatch(bare):
        return int(bare)
    if kind == "float" and _FLOAT.fullmatch(bare):
        return float(bare)
    if kind == "bool" and bare.lower() in ("true", "false"):
        return bare.lower() == "true"
    return None


def column_kind(values: Iterable[str]) -> str:
    """`int`, `float` or `bool` when every value that is not empty says one, or else `str`."""
    written = [value for value in values if value.strip()]
    for kind in ("int", "float", "bool"):
        if written and all(convert(value, kind) is not None for value in written):
            return kind
    return "str"


def clean_key(key: str, taken: Container[str] = ()) -> str:
    """The key without the `$` that filters keep for their operators, and unlike those taken."""
    name = clean_text(key).lstrip("$") or "field"
    while name in taken:
        name += "_"
    return name


def clean_text(text: str) -> str:
    """The text with halves of surrogate pairs, which no encoding can keep, as U+FFFD."""
    return _SURROGATE.sub("\ufffd", text) if not text.isascii() else text


def clean(value: Any, level: int = 0) -> Any:
    """A value out of JSON as metadata. Raises ValueError when it is nested too deep."""
    if level > _MOST_LEVELS:
        raise ValueError(f"it is nested more than {_MOST_LEVELS} deep")
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        cleaned: dict[str, Any] = {}
        for key, inner in value.items():
            cleaned[clean_key(str(key), cleaned)] = clean(inner, level + 1)
        return cleaned
    if isinstance(value, list | tuple):
        return [clean(inner, level + 1) for inner in value]
    return value


def words(text: str) -> tuple[str, ...]:
    """A long list of names as a text of words, which stays readable."""
    return tuple(text.split())
