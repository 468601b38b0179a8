"""Units of measure: what a number in one is in another.

Factors are those of the SI brochure (2019) and of NIST SP 811 (2008), exact where the unit is defined so.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_FAHRENHEIT: Final = 5 / 9

# quantity → unit → (factor, offset): value · factor + offset is the value in the quantity's first unit
_QUANTITIES: Final[Mapping[str, Mapping[str, tuple[float, float]]]] = MappingProxyType(
    {
        "length": {
            "m": (1, 0), "nm": (1e-9, 0), "um": (1e-6, 0), "µm": (1e-6, 0), "mm": (1e-3, 0), "cm": (1e-2, 0), "km": (1e3, 0),
            "in": (0.0254, 0), "ft": (0.3048, 0), "yd": (0.9144, 0), "mi": (1609.344, 0), "nmi": (1852, 0),
        },
        "mass": {
            "kg": (1, 0), "ug": (1e-9, 0), "µg": (1e-9, 0), "mg": (1e-6, 0), "g": (1e-3, 0), "t": (1e3, 0),
            "oz": (0.028349523125, 0), "lb": (0.45359237, 0), "st": (6.35029318, 0),
        },
        "time": {
            "s": (1, 0), "ns": (1e-9, 0), "us": (1e-6, 0), "µs": (1e-6, 0), "ms": (1e-3, 0), "min": (60, 0), "h": (3600, 0),
            "d": (86400, 0), "week": (604800, 0), "year": (31557600, 0),
        },
        "temperature": {
            "K": (1, 0), "°C": (1, 273.15), "°F": (_FAHRENHEIT, 459.67 * _FAHRENHEIT),
        },
        "speed": {
            "m/s": (1, 0), "km/h": (1 / 3.6, 0), "mph": (0.44704, 0), "kn": (1852 / 3600, 0), "ft/s": (0.3048, 0),
        },
        "area": {
            "m2": (1, 0), "cm2": (1e-4, 0), "km2": (1e6, 0), "ha": (1e4, 0), "acre": (4046.8564224, 0),
            "ft2": (0.09290304, 0), "mi2": (2589988.110336, 0),
        },
        "volume": {
            "L": (1, 0), "mL": (1e-3, 0), "cL": (1e-2, 0), "dL": (0.1, 0), "m3": (1e3, 0), "cm3": (1e-3, 0),
            "gal": (3.785411784, 0), "pt": (0.473176473, 0), "floz": (0.0295735295625, 0), "ft3": (28.316846592, 0),
        },
        "pressure": {
            "Pa": (1, 0), "hPa": (100, 0), "kPa": (1e3, 0), "MPa": (1e6, 0), "bar": (1e5, 0), "mbar": (100, 0),
            "atm": (101325, 0), "mmHg": (101325 / 760, 0), "inHg": (3386.389, 0), "psi": (6894.757293168361, 0),
        },
        "energy": {
            "J": (1, 0), "kJ": (1e3, 0), "MJ": (1e6, 0), "Wh": (3600, 0), "kWh": (3.6e6, 0), "MWh": (3.6e9, 0),
            "cal": (4.184, 0), "kcal": (4184, 0),
        },
        "power": {"W": (1, 0), "mW": (1e-3, 0), "kW": (1e3, 0), "MW": (1e6, 0), "GW": (1e9, 0), "hp": (745.6998715822702, 0)},
        "angle": {"deg": (1, 0), "rad": (57.29577951308232, 0)},
        "share": {"1": (1, 0), "%": (0.01, 0), "‰": (1e-3, 0), "ppm": (1e-6, 0)},
        "data": {
            "B": (1, 0), "kB": (1e3, 0), "MB": (1e6, 0), "GB": (1e9, 0), "TB": (1e12, 0),
            "KiB": (2**10, 0), "MiB": (2**20, 0), "GiB": (2**30, 0), "TiB": (2**40, 0),
        },
        "frequency": {"Hz": (1, 0), "kHz": (1e3, 0), "MHz": (1e6, 0), "GHz": (1e9, 0), "rpm": (1 / 60, 0)},
    }
)  # fmt: skip

_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "meter": "m", "metre": "m", "kilometer": "km", "kilometre": "km", "centimeter": "cm", "millimeter": "mm", "inch": "in",
        "inches": "in", '"': "in", "foot": "ft", "feet": "ft", "'": "ft", "yard": "yd", "mile": "mi", "kilogram": "kg",
        "gram": "g", "milligram": "mg", "tonne": "t", "ounce": "oz", "pound": "lb", "lbs": "lb", "stone": "st", "second": "s",
        "sec": "s", "minute": "min", "hour": "h", "hr": "h", "hrs": "h", "day": "d", "weeks": "week", "yr": "year",
        "C": "°C", "℃": "°C", "degC": "°C", "celsius": "°C", "F": "°F", "℉": "°F", "degF": "°F", "fahrenheit": "°F",
        "kelvin": "K", "kph": "km/h", "kmh": "km/h", "mps": "m/s", "mi/h": "mph", "knot": "kn", "kt": "kn", "m²": "m2",
        "km²": "km2", "cm²": "cm2", "ft²": "ft2", "hectare": "ha", "acres": "acre", "l": "L", "ml": "mL", "cl": "cL", "dl": "dL",
        "liter": "L", "litre": "L", "m³": "m3", "cm³": "cm3", "cc": "cm3", "gallon": "gal", "pint": "pt", "degree": "deg",
        "°": "deg", "radian": "rad", "percent": "%", "byte": "B", "KB": "kB", "watt": "W", "joule": "J", "hertz": "Hz",
        "㎞": "km", "㎝": "cm", "㎜": "mm", "㎏": "kg", "㎡": "m2", "킬로미터": "km", "미터": "m", "센티미터": "cm",
        "킬로그램": "kg", "그램": "g", "톤": "t", "초": "s", "분": "min", "시간": "h", "일": "d", "도": "°C",
    }
)  # fmt: skip

UNITS: Final[Mapping[str, tuple[str, float, float]]] = MappingProxyType(
    {
        unit: (quantity, factor, offset)
        for quantity, units in _QUANTITIES.items()
        for unit, (factor, offset) in units.items()
    }
)
"""unit → (quantity, factor, offset)."""


def canonical(unit: str) -> str:
    """The unit's own name. Raises ValueError for one that is not known."""
    name = unit.strip()
    for form in (name, name.removesuffix("s"), name.lower(), name.lower().removesuffix("s")):
        if form in UNITS:
            return form
        if form in _ALIASES:
            return _ALIASES[form]
    raise ValueError(f"the unit {unit!r:.40} is not known. Known: {', '.join(UNITS)}")


def converted(value: float, given: str, wanted: str) -> float:
    """A value in `given` as one in `wanted`. Raises ValueError for units that are unknown or of two quantities.

    >>> round(converted(12, "mi", "km"), 3)
    19.312
    """
    (ours, factor, offset), (theirs, to_factor, to_offset) = UNITS[canonical(given)], UNITS[canonical(wanted)]
    if ours != theirs:
        raise ValueError(f"{given!r} is a unit of {ours}, and this field is in {wanted!r}, of {theirs}")
    return value if factor == to_factor and offset == to_offset else (value * factor + offset - to_offset) / to_factor
