"""What a cache gives back: hits, answers, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adjoin.llm.base import Reply
from adjoin.llm.cache.guards import Refusal
from adjoin.types import Id, as_html


@dataclass(frozen=True, slots=True)
class CacheHit:
    """An answer that was found. question: the one it was given to. score: the cosine of the two, 1.0 for an exact hit.
    why: what made it a hit. age_s: since it was stored. metadata: of the entry."""

    answer: str
    question: str
    score: float
    exact: bool
    why: str
    age_s: float
    id: Id
    metadata: Mapping[str, Any] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.answer


@dataclass(frozen=True, slots=True)
class Answered:
    """What `ask` gives. hit: None where the model was called. shared: another caller's call at the same moment gave it.
    stored: it is on disk. reply: the model's own, None for a hit."""

    text: str
    hit: CacheHit | None = None
    reply: Reply | None = None
    shared: bool = False
    stored: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Considered:
    """A stored question that was near. refusal: why it is no hit, None where it is one."""

    question: str
    score: float
    refusal: Refusal | None
    id: Id


@dataclass(frozen=True, slots=True)
class CacheExplanation:
    """Why a lookup hits or misses: the nearest stored questions of the scope, nearest first, each with what refused it."""

    question: str
    hit: CacheHit | None
    threshold: float
    considered: tuple[Considered, ...]
    entries: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        hit = self.hit and {
            name: getattr(self.hit, name) for name in ("answer", "question", "score", "exact", "why", "age_s", "id")
        }
        return {
            "question": self.question, "hit": hit, "threshold": self.threshold, "entries": self.entries,
            "considered": [
                {"question": one.question, "score": one.score, "id": one.id, "refusal": one.refusal and one.refusal._asdict()}
                for one in self.considered
            ],
        }  # fmt: skip

    def __str__(self) -> str:
        head = f"hit: {self.hit.why}" if self.hit else "no hit"
        lines = [f"{head} (needs a cosine of {self.threshold:.3f}; {self.entries:,} entries in this scope)"]
        for one in self.considered:
            verdict = "taken" if one.refusal is None else f"{one.refusal.kind}: {one.refusal.why}"
            lines.append(f"  {one.score:.4f}  {one.question!r:.80}  {verdict}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return as_html(str(self))
