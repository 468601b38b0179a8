"""What the fields of records are: checked when it is given, inferred from records when it is not."""

from __future__ import annotations

import html
import inspect
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time
from types import MappingProxyType
from typing import Any, Final

from adjoin.embed.records.categories import MOST_COLUMNS, Category, Members
from adjoin.embed.records.dates import Moment
from adjoin.embed.records.fields import (
    FALSE,
    TRUE,
    Boolean,
    Cyclic,
    Ignored,
    Number,
    Ordered,
    Place,
    measure_of,
)
from adjoin.embed.records.kind import Kind, number_of
from adjoin.embed.records.rows import LATITUDES, LONGITUDES
from adjoin.embed.records.series import Run
from adjoin.embed.records.texts import Text
from adjoin.embed.records.units import canonical
from adjoin.errors import InvalidOption

KINDS: Final[Mapping[str, type[Kind]]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (Number, Cyclic, Boolean, Ordered, Category, Members, Moment, Place, Text, Run, Ignored)
    }
)
"""Kinds of fields, by the name that a schema gives."""

_BY_ALIAS: Final = {alias: kind for kind in KINDS.values() for alias in (kind.name, *kind.aliases)}
_COMMON: Final = ("kind", "weight", "from")

IDENTIFIERS_FROM: Final = 20
"""So many records tell a field that identifies them from a category."""
_PERIODS: Final = {
    "month": 12, "weekday": 7, "day_of_week": 7, "dayofweek": 7, "hour": 24, "minute": 60, "quarter": 4, "day_of_year": 366,
    "wind_dir": 360, "wind_direction": 360, "direction": 360, "bearing": 360, "heading": 360, "azimuth": 360,
}  # fmt: skip
_PLACES: Final = ("place", "location", "position", "coordinates", "latlon", "latlng", "geo", "point")
_SERIES_FROM: Final = 8


@dataclass(frozen=True, slots=True)
class Field:
    """One field. source: the records' keys that it is read from. why: how it was inferred; empty where it was given."""

    kind: type[Kind]
    source: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    why: str = ""

    def made(self) -> Kind:
        return self.kind(**self.options)

    def spelled_out(self) -> Field:
        """The same with its options as the kind names them, those that were left to it too."""
        return self if self.kind is Text else replace(self, options=self.made().options)


class Schema(Mapping[str, Mapping[str, Any]]):
    """Fields by name, in order. Reads as a dict of plain dicts, which `schema=` takes again; prints as a table."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields: Final = {name: one.spelled_out() for name, one in fields.items()}
        self._refuse_shared_sources()
        self.sources: Final = [key for one in self.fields.values() for key in one.source]
        """The keys that a record may have, in order."""
        self.counted: Final = frozenset(
            key for one in self.fields.values() if one.kind is not Ignored for key in one.source
        )
        """Those of them that are not ignored."""

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        one = self.fields[name]
        spec: dict[str, Any] = {"kind": one.kind.name, **one.options}
        if one.source != (name,):
            spec["from"] = list(one.source) if len(one.source) > 1 else one.source[0]
        if one.weight != 1.0:
            spec["weight"] = one.weight
        return spec

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def weighted(self, weights: Mapping[str, float]) -> Schema:
        """The same with these weights. Raises InvalidOption for a field that there is not."""
        changed = dict(self.fields)
        for name, weight in weights.items():
            if name not in changed:
                raise InvalidOption.unknown("field in weights", name, changed)
            changed[name] = replace(changed[name], weight=check_weight(weight, name))
        return Schema(changed)

    def kinds(self) -> dict[str, Kind]:
        """One of each field's kind, nothing learned. Fields of text share an embedder where they name the same."""
        made: dict[str, Kind] = {}
        texts: dict[Any, Text] = {}
        for name, one in self.fields.items():
            named = one.options.get("embedder", "default") if one.kind is Text else None
            key = named if isinstance(named, str) else id(named)
            made[name] = texts[key].again() if named is not None and key in texts else one.made()
            if isinstance(made[name], Text):
                texts.setdefault(key, made[name])  # type: ignore[arg-type]
        return made

    def _refuse_shared_sources(self) -> None:
        seen: dict[str, str] = {}
        for name, one in self.fields.items():
            for key in one.source:
                if key in seen:
                    raise InvalidOption(
                        f"the fields {seen[key]!r} and {name!r} of the schema are both read from {key!r}."
                    )
                seen[key] = name

    def _lines(self) -> list[tuple[str, str, str, str]]:
        lines = []
        for name, spec in self.items():
            options = {key: value for key, value in spec.items() if key not in ("kind", "weight")}
            told = ", ".join(
                f"{key}={value}" if isinstance(value, str) else f"{key}={value!r:.60}" for key, value in options.items()
            )
            lines.append(
                (
                    name,
                    spec["kind"] + (f" ({told})" if told else ""),
                    f"{self.fields[name].weight:g}",
                    self.fields[name].why,
                )
            )
        return lines

    def __str__(self) -> str:
        return table(("field", "kind", "weight", "why"), self._lines())

    def __repr__(self) -> str:
        return f"Schema({ {name: dict(spec) for name, spec in self.items()} })"

    def _repr_html_(self) -> str:
        return html_table(("field", "kind", "weight", "why"), self._lines())


def checked(schema: Any) -> Schema:
    """The schema that a user gave, its names and options known ones. Raises InvalidOption naming the field."""
    if isinstance(schema, Schema):
        return schema
    if not isinstance(schema, Mapping) or not schema:
        raise InvalidOption(f'schema is "auto" or a dict of field names to kinds, not {schema!r:.80}.')
    return Schema({_name(name): _field(name, spec) for name, spec in schema.items()})


def _name(name: object) -> str:
    import unicodedata

    if not isinstance(name, str) or not name:
        raise InvalidOption(f"the name of a field is a str that is not empty, not {name!r:.80}.")
    return unicodedata.normalize("NFC", name)


def _field(name: str, spec: Any) -> Field:
    given = dict(spec) if isinstance(spec, Mapping) else {"kind": spec}
    kind = _BY_ALIAS.get(given.get("kind", "")) if isinstance(given.get("kind", ""), str) else None
    if kind is None:
        raise InvalidOption.unknown(f"kind of the field {name!r}", given.get("kind"), KINDS)
    source = given.get("from", name)
    source = (source,) if isinstance(source, str) else tuple(source)
    if not all(isinstance(key, str) for key in source) or len(source) not in ((1, 2) if kind is Place else (1,)):
        raise InvalidOption(
            f"the field {name!r} is read `from` one key, or a place from its latitude's and longitude's."
        )
    options = {key: value for key, value in given.items() if key not in _COMMON}
    known = [one for one in inspect.signature(kind.__init__).parameters if one != "self"]
    for option in options:
        if option not in known:
            raise InvalidOption.unknown(f"option of the field {name!r}", option, (*known, "weight", "from"))
    weight = check_weight(given.get("weight", 1.0), name)
    made = Field(kind, tuple(_name(key) for key in source), options, weight)
    try:
        made.made()
    except TypeError as exc:
        raise InvalidOption(f"the field {name!r}, of the kind {kind.name}: {str(exc).split('() ')[-1]}.") from None
    except InvalidOption as exc:
        raise InvalidOption(f"the field {name!r}: {exc}") from exc
    return made


def check_weight(weight: Any, name: str) -> float:
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
        raise InvalidOption(f"the weight of {name!r} is a number of 0 or more, not {weight!r:.40}.")
    return float(weight)


# ── Inferred ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def inferred(records: Sequence[Mapping[str, Any]], orders: Mapping[str, Sequence[Any]] | None = None) -> Schema:
    """The schema that these records suggest. orders: of columns that a data frame says are ordered.

    Each field's `why` says what it was taken from. Cost: one look at each value.
    """
    values: dict[str, list[Any]] = {}
    for record in records:
        for key, value in record.items():
            values.setdefault(key, []).append(value)
    fields: dict[str, Field] = {}
    pair = _coordinates(values)
    for name, found in values.items():
        if name == pair[0]:
            fields[f"{pair[0]},{pair[1]}"] = Field(Place, pair, why="latitude and longitude by name and range")
        elif name in pair:
            continue
        elif orders and name in orders:
            fields[name] = Field(Ordered, (name,), {"order": list(orders[name])}, why="the data frame says its order")
        else:
            kind, options, why = _kind_of(name, found)
            fields[name] = Field(kind, (name,), options, why=why)
    if not fields:
        raise InvalidOption("no record has a field with a value, so there is no schema to infer. Give schema={…}.")
    return Schema(fields)


_Guess = tuple[type[Kind], dict[str, Any], str]


def _coordinates(values: Mapping[str, list[Any]]) -> tuple[str, ...]:
    found = []
    for names, most in ((LATITUDES, 90), (LONGITUDES, 360)):
        key = next((name for name in values if name.lower() in names), None)
        if key is None or not all(_is_number(value) and abs(value) <= most for value in values[key]):
            return ("", "")
        found.append(key)
    return tuple(found)


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int | float) or type(value).__name__ == "Decimal")


def _kind_of(name: str, values: list[Any]) -> _Guess:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return Boolean, {}, "all are true or false"
    if all(map(_is_number, values)):
        return _number(name, [float(value) for value in values])
    if all(isinstance(value, date) for value in values):
        return Moment, {}, "all are dates"
    if all(isinstance(value, time) for value in values):
        return Moment, {"parts": ["day"]}, "all are times of the day"
    if kinds == {str}:
        return _text(name, values)
    if all(isinstance(value, Mapping) for value in values):
        return (
            (Place, {}, "latitude and longitude") if not any("unit" in value for value in values) else _measures(values)
        )
    if all(isinstance(value, list | tuple) for value in values):
        return _list(name, values)
    if any(_has_known_unit(value) for value in values) and all(
        _has_known_unit(value) or _reads(number_of, value) for value in values
    ):
        return _measures(values)
    if all(isinstance(value, str | int | float | bool) for value in values):
        if all(_reads(Number().read, value) for value in values):
            return _number(name, [number_of(value) for value in values])
        return _category(values, "of mixed types")
    told = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise InvalidOption(
        f"the field {name!r} has values of the types {told}, of which no kind is inferred. Give schema={{…}}."
    )


def _number(name: str, values: list[float]) -> _Guess:
    import numpy as np

    given = np.asarray(values)
    whole = bool((np.abs(given) < 2**53).all() and (given == np.floor(given)).all())
    short = name.rsplit(".", 1)[-1].lower()
    if short in _PERIODS and whole and given.min() >= 0 and given.max() <= _PERIODS[short] and len(set(values)) > 2:
        return Cyclic, {"period": _PERIODS[short]}, f"its name, and all in 0 to {_PERIODS[short]}"
    distinct = len(set(values))
    if whole and distinct == len(values) >= IDENTIFIERS_FROM and (_is_id(short) or _counts_rows(given)):
        return Ignored, {}, "an identifier: every value differs"
    if set(values) == {0.0, 1.0}:
        return Boolean, {}, "all are 0 or 1"
    most = np.clip(given, *np.percentile(given, [0.5, 99.5]))  # one slip of the pen makes no long tail
    deviation = float(most.std())
    if given.min() >= 0 and deviation > 0 and distinct > 10:
        skew = float((((most - most.mean()) / deviation) ** 3).mean())
        if skew > 2:
            return Number, {"scale": "log"}, f"numbers from 0 with a long tail (skewness {skew:.1f})"
    return Number, {}, "numbers"


def _counts_rows(given: Any) -> bool:
    """Whether these are 1, 2, 3 … in the order of the records."""
    import numpy as np

    return bool(given[0] in (0, 1) and (np.diff(given) == 1).all())


def _is_id(name: str) -> bool:
    return name in ("id", "key", "uuid", "index", "rownames", "pk") or name.endswith(("_id", "_key", "_no", "-id"))


def _text(name: str, values: list[str]) -> _Guess:
    distinct = len(set(values))
    if all(_reads(number_of, value) for value in values):
        kind, options, why = _number(name, [float(value) for value in values])
        return kind, options, f"{why}, written as text"
    if any(map(_has_known_unit, values)) and all(
        _has_known_unit(value) or _reads(number_of, value) for value in values
    ):
        return _measures(values)
    if {value.casefold() for value in values} <= TRUE | FALSE and distinct == 2:
        return Boolean, {}, "all are words for true or false"
    if all(re.match(r"\d{4}[-/.]?\d", value) and _reads(Moment().read, value) for value in values):
        return Moment, {}, "all are dates, the year first"
    words = sum(len(value.split()) for value in values) / len(values)
    length = sum(map(len, values)) / len(values)
    if distinct > 0.5 * len(values) and (
        (words >= 4 and length >= 16) or (length >= 12 and words >= 2 and distinct > 20)
    ):
        return Text, {"embedder": "default"}, f"{words:.0f} words each, most of them different"
    if distinct == len(values) >= IDENTIFIERS_FROM and words < 1.5:
        return Ignored, {}, "an identifier: every value differs"
    return _category(values, "")


def _has_known_unit(value: Any) -> bool:
    """Whether this is a number with a unit."""
    number, unit = measure_of(value)
    return unit is not None and _reads(number_of, number) and _reads(canonical, unit)


def _measures(values: list[Any]) -> _Guess:
    from collections import Counter

    units = Counter(canonical(unit) for _, unit in map(measure_of, values) if unit is not None)
    most = min(units, key=lambda unit: (-units[unit], unit))
    return Number, {"unit": most}, f"numbers with a unit; most are in {most}"


def _category(values: list[Any], more: str) -> _Guess:
    distinct = len({(type(value).__name__, value) for value in values})
    told = f"{distinct} different values{', ' + more if more else ''}"
    if distinct > MOST_COLUMNS // 4:
        return Category, {"encode": "hashed"}, told
    return Category, {}, told


def _list(name: str, values: list[Any]) -> _Guess:
    full = [value for value in values if value]
    numeric = all(_is_number(one) or one is None or one != one for value in full for one in value)
    if numeric and full:
        lengths = {len(value) for value in full}
        if lengths == {2} and (name.lower() in _PLACES) and all(_reads(Place().read, value) for value in full):
            return Place, {}, "its name, and pairs in the range of latitude and longitude"
        if min(lengths) >= _SERIES_FROM:
            return Run, {}, f"lists of {min(lengths)} numbers or more"
    if full and all(map(_has_known_unit, full)):
        return _measures(full)
    distinct = len({str(one) for value in values for one in value})
    return (
        Members,
        {"encode": "hashed"} if distinct > MOST_COLUMNS // 4 else {},
        f"lists of {distinct} different members",
    )


def _reads(read: Any, value: Any) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


# ── Shown ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def table(names: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns of text under their names."""
    widths = [max(len(line[place]) for line in (names, *lines)) for place in range(len(names))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (names, *lines)
    )


def html_table(names: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return (
        f"<table><thead>{row(names, 'th')}</thead><tbody>{''.join(row(line, 'td') for line in lines)}</tbody></table>"
    )
