"""How long messages are kept, and how many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adjoin.errors import InvalidOption
from adjoin.llm.memory.record import Record

SMALL_TALK = 0.05
"""Importance up to which a message counts as small talk."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits, each None for no limit. They are applied by every write, to the user who is written for, and by `tidy()`.

    ttl_s: seconds after which a message is no longer recalled, and goes. small_talk_ttl_s: the same for small talk.
    max_messages: of one user; beyond it go first what is folded, then what is superseded, then the least important, the
    oldest first. An exchange goes whole, by the more important of its two messages.
    max_characters: of one message; a longer one is refused. The answers of `chat` are kept whole.
    """

    ttl_s: float | None = None
    small_talk_ttl_s: float | None = None
    max_messages: int | None = None
    max_characters: int | None = None

    def __post_init__(self) -> None:
        for name in ("ttl_s", "small_talk_ttl_s"):
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf
            ):
                raise InvalidOption(f"{name} is a number of seconds above 0, or None, not {value!r}.")
        for name in ("max_messages", "max_characters"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InvalidOption(f"{name} is a whole number of 1 or more, or None, not {value!r}.")
        if self.max_messages == 1:
            raise InvalidOption("max_messages is 2 or more, so that an exchange has room, not 1.")

    @property
    def has_limits(self) -> bool:
        return any(value is not None for value in (self.ttl_s, self.small_talk_ttl_s, self.max_messages))

    def is_expired(self, record: Record, now: float) -> bool:
        return self.expires(record.at, record.importance, now)

    def expires(self, at: float, importance: float, now: float) -> bool:
        """Whether a message of that time and importance has had its time."""
        if self.ttl_s is not None and now - at > self.ttl_s:
            return True
        return self.small_talk_ttl_s is not None and importance <= SMALL_TALK and now - at > self.small_talk_ttl_s

    def leaving(self, records: Sequence[Record], now: float) -> list[Record]:
        """Those of one user's messages that have to go."""
        units = _units(records)
        gone = [unit for unit in units if all(self.is_expired(one, now) for one in unit)]
        kept = [unit for unit in units if unit not in gone]
        excess = sum(map(len, kept)) - (self.max_messages or math.inf)
        for unit in sorted(kept, key=_worth):
            if excess <= 0:
                break
            gone.append(unit)
            excess -= len(unit)
        return [one for unit in gone for one in unit]


def _units(records: Iterable[Record]) -> list[list[Record]]:
    """Messages that stay or go together."""
    units: dict[str, list[Record]] = {}
    for record in records:
        units.setdefault(record.exchange or record.id, []).append(record)
    return list(units.values())


def _worth(unit: list[Record]) -> tuple[int, float, int]:
    rank = {"folded": 0, "superseded": 1, "live": 2}
    # Tenths, so that age decides between messages that are about as important.
    return (
        max(rank[one.state] for one in unit),
        round(max(one.importance for one in unit), 1),
        max(one.n for one in unit),
    )
