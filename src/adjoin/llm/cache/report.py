"""What a cache did and saved, and how often it was wrong as far as is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from adjoin.llm.cache.threshold import OFF, Threshold
from adjoin.types import as_html

COUNTED = (
    "lookups", "exact", "semantic", "misses", "shared", "stale", "expired", "stored", "failed", "passed_by", "verified", "wrong",
    "unverified", "prompt_tokens", "completion_tokens", "seconds",
)  # fmt: skip


def total(counters: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sum over instances, key by key."""
    found: dict[str, float] = {}
    for one in counters:
        for key, value in one.items():
            found[key] = found.get(key, 0) + value
    return found


@dataclass(frozen=True, slots=True)
class CacheReport:
    """Counts of all instances on the collection. hits that were refused are among the misses.

    refused: the guards' kind → how often the nearest question was kept apart by it. wrong_rate: of the hits that were sent to
    the model as well, the share whose answer differed; None while none was. interval: of that share, Wilson at 95 %.
    prompt_tokens, completion_tokens: that the hits would have cost, where the model had told. money: by the price given.
    seconds: that the model had needed for the answers that were found.
    """

    entries: int
    lookups: int
    exact_hits: int
    semantic_hits: int
    misses: int
    refused: dict[str, int]
    shared: int
    stale: int
    expired: int
    stored: int
    failed: int
    passed_by: int
    verified: int
    unverified: int
    wrong: int
    wrong_rate: float | None
    interval: tuple[float, float] | None
    error_budget: float
    threshold: Threshold
    labels: int
    prompt_tokens: int
    completion_tokens: int
    money: float | None
    currency: str
    seconds: float
    notes: tuple[str, ...] = field(default=())

    @property
    def hits(self) -> int:
        return self.exact_hits + self.semantic_hits

    @property
    def hit_rate(self) -> float | None:
        """None before the first lookup."""
        return self.hits / self.lookups if self.lookups else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        plain = asdict(self)
        plain["threshold"] = self.threshold._asdict()
        return plain | {"hits": self.hits, "hit_rate": self.hit_rate}

    def __str__(self) -> str:
        rate = "none yet" if self.hit_rate is None else f"{self.hit_rate:.1%}"
        wrong = "not measured yet"
        if self.wrong_rate is not None and self.interval is not None:
            low, high = self.interval
            wrong = f"{self.wrong_rate:.2%} [{low:.2%}, {high:.2%}], {self.wrong} of {self.verified:,} sent to the model as well"
        refused = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.refused.items(), key=lambda kv: -kv[1]))
        needed = "exact hits alone" if self.threshold.value >= OFF else f"cosine {self.threshold.value:.3f}"
        judged = f", {self.threshold.wrong} of {self.threshold.judged:,} labels wrong" if self.threshold.judged else ""
        lines = [
            f"entries: {self.entries:,}",
            f"lookups: {self.lookups:,}; hit rate {rate}: {self.exact_hits:,} exact, {self.semantic_hits:,} semantic; "
            f"{self.misses:,} misses",
            f"refused by a guard: {refused or 'none'}",
            f"wrong hits: {wrong}; budget {self.error_budget:.2%}",
            f"threshold: {needed} ({self.threshold.source}{judged})",
            f"shared calls: {self.shared:,}; stored {self.stored:,}; failed {self.failed:,}; passed by {self.passed_by:,}; "
            f"expired {self.expired:,}; stale {self.stale:,}",
            f"saved: {self.prompt_tokens:,} + {self.completion_tokens:,} tokens"
            + ("" if self.money is None else f", {self.money:,.4f} {self.currency}")
            + f", {self.seconds:,.1f} s of the model",
        ]
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        return as_html(str(self))


def wilson(wrong: int, judged: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval of a share (Wilson, 1927), 95 % by default."""
    share = wrong / judged
    middle = (share + z * z / (2 * judged)) / (1 + z * z / judged)
    half = z * (share * (1 - share) / judged + z * z / (4 * judged * judged)) ** 0.5 / (1 + z * z / judged)
    return max(0.0, middle - half), min(1.0, middle + half)
