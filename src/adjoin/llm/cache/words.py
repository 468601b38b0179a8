"""What questions are taken apart into."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from adjoin.llm.cache import korean

MARKS: Final = range(0xE100, 0xF8FF)
"""Characters without a meaning of their own, each of which stands for what was taken out of the text."""
MARKED: Final = re.compile("[\ue100-\uf8fe]")


class Word(NamedTuple):
    """kind: "word", "number", "date", "time", "code" or "quote". key: equal keys are equal words; for a Korean word of no known
    group it is the word itself, which `same` compares by stem. role: the part it has by its preposition or particle."""

    kind: str
    key: str
    text: str
    role: str = ""
    capital: bool = False
    hangul: bool = False
    suffix: korean.Suffix | None = None

    def same(self, other: Word) -> bool:
        if self.kind != other.kind:
            return False
        if self.key == other.key:
            return True
        return (
            self.hangul and other.hangul and self.suffix is None and other.suffix is None
            and korean.same_word(self.key, other.key) is not None
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """language: of the writing, "hangul", "latin" and others. asks: kinds of question, sorted. persons: "1" who asks, "2" who is
    asked. negated: each negator with the word after it. asked_role: whether who or what is asked for does it or has it done, in Korean.
    exact: what equal questions share, by which they are found again."""

    text: str
    language: str
    words: tuple[Word, ...]
    asks: tuple[str, ...]
    negated: tuple[str, ...]
    negations: int
    modals: frozenset[str]
    mood: str
    past: bool
    future: bool
    persons: frozenset[str]
    asked_role: str
    exact: str


class Parts:
    """What is gathered while a question is read."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.asks: set[str] = set()
        self.negated: list[str] = []
        self.negations = 0
        self.modals: frozenset[str] = frozenset()
        self.mood = ""
        self.past = self.future = False
        self.persons: set[str] = set()
        self.asked_role = ""

    def finished(self, text: str, language: str, exact: str) -> Reading:
        return Reading(
            text, language, tuple(self.words), tuple(sorted(self.asks)), tuple(sorted(self.negated)), self.negations,
            self.modals, self.mood, self.past, self.future, frozenset(self.persons), self.asked_role, exact,
        )  # fmt: skip
