"""Numbers, angles, booleans, ordered categories and places on the earth."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, get_args

from adjoin.embed.records.kind import Kind, number_of, shown
from adjoin.embed.records.rows import LATITUDES, LONGITUDES
from adjoin.embed.records.units import canonical, converted
from adjoin.errors import InvalidOption, MissingExtra

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.embed.records.kind import Array

Scale: TypeAlias = Literal["robust", "standard", "log", "quantile", "none"]
SCALES: tuple[Scale, ...] = get_args(Scale)
MOST_QUANTILES: Final = 1000
_AT_THE_END: Final = 1e-7
"""So near to the least and the greatest, values stand at the ends; scikit-learn's bound."""

_MEASURE = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*?)\s*")
TRUE: Final = frozenset({"true", "yes", "y", "t", "1", "on", "예", "네", "참"})
FALSE: Final = frozenset({"false", "no", "n", "f", "0", "off", "아니오", "아니요", "거짓"})


def sklearn(purpose: str) -> Any:
    """scikit-learn's module of preprocessing."""
    try:
        from sklearn import preprocessing
    except ImportError as exc:
        raise MissingExtra.of("scikit-learn", "learn", purpose) from exc
    return preprocessing


def measure_of(value: Any) -> tuple[Any, str | None]:
    """A value and its unit, from `12`, `"12 km"`, `(12, "km")` or `{"value": 12, "unit": "km"}`."""
    if isinstance(value, Mapping) and set(value) == {"value", "unit"}:
        return value["value"], str(value["unit"])
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[1], str):
        return value[0], value[1]
    if isinstance(value, str):
        found = _MEASURE.fullmatch(value)
        if found and not found[2][0].isdigit():
            return found[1], found[2]
    return value, None


class Number(Kind):
    """A number on a scale that outliers do not stretch.

    scale: `robust` subtracts the median and divides by the distance of the quartiles; `standard` by the standard deviation;
    `log` takes sign(x)·log(1 + |x|/median of |x|) first, for what spans magnitudes; `quantile` is the share of values below,
    in [0, 1]; `none` leaves the number. clip: scaled values beyond ± this stand at it. unit: of the values; one that names
    another unit of the same quantity is converted.
    """

    name = "number"
    aliases = ("numeric", "float", "int", "integer", "real")

    def __init__(self, *, scale: Scale = "robust", unit: str | None = None, clip: float | None = 10.0) -> None:
        if scale not in SCALES:
            raise InvalidOption.unknown("scale of a number", scale, SCALES)
        if clip is not None and not clip > 0:
            raise InvalidOption(f"clip is a number above 0, or None, not {clip!r}.")
        self._scale, self._clip, self._unit = scale, clip, unit
        if unit is not None:
            try:
                self._unit = canonical(unit)
            except ValueError as exc:
                raise InvalidOption(f"{exc}.") from None
        self._unit_of_magnitude = 1.0
        self._center, self._width = 0.0, 1.0
        self._quantiles: Array | None = None

    @property
    def options(self) -> dict[str, Any]:
        given: dict[str, Any] = {"scale": self._scale}
        if self._unit is not None:
            given["unit"] = self._unit
        if self._clip != 10.0:
            given["clip"] = self._clip
        return given

    def read(self, value: Any) -> float:
        if type(value) is float and math.isfinite(value):  # the common case, kept cheap
            return value
        raw, unit = measure_of(value)
        if unit is None:
            return number_of(raw)
        if self._unit is None:
            raise ValueError(f"{shown(value)} has a unit, and the field has none; say unit={unit!r} in the schema")
        return number_of(converted(number_of(raw), unit, self._unit))

    def learn(self, values: Sequence[Any], labels: Sequence[Any] | None, folds: Sequence[int]) -> None:
        import numpy as np

        given = np.asarray(values, np.float64).reshape(-1, 1)
        if not len(given):
            return
        if self._scale == "log":
            sizes = np.abs(given[given != 0])
            self._unit_of_magnitude = float(np.median(sizes)) if len(sizes) else 1.0
        given = self._compressed(given)
        made = sklearn("The embedder 'records'")
        if self._scale in ("robust", "log"):
            scaler = made.RobustScaler().fit(given)
            self._center, self._width = float(scaler.center_[0]), float(scaler.scale_[0])
            if np.subtract(*np.percentile(given, [75, 25])) == 0:  # more than half are equal
                self._width = float(given.std()) or 1.0
        elif self._scale == "standard":
            scaler = made.StandardScaler().fit(given)
            self._center, self._width = float(scaler.mean_[0]), float(scaler.scale_[0])
        elif self._scale == "quantile":
            count = min(MOST_QUANTILES, len(given))
            fitted = made.QuantileTransformer(n_quantiles=count, subsample=None, random_state=0).fit(given)
            self._quantiles = np.asarray(fitted.quantiles_[:, 0], np.float64)

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        given = self._compressed(np.asarray(values, np.float64))
        if self._quantiles is not None:
            given = _share_below(given, self._quantiles)
        else:
            # Each is divided before the difference is taken: numbers of 1e308 would leave the range otherwise.
            given = given / self._width - self._center / self._width
            if self._clip is not None:
                given = np.clip(given, -self._clip, self._clip)
        return np.asarray(given[:, None], np.float64)

    def typical(self) -> Any:
        return 1.0

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        settings = {"center": self._center, "width": self._width, "magnitude": self._unit_of_magnitude}
        return settings, {} if self._quantiles is None else {"quantiles": self._quantiles}

    def restore(self, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        self._center, self._width = settings["center"], settings["width"]
        self._unit_of_magnitude = settings["magnitude"]
        self._quantiles = arrays.get("quantiles")
        return self

    def _compressed(self, given: Array) -> Array:
        import numpy as np

        if self._scale != "log":
            return given
        return np.asarray(np.sign(given) * np.log1p(np.abs(given) / self._unit_of_magnitude), np.float64)


def _share_below(given: Array, quantiles: Array) -> Array:
    """Where each value lies among the quantiles, in [0, 1]; equal quantiles give their middle, as in scikit-learn."""
    import numpy as np

    if len(quantiles) < 2:
        return np.full(given.shape, 0.5)
    shares = np.linspace(0, 1, len(quantiles))
    rising = np.interp(given, quantiles, shares)
    falling = np.interp(-given, -quantiles[::-1], -shares[::-1])
    middle = 0.5 * (rising - falling)
    middle = np.where(given - _AT_THE_END < quantiles[0], 0.0, middle)
    return np.asarray(np.where(given + _AT_THE_END > quantiles[-1], 1.0, middle), np.float64)


class Cyclic(Kind):
    """A number that comes round: an hour (period 24), a direction (360), a month (12). It becomes a point of a circle."""

    name = "cyclic"
    aliases = ("angle", "circular")

    def __init__(self, *, period: float) -> None:
        if isinstance(period, bool) or not isinstance(period, int | float) or not 0 < period < math.inf:
            raise InvalidOption(f"the period of a cyclic field is a number above 0, not {period!r}.")
        self._period = period

    @property
    def options(self) -> dict[str, Any]:
        return {"period": self._period}

    def read(self, value: Any) -> float:
        return math.fmod(number_of(value), self._period)

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        return circle(values, self._period)

    def typical(self) -> Any:
        return self._period / 4


def circle(values: Any, period: float) -> Array:
    """Points of the unit circle, shape (len(values), 2)."""
    import numpy as np

    turns = np.asarray(values, np.float64).reshape(-1) * (2 * np.pi / period)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


class Boolean(Kind):
    """Yes or no: True, False, 1, 0, or the words for them in English and Korean."""

    name = "boolean"
    aliases = ("bool",)

    @property
    def options(self) -> dict[str, Any]:
        return {}

    def read(self, value: Any) -> bool:
        if isinstance(value, bool | int | float) and value in (0, 1):
            return bool(value)
        word = value.strip().casefold() if isinstance(value, str) else ""
        if word in TRUE or word in FALSE:
            return word in TRUE
        raise ValueError(f"{shown(value)} is neither true nor false")

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        return np.asarray(values, np.float64).reshape(-1, 1)

    def typical(self) -> Any:
        return True


class Ordered(Kind):
    """A category with a place in an order, such as a size. order: all of them, lowest first, at equal steps.

    A value that is none of them gets a signal of its own, half way up.
    """

    name = "ordered"
    aliases = ("ordinal",)

    def __init__(self, *, order: Sequence[Any]) -> None:
        from adjoin.embed.records.categories import key_of

        if isinstance(order, str) or len(order) < 2:
            raise InvalidOption(f"the order of an ordered field is a list of two values or more, not {shown(order)}.")
        try:
            self._places = {key_of(value): place for place, value in enumerate(order)}
        except ValueError as exc:
            raise InvalidOption(f"in the order of an ordered field, {exc}.") from None
        if len(self._places) < len(order):
            raise InvalidOption(f"the order of an ordered field names a value twice: {shown(list(order))}.")

    @property
    def options(self) -> dict[str, Any]:
        return {"order": [value for _, value in self._places]}

    def read(self, value: Any) -> int:
        from adjoin.embed.records.categories import key_of

        return self._places.get(key_of(value), -1)

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        places = np.asarray(values, np.float64).reshape(-1)
        unseen = places < 0
        return np.stack([np.where(unseen, 0.5, places / (len(self._places) - 1)), unseen.astype(np.float64)], axis=1)

    def typical(self) -> Any:
        return next(iter(self._places))[1]


class Place(Kind):
    """A point on the earth, on the unit sphere: the distance of two grows with the way along the great circle.

    A value is (latitude, longitude) in degrees, "37.57, 126.98", or a dict with `lat` and `lon`.
    """

    name = "place"
    aliases = ("geo", "point", "location", "latlon", "coordinates")

    @property
    def options(self) -> dict[str, Any]:
        return {}

    def read(self, value: Any) -> tuple[float, float]:
        latitude, longitude = (number_of(part) for part in self._pair(value))
        if not -90 <= latitude <= 90:
            raise ValueError(f"the latitude {latitude:g} is not in [-90, 90]; a place is (latitude, longitude)")
        if not -180 <= longitude <= 360:
            raise ValueError(f"the longitude {longitude:g} is not in [-180, 360]")
        return latitude, longitude

    @staticmethod
    def _pair(value: Any) -> tuple[Any, Any]:
        if isinstance(value, Mapping):
            named = {str(key).lower(): part for key, part in value.items()}
            found: Any = [next((named[key] for key in keys if key in named), None) for keys in (LATITUDES, LONGITUDES)]
        else:
            found = value.split(",") if isinstance(value, str) else value
        if not isinstance(found, list | tuple) or len(found) != 2 or None in found:
            raise ValueError(f"{shown(value)} is no place; give (latitude, longitude) in degrees")
        return found[0], found[1]

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        angles = np.radians(np.asarray(values, np.float64).reshape(-1, 2))
        latitude, longitude = angles[:, 0], angles[:, 1]
        east = np.cos(latitude)
        return np.stack([east * np.cos(longitude), east * np.sin(longitude), np.sin(latitude)], axis=1)

    def typical(self) -> Any:
        return [37.5, 127.0]


class Ignored(Kind):
    """A field that may stand in a record and says nothing, such as a number by which it is filed."""

    name = "ignore"
    aliases = ("ignored", "id", "none")

    @property
    def options(self) -> dict[str, Any]:
        return {}

    def read(self, value: Any) -> None:
        return None

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        return np.empty((len(values), 0))

    def typical(self) -> Any:
        return None
