"""A message as it is kept: a row of the collection, its place in plain metadata that can be filtered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from adjoin.errors import StoreError
from adjoin.llm.base import Role
from adjoin.llm.memory.folding import Fact
from adjoin.types import Document, Hit

State: TypeAlias = Literal["live", "folded", "superseded"]

STATES: Final[tuple[State, ...]] = ("live", "folded", "superseded")
STATE: Final = "memory"
"""The key that only rows of a memory have, with the message's state."""

OWN_KEYS: Final = (
    STATE, "user", "session", "role", "at", "n", "spot", "importance", "times", "first_at", "same", "terms", "about",
    "facts", "only_facts", "replaced_by", "replaces", "exchange",
)  # fmt: skip

_OWN: Final = frozenset(OWN_KEYS)


@dataclass(frozen=True, slots=True)
class Record:
    """One remembered message.

    at: seconds since 1970 UTC by the clock of the moment. n: its number among the user's messages, which only rises.
    place: its number in its session, from 1. importance: 0 to 1. times: how often it was said, with those folded into it,
    first at first_at. state: `folded` into, or `superseded` by, the messages replaced_by; replaces: the other way round.
    facts: what it says, each with the id of the message that superseded it, or None. only_facts: it says nothing else.
    exchange: shared by a user's message and the answer that were stored together.
    """

    id: str
    user: str
    session: str
    role: Role
    text: str
    at: float
    n: int
    place: int
    importance: float
    state: State = "live"
    times: int = 1
    first_at: float = 0.0
    same: str = ""
    terms: tuple[str, ...] = ()
    facts: tuple[tuple[Fact, str | None], ...] = ()
    only_facts: bool = False
    replaced_by: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    exchange: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> list[str]:
        """The attributes that it still is the word on."""
        return [fact.about for fact, by in self.facts if by is None]

    def row(self) -> dict[str, Any]:
        """The metadata to store. What is as it is for most messages is left out, so that reading many costs less."""
        usual = {"times": 1, "first_at": self.at, "about": [], "facts": [], "only_facts": False}
        links = {key: value for key, value in self.links().items() if usual.get(key, []) != value}
        return {
            **self.metadata, "user": self.user, "session": self.session, "role": self.role, "at": self.at, "n": self.n,
            "spot": spot(self.session, self.place), "importance": self.importance, "same": self.same,
            "terms": list(self.terms), **({"exchange": self.exchange} if self.exchange else {}), **links,
        }  # fmt: skip

    def links(self) -> dict[str, Any]:
        """What changes when messages fold or supersede one another."""
        return {
            STATE: self.state, "times": self.times, "first_at": self.first_at, "about": self.about,
            "facts": [[fact.about, fact.value, by] for fact, by in self.facts], "only_facts": self.only_facts,
            "replaced_by": list(self.replaced_by), "replaces": list(self.replaces),
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what only serves finding."""
        return {
            "id": self.id, "user": self.user, "session": self.session, "role": self.role, "text": self.text, "at": self.at,
            "n": self.n, "place": self.place, "importance": self.importance, "state": self.state, "times": self.times,
            "first_at": self.first_at,
            "facts": [{"about": fact.about, "value": fact.value, "superseded_by": by} for fact, by in self.facts],
            "replaced_by": list(self.replaced_by), "replaces": list(self.replaces), "exchange": self.exchange,
            "metadata": self.metadata,
        }  # fmt: skip

    def __str__(self) -> str:
        from adjoin.types import shown

        marks: list[str] = [] if self.state == "live" else [self.state]
        marks += [f"said {self.times} times"] if self.times > 1 else []
        return f"[{self.session} #{self.place}] {self.role}: {shown(self.text, 100)}" + (
            f"  ({', '.join(marks)})" if marks else ""
        )


def spot(session: str, place: int) -> str:
    """By which a session's message of that number is found at once."""
    return f"{place}@{session}"


def message_of(row: Document | Hit) -> Record:
    """The message of a row. Raises StoreError for a row that is none."""
    kept = row.metadata
    try:
        at, facts = float(kept["at"]), kept.get("facts")
        return Record(
            id=str(row.id), user=kept["user"], session=kept["session"], role=kept["role"], text=str(row.content),
            at=at, n=kept["n"], place=int(kept["spot"].partition("@")[0]), importance=kept["importance"],
            state=kept[STATE], times=kept.get("times", 1), first_at=kept.get("first_at", at), same=kept["same"],
            terms=tuple(kept["terms"]),
            facts=tuple([(Fact(about, value), by) for about, value, by in facts]) if facts else (),
            only_facts=kept.get("only_facts", False), replaced_by=tuple(kept.get("replaced_by", ())),
            replaces=tuple(kept.get("replaces", ())), exchange=kept.get("exchange"),
            metadata={} if kept.keys() <= _OWN else {key: value for key, value in kept.items() if key not in _OWN},
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise StoreError(
            f"the row {row.id!r} is marked as a memory's, but was changed by others ({type(exc).__name__}: {exc}). "
            "Delete it, or store it again with remember()."
        ) from exc
