"""Dates and times: the trend, and the cycles of year, week and day."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final, Self

from adjoin.embed.records.fields import circle
from adjoin.embed.records.kind import Kind, shown
from adjoin.errors import InvalidOption

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.embed.records.kind import Array

PARTS: Final = ("trend", "year", "week", "day")
YEAR_FIRST: Final = re.compile(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?=$|[ T])")
DAY_S: Final = 86_400.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(Kind):
    """A date, a datetime, or text of either in ISO 8601; `2024/5/1` and `2024.5.1` are read too.

    parts: `trend`, the time that passed, of variance 1; and points of circles, of the time of `year`, of the `week`, of the
    `day`, by the value's own clock. None takes those that can differ in what `fit` sees. A time without a date has only `day`.
    format: of text that is not ISO 8601, as `strptime` takes it. A value without a zone counts as UTC.
    """

    name = "date"
    aliases = ("datetime", "time", "timestamp")

    def __init__(self, *, parts: Sequence[str] | None = None, format: str | None = None) -> None:  # noqa: A002
        if isinstance(parts, str):
            parts = (parts,)
        for part in parts or ():
            if part not in PARTS:
                raise InvalidOption.unknown("part of a date", part, PARTS)
        self._parts = tuple(parts) if parts else None
        self._format = format
        self._used: tuple[str, ...] = self._parts or PARTS
        self._center, self._width = 0.0, 1.0

    @property
    def options(self) -> dict[str, Any]:
        given: dict[str, Any] = {}
        if self._parts is not None:
            given["parts"] = list(self._parts)
        if self._format is not None:
            given["format"] = self._format
        return given

    def read(self, value: Any) -> tuple[float, float, float, float]:
        """Days since 1970 in UTC; turns of the year, the week and the day in [0, 1)."""
        moment = self._moment(value)
        if isinstance(moment, time):
            if self._parts != ("day",):
                raise ValueError(f"{shown(value)} has no date; say parts=['day'] for a time alone")
            return 0.0, 0.0, 0.0, _of_day(moment)
        if not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day)
        absolute = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
        of_day = _of_day(moment.time())
        leap = moment.year % 4 == 0 and (moment.year % 100 != 0 or moment.year % 400 == 0)
        of_year = (moment.timetuple().tm_yday - 1 + of_day) / (366 if leap else 365)
        return absolute.total_seconds() / DAY_S, of_year, (moment.weekday() + of_day) / 7, of_day

    def _moment(self, value: Any) -> datetime | date | time:
        if isinstance(value, datetime | date | time):
            return value
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} is {type(value).__name__}, not a date")
        text = value.strip()
        try:
            if self._format:
                return datetime.strptime(text, self._format)
            text = YEAR_FIRST.sub(lambda found: f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}", text)
            return (
                time.fromisoformat(text)
                if self._parts == ("day",) and "-" not in text
                else datetime.fromisoformat(text)
            )
        except ValueError:
            wanted = self._format or "ISO 8601, such as 2024-05-01T09:30"
            raise ValueError(f"{shown(value)} is no date in the form {wanted}") from None

    def learn(self, values: Sequence[Any], labels: Sequence[Any] | None, folds: Sequence[int]) -> None:
        import numpy as np

        days = np.asarray([value[0] for value in values], np.float64)
        if not len(days):
            return
        self._center, self._width = float(days.mean()), float(days.std()) or 1.0
        if self._parts is None:
            of_day = {value[3] for value in values}
            weekdays = {int(value[2] * 7) for value in values}
            monthly = len({datetime.fromordinal(int(day) + 719_163).day for day in days}) == 1 and len(days) > 1
            differs = {
                "trend": True,
                "year": float(np.ptp(days)) > 60,
                "week": len(weekdays) > 1 and not monthly,
                "day": len(of_day) > 1,
            }
            self._used = tuple(part for part in PARTS if differs[part])

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        given = np.asarray(values, np.float64).reshape(-1, 4)
        columns = []
        for place, part in enumerate(PARTS):
            if part in self._used:
                columns.append(
                    (given[:, :1] - self._center) / self._width if place == 0 else circle(given[:, place], 1.0)
                )
        return np.concatenate(columns, axis=1)

    def typical(self) -> Any:
        return "12:00:00" if self._parts == ("day",) else _typical(self._format)

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return {"center": self._center, "width": self._width, "used": list(self._used)}, {}

    def restore(self, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        self._center, self._width, self._used = settings["center"], settings["width"], tuple(settings["used"])
        return self


def _typical(form: str | None) -> str:
    moment = datetime(2020, 5, 13, 18)
    return moment.strftime(form) if form else moment.isoformat()


def _of_day(clock: time) -> float:
    return (clock.hour * 3600 + clock.minute * 60 + clock.second + clock.microsecond / 1e6) / DAY_S
