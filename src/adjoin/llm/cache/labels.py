"""Pairs of questions of which it is known whether one answer serves both, and what is learned from them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from adjoin.errors import InvalidInput
from adjoin.llm.cache.entries import KIND, check_question, digest
from adjoin.llm.cache.guards import compare, differing
from adjoin.llm.cache.threshold import Label, Threshold, choose, shipped
from adjoin.types import Item

if TYPE_CHECKING:
    from adjoin.collection import Collection

DEFAULT_MODEL = "default"


@dataclass(frozen=True, slots=True)
class Learned:
    """pairs: taken in. let_pass: by the guards; the threshold is learned from these alone. equal: pairs of words that are now one."""

    pairs: int
    let_pass: int
    wrong: int
    equal: int
    threshold: Threshold

    def __str__(self) -> str:
        return (
            f"{self.pairs:,} pairs, {self.let_pass:,} let pass by the guards, {self.wrong:,} of them wrong; {self.equal:,} pairs of words "
            f"are equal now; threshold {self.threshold.value:.3f} ({self.threshold.source}, at most {self.threshold.bound:.2%} wrong)"
        )


@dataclass(frozen=True, slots=True)
class Pair:
    one: str
    other: str
    same: bool
    score: float
    source: Literal["given", "shadow"]
    model: str = ""


class Labels:
    """The labelled pairs of a collection, kept in rows of their own; those of other processes are seen when it is loaded again."""

    def __init__(self, collection: Collection, budget: float) -> None:
        self._collection, self._budget = collection, budget
        self._lock = threading.Lock()
        self._pairs: list[Pair] | None = None
        self._threshold: Threshold | None = None
        self._equal: frozenset[frozenset[str]] = frozenset()
        self._passed = (0, 0)
        self._loaded = 0.0

    @property
    def threshold(self) -> Threshold:
        self._load()
        assert self._threshold is not None
        return self._threshold

    @property
    def equal(self) -> frozenset[frozenset[str]]:
        self._load()
        return self._equal

    def __len__(self) -> int:
        self._load()
        return len(self._pairs or ())

    def _load(self, *, again_after_s: float = 300.0) -> None:
        now = time.monotonic()
        if self._pairs is not None and now - self._loaded < again_after_s:
            return
        rows = [
            Pair(m["one"], m["other"], m["same"], m["score"], m["source"], m["model"])
            for m in (row.metadata for row in self._collection.scan({KIND: "label"}))
        ]
        with self._lock:
            self._pairs, self._loaded = rows, now
            self._learn()

    def _learn(self) -> None:
        """Words that are equal, from pairs that differ in one word each; the threshold, from the pairs that taught no words."""
        assert self._pairs is not None
        apart = {words for pair in self._pairs if not pair.same and (words := differing(pair.one, pair.other))}
        taught = {
            (pair.one, pair.other): words
            for pair in self._pairs
            if pair.same and pair.source == "given" and (words := differing(pair.one, pair.other))
        }
        self._equal = frozenset(taught.values()) - apart
        model = self._fingerprint()  # cosines of another model tell nothing of this one's
        let_pass = [
            Label(pair.score, pair.same)
            for pair in self._pairs
            if pair.model == model
            and (pair.one, pair.other) not in taught
            and compare(pair.one, pair.other, self._equal) is None
        ]
        self._passed = len(let_pass), sum(not label.same for label in let_pass)
        start = shipped(self._budget, default_model=self._collection_model() == DEFAULT_MODEL)
        self._threshold = choose(let_pass, self._budget, start)

    def _fingerprint(self) -> str:
        identity = getattr(self._collection.embedder, "identity", None)
        return "" if identity is None else digest(identity.to_json())

    def _collection_model(self) -> str:
        return str(getattr(getattr(self._collection.embedder, "identity", None), "name", ""))

    def add(self, pairs: Sequence[Pair], vectors: Any) -> Learned:
        """Keep them, in one write, and learn. vectors: of each pair's first question."""
        self._load()
        pairs = [replace(pair, model=self._fingerprint()) for pair in pairs]
        items = [
            Item(
                pair.one, f"cache-label:{uuid.uuid4().hex}",
                {KIND: "label", "one": pair.one, "other": pair.other, "same": pair.same, "score": pair.score,
                 "source": pair.source, "model": pair.model, "at": time.time()},
                vector,
            )
            for pair, vector in zip(pairs, vectors, strict=True)
        ]  # fmt: skip
        if items:
            self._collection.add(items)
        with self._lock:
            assert self._pairs is not None
            self._pairs += pairs
            self._learn()
            assert self._threshold is not None
            return Learned(len(pairs), *self._passed, len(self._equal), self._threshold)


def check_pairs(pairs: Iterable[tuple[str, str, bool]]) -> list[tuple[str, str, bool]]:
    """Raise InvalidInput naming the first that is not two texts and a bool."""
    found = []
    for position, pair in enumerate(pairs):
        try:
            one, other, same = pair
        except (TypeError, ValueError):
            raise InvalidInput(
                f"pair {position} is {pair!r:.80}; learn() takes (question, question, same). Nothing was learned."
            ) from None
        if not isinstance(same, bool):
            raise InvalidInput(f"pair {position} says {same!r:.40} where it takes True or False. Nothing was learned.")
        found.append((check_question(one), check_question(other), same))
    return found
