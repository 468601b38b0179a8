"""Tables of pandas, polars and Arrow, of which a row is an item. None of the three is imported."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


def is_frame(items: object) -> bool:
    """Whether these are a table, whose rows are the items."""
    has_rows = hasattr(items, "itertuples") or hasattr(items, "to_dicts")
    return (hasattr(items, "columns") and has_rows) or hasattr(items, "to_pylist")


def frame_rows(table: Any) -> Iterator[dict[str, Any]]:
    """The rows in order, each a dict by the columns' names; values are those of the table, missing ones too."""
    if hasattr(table, "itertuples"):
        names = [str(name) for name in table.columns]
        return (dict(zip(names, row, strict=True)) for row in table.itertuples(index=False, name=None))
    return iter(table.to_dicts() if hasattr(table, "to_dicts") else table.to_pylist())


def without_missing(row: dict[str, Any]) -> dict[str, Any]:
    """The row's values that are there: no None, NaN, NaT or NA."""
    return {name: value for name, value in row.items() if not _is_missing(value)}


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)
