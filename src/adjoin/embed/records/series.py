"""Time series: level, trend, seasonality and spectrum of a run of numbers at equal steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from adjoin.embed.records.kind import Kind, number_of, shown
from adjoin.embed.records.rows import is_missing
from adjoin.errors import InvalidOption

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.embed.records.kind import Array

ASPECTS: Final = ("level", "trend", "seasonality", "spectrum")
WIDTHS: Final = {"level": 2, "trend": 1, "seasonality": 3}
SEASONS: Final = 2
"""A series is this many periods long at least before it has a seasonality."""


class Run(Kind):
    """Numbers at equal steps, of any length; values missing inside are put on the line between their neighbours.

    aspects: which of `level` (mean, and logarithm of the standard deviation), `trend` (rise of the fitted line from start to end,
    in standard deviations), `seasonality` (share of the variance without the trend that repeats with the period, and where its
    wave stands) and `spectrum` (share of the power in `bands` bands of equal width up to half a cycle a step). Each aspect
    counts alike. period: in steps; None takes the one that is strongest in what `fit` sees.
    """

    name = "series"
    aliases = ("timeseries", "time series", "run", "signal")

    def __init__(self, *, period: int | None = None, bands: int = 8, aspects: Sequence[str] = ASPECTS) -> None:
        for aspect in aspects:
            if aspect not in ASPECTS:
                raise InvalidOption.unknown("aspect of a series", aspect, ASPECTS)
        for what, value, least in (("period", period, 2), ("bands", bands, 1)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise InvalidOption(f"{what} of a series is a whole number of {least} or more, not {value!r}.")
        self._given_period, self._bands = period, bands
        self._aspects = tuple(aspect for aspect in ASPECTS if aspect in aspects)
        if not self._aspects:
            raise InvalidOption(f"a series needs one aspect at least of {', '.join(ASPECTS)}.")
        self._period = period
        self._center: Array | None = None
        self._width: Array | None = None

    @property
    def options(self) -> dict[str, Any]:
        given: dict[str, Any] = {}
        if self._given_period is not None:
            given["period"] = self._given_period
        if self._bands != 8:
            given["bands"] = self._bands
        if self._aspects != ASPECTS:
            given["aspects"] = list(self._aspects)
        return given

    def read(self, value: Any) -> Array | None:
        import numpy as np

        if not isinstance(value, list | tuple):
            raise ValueError(f"{shown(value)} is {type(value).__name__}, not a list of numbers")
        numbers = np.asarray([np.nan if is_missing(one) else number_of(one) for one in value], np.float64)
        known = np.flatnonzero(~np.isnan(numbers))
        return np.interp(np.arange(len(numbers)), known, numbers[known]) if len(known) else None

    def learn(self, values: Sequence[Any], labels: Sequence[Any] | None, folds: Sequence[int]) -> None:
        import numpy as np

        if not len(values):
            return
        if self._given_period is None:
            self._period = strongest_period(values)
        found = self._features(values)
        self._center = found.mean(axis=0)
        spread = found.std(axis=0)
        # The bands of a spectrum share one width, so that an empty band's noise does not count like a full one's.
        for start, end in self._spans():
            spread[start:end] = np.sqrt((spread[start:end] ** 2).sum())
        if "level" in self._aspects:  # its two columns are of different units, and count one half each
            spread[:2] = found[:, :2].std(axis=0) * 2**0.5
        self._width = np.where(spread > 0, spread, 1.0)

    def _spans(self) -> list[tuple[int, int]]:
        spans, start = [], 0
        for aspect in self._aspects:
            end = start + WIDTHS.get(aspect, self._bands)
            spans.append((start, end))
            start = end
        return spans

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        found = self._features(values)
        if self._center is None or self._width is None:
            return found
        return np.asarray(np.clip((found - self._center) / self._width, -10, 10), np.float64)

    def _features(self, values: Sequence[Array]) -> Array:
        import numpy as np

        width = self._spans()[-1][1]
        found = np.zeros((len(values), width))
        for row, numbers in enumerate(values):
            parts = aspects_of(numbers, self._period, self._bands)
            found[row] = np.concatenate([parts[aspect] for aspect in self._aspects])
        return found

    def typical(self) -> Any:
        return [0.0, 1.0, 0.0, -1.0] * 6

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        arrays = {} if self._center is None or self._width is None else {"center": self._center, "width": self._width}
        return {"period": self._period}, arrays

    def restore(self, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        self._period = settings["period"]
        self._center, self._width = arrays.get("center"), arrays.get("width")
        return self


def aspects_of(numbers: Array, period: int | None, bands: int) -> dict[str, Array]:
    """The aspects of one series of finite numbers, each an array; zeros where it is too short for one."""
    import numpy as np

    n = len(numbers)
    size = float(np.abs(numbers).max()) or 1.0
    scaled = numbers / size  # so that squares of 1e200 stay in range
    rest, slope = _without_trend(scaled)
    deviation = float(scaled.std())
    around = float(rest.std())
    if deviation < 1e-9:  # rounding of a constant
        deviation = around = 0.0
    level = np.array([float(scaled.mean()) * size, np.log1p(deviation * size)])
    trend = np.array([slope * (n - 1) / deviation if deviation else 0.0])
    seasonality = np.zeros(3)
    if period is not None and n >= SEASONS * period and around > 1e-9 * deviation > 0:
        phases = np.arange(n) % period
        profile = np.bincount(phases, rest, period) / np.bincount(phases, minlength=period)
        turns = 2 * np.pi * np.arange(n) / period
        wave = np.array([(rest * np.cos(turns)).mean(), (rest * np.sin(turns)).mean()]) * 2**0.5 / around
        seasonality = np.array([float(profile[phases].var() / rest.var()), *wave])
    shares = np.zeros(bands)
    if n >= 4 and around > 1e-9 * deviation > 0:
        power = _power(rest)
        band = np.minimum((np.arange(1, len(power) + 1) * bands - 1) // len(power), bands - 1)
        shares = np.bincount(band, power, bands) / power.sum()
    return {"level": level, "trend": trend, "seasonality": seasonality, "spectrum": shares}


def _without_trend(numbers: Array) -> tuple[Array, float]:
    """What is left when the line of least squares is taken away, and its slope a step."""
    import numpy as np

    steps = np.arange(len(numbers)) - (len(numbers) - 1) / 2
    squares = float((steps**2).sum())
    slope = float((steps * numbers).sum() / squares) if squares else 0.0
    return numbers - numbers.mean() - slope * steps, slope


def _power(rest: Array) -> Array:
    """The periodogram at frequencies above 0, under a Hann window; of 64 steps at least, short ones being filled with zeros."""
    import numpy as np

    window = np.hanning(len(rest) + 2)[1:-1]
    return np.asarray(np.abs(np.fft.rfft(rest * window, max(64, len(rest))))[1:] ** 2, np.float64)


def strongest_period(values: Sequence[Array], least: int = 2) -> int | None:
    """The period in whole steps that explains most of the variance around the trends; None where no series is long enough.

    Cost: O(n log n) a series, by the spectrum, of the first 1,000 series.
    """
    import numpy as np

    length = max((len(numbers) for numbers in values), default=0)
    if length < 4 * least:
        return None
    size = 1 << (4 * length - 1).bit_length()
    total = np.zeros(size // 2 + 1)
    for numbers in values[:1000]:
        scaled = numbers / (float(np.abs(numbers).max()) or 1.0)
        rest, _ = _without_trend(scaled)
        if rest.std() > 1e-9:
            power = np.abs(np.fft.rfft(rest / rest.std() * np.hanning(len(rest) + 2)[1:-1], size)) ** 2
            total += power / power.sum()
    low = -(-size * SEASONS // length)  # SEASONS periods fit into the longest
    if low >= len(total) or not total[low:].any():
        return None
    return max(least, round(size / (low + int(total[low:].argmax()))))
