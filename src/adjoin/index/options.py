"""The parameters of an index family: their names, defaults and ranges, and the ladder of its effort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from adjoin.errors import InvalidOption

Params: TypeAlias = Mapping[str, Any]

DEFAULT_LADDER = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class Option:
    """A whole number from low to high, or one of some choices. default: None where it is chosen from the data."""

    default: int | str | None
    low: int = 1
    high: int = 2**31 - 1
    choices: tuple[int | str, ...] = ()

    def checked(self, name: str, value: Any) -> int | str | None:
        if value is None and self.default is None:
            return None
        if self.choices:
            if isinstance(value, bool) or value not in self.choices:
                known = ", ".join(str(choice) for choice in self.choices)
                raise InvalidOption(f"{name} is {value!r}; it can be {known}.")
            return value  # type: ignore[no-any-return]  # one of the choices
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise InvalidOption(f"{name} is {value!r}; it must be a whole number from {self.low} to {self.high}.")
        return value


def filled_in(family: str, options: Mapping[str, Option], params: Params) -> dict[str, Any]:
    """All options of a family, those not given by their defaults. Raises InvalidOption, naming what is known."""
    for name in params:
        if name not in options:
            raise InvalidOption.unknown(f"parameter of the index {family!r}:", name, options or ("none",))
    return {name: option.checked(name, params.get(name, option.default)) for name, option in options.items()}


def ladder(most: int, positions: tuple[int, ...] = DEFAULT_LADDER) -> tuple[int, ...]:
    """The positions below `most`, and then `most` itself if it is within their range."""
    below = tuple(position for position in positions if position < most)
    return (*below, most) if most <= positions[-1] else below
