"""Checking an answer: which passages it cites, whether they were in the prompt, and whether they say what it says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from adjoin.llm.rag.answer import Citation, Passage, Sentence
from adjoin.llm.rag.words import covered, is_korean, is_negated, numbers, stems, terms, without_negation
from adjoin.text import Span, sentences

if TYPE_CHECKING:
    from adjoin.types import Floats

Embed: TypeAlias = "Callable[[Sequence[str]], Floats]"

_CITATION: Final = re.compile(
    r"[ \t]*[\[【](?:(?:passages?|문단|지문)\s*)?(\d{1,4}(?:\s*(?:[,;、·]|[-–~])\s*\d{1,4})*)[\]】]", re.I
)
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.S)
_RANGE: Final = re.compile(r"(\d+)\s*[-–~]\s*(\d+)")
_MOST_SENTENCES: Final = 60
"""Of one passage that are embedded; longer ones are compared by their words beyond that."""
_MOST_COMPARED: Final = 3
"""Passages that a sentence without a citation is compared with."""


_SAME_WORDS: Final = 0.75


class Weights(NamedTuple):
    """support = 1 / (1 + exp(-(base + likeness × cosine + words × overlap))). Chosen on descriptions of packages, so that nine of
    ten sentences that a passage bears out count as supported, and one of ten that its nearest neighbour says; what they
    do on others, benchmarks/rag.py measures."""

    base: float
    likeness: float
    words: float


WITHIN: Final = Weights(-3.6, 4.0, 5.5)
"""Sentence and passage in one language."""
ACROSS: Final = Weights(-3.5, 8.5, 2.0)
"""One in Korean and the other not: few words can be shared."""
ENOUGH: Final = 0.5
"""The support from which a sentence counts as supported."""


class Checked(NamedTuple):
    sentences: tuple[Sentence, ...]
    citations: dict[int, Citation]


class Cited(NamedTuple):
    """A sentence of an answer and the numbers that it cites."""

    text: str
    numbers: tuple[int, ...]


def check(
    answer: str, passages: Sequence[Passage], *, embed: Embed | None = None, background: float = 0.0, question: str = ""
) -> Checked:
    """Each sentence's support by the passages that it cites, or by the likeliest where it cites none; and what each number means.

    embed: unit vectors of texts; without it shared words alone decide. background: the mean cosine of two texts that have
    nothing to do with each other, by that embedder. Unsupported whatever it shares is a sentence with a number that stands in
    no such passage nor in the question, one that denies what the passage says in the same words, and one that cites only
    passages that are not in the prompt.
    Cost: one embedding a sentence of the answer and of each passage compared with one.
    """
    said = cited(answer)
    by_number = {passage.number: passage for passage in passages}
    wanted = dict.fromkeys(number for one in said for number in one.numbers)
    citations = {
        number: Citation(number, by_number[number].hit, by_number[number].source)
        if number in by_number
        else Citation(number, None)
        for number in wanted
    }
    held = {passage.number: stems(passage.text) for passage in passages}
    compared = [_compared(one, passages, held) for one in said]
    likeness = _likenesses([one.text for one in said], compared, embed, background)
    allowed = numbers(question)
    return Checked(
        tuple(_supported(one, row, compared[row], likeness, held, allowed) for row, one in enumerate(said)), citations
    )


def _compared(one: Cited, passages: Sequence[Passage], held: dict[int, set[str]]) -> list[Passage]:
    """The passages that a sentence cites; where it cites none, those that share most words with it."""
    if one.numbers:
        return [passage for passage in passages if passage.number in one.numbers]
    wanted = terms(one.text)
    return sorted(passages, key=lambda passage: -covered(wanted, held[passage.number]))[:_MOST_COMPARED]


def _supported(
    one: Cited,
    row: int,
    compared: Sequence[Passage],
    likeness: dict[tuple[int, int], float] | None,
    held: dict[int, set[str]],
    allowed: set[str],
) -> Sentence:
    if not compared:
        why = "what it cites was not in the prompt" if one.numbers else "there is no passage"
        return Sentence(one.text, 0.0, False, one.numbers, None, why)
    wanted = terms(one.text)
    scored = [
        (support(covered(wanted, held[passage.number]), None if likeness is None else likeness[row, passage.number],
                 across=is_korean(one.text) != is_korean(passage.text)), -passage.number)
        for passage in compared
    ]  # fmt: skip
    best, number = max(scored)
    foreign = numbers(one.text) - allowed - set().union(*(numbers(f"{p.text}\n{p.source}") for p in compared))
    why = ""
    if foreign:
        why = f"{', '.join(sorted(foreign))} is not in {'what it cites' if one.numbers else 'the passages'}"
    elif any(is_denied(one.text, passage.text) for passage in compared if passage.number == -number):
        why = "the passage says the opposite in the same words"
    elif best < ENOUGH:
        why = f"the {'cited ' if one.numbers else ''}passages hardly say so"
    return Sentence(one.text, min(best, ENOUGH / 2) if why else best, not why, one.numbers, -number, why)


def is_denied(sentence: str, passage: str) -> bool:
    """Whether the passage's sentence that is most like this one says that it is not so, or the other way round.

    Only where each has nearly all of the other's words: "do not use it there, use it here" denies nothing.
    """
    said, negated = without_negation(sentence), is_negated(sentence)
    wanted, held = terms(said), stems(said)
    nearest, denied = 0.0, False
    for start, end in sentences(passage)[:_MOST_SENTENCES]:
        other = passage[start:end]
        bare = without_negation(other)
        alike = min(covered(wanted, stems(bare)), covered(terms(bare), held))
        if alike > nearest:
            nearest, denied = alike, is_negated(other) != negated
    return denied and nearest >= _SAME_WORDS


def support(overlap: float, likeness: float | None, *, across: bool = False) -> float:
    """From 0 to 1. overlap: the share of the sentence's words in the passage. likeness: the cosine of the sentence to the
    nearest of the passage, above the background; None without an embedder, and then the words alone decide."""
    if likeness is None:
        return overlap
    weights = ACROSS if across else WITHIN
    return 1 / (1 + math.exp(-(weights.base + weights.likeness * likeness + weights.words * overlap)))


def _likenesses(
    said: Sequence[str], compared: Sequence[Sequence[Passage]], embed: Embed | None, background: float
) -> dict[tuple[int, int], float] | None:
    """(row of the sentence, number of the passage) → the cosine to its nearest sentence, 0 at the background."""
    needed = {passage.number: passage for some in compared for passage in some}
    if embed is None or not needed:
        return None
    parts: list[str] = []
    spans: dict[int, slice] = {}
    for number, passage in needed.items():
        begin = len(parts)
        found = sentences(passage.text)[:_MOST_SENTENCES]
        parts += [passage.text[span.start : span.end] for span in found] or [passage.text]
        spans[number] = slice(begin, len(parts))
    vectors = embed([*said, *parts])
    cosines = vectors[: len(said)] @ vectors[len(said) :].T  # (sentences, parts)
    scaled = (cosines - background) / max(1e-6, 1 - background)
    return {
        (row, passage.number): float(np.max(scaled[row, spans[passage.number]]))
        for row, some in enumerate(compared)
        for passage in some
    }


def cited(answer: str) -> list[Cited]:
    """The sentences of an answer without their citations, and which numbers each cites.

    A citation belongs to the sentence that it stands in or behind; before the first sentence of a line, to that one.
    Numbers in code are none.

    >>> cited("서울이다 [1]. It rains. [2, 3] [4] Snow falls")
    [Cited(text='서울이다.', numbers=(1,)), Cited(text='It rains.', numbers=(2, 3, 4)), Cited(text='Snow falls', numbers=())]
    """
    code = [match.span() for match in _CODE.finditer(answer)]
    bare: list[str] = []
    marks: list[
        tuple[int, bool, list[int]]
    ] = []  # where in the bare text, whether its line begins with it, the numbers
    at = length = 0
    for match in _CITATION.finditer(answer):
        if any(start <= match.start() < end for start, end in code):
            continue
        piece = answer[at : match.start()]
        bare.append(piece)
        length += len(piece)
        first = not answer[answer.rfind("\n", 0, match.start()) + 1 : match.start()].strip(" \t-*•")
        marks.append((length, first, _listed(match[1])))
        at = match.end()
    text = "".join([*bare, answer[at:]])
    spans = sentences(text)
    found: list[dict[int, None]] = [{} for _ in spans]
    for place, first, given in marks:
        owner = _owner(spans, place, forward=first)
        if owner is not None:
            found[owner].update(dict.fromkeys(given))
    return [Cited(text[span.start : span.end], tuple(held)) for span, held in zip(spans, found, strict=True)]


def _owner(spans: Sequence[Span], place: int, *, forward: bool) -> int | None:
    before = [number for number, span in enumerate(spans) if span.start < place]
    after = [number for number, span in enumerate(spans) if span.end > place]
    chosen: Iterable[int] = (after[:1] or before[-1:]) if forward else (before[-1:] or after[:1])
    return next(iter(chosen), None)


def _listed(text: str) -> list[int]:
    """The numbers of `1, 3-5`."""
    found: list[int] = []
    for part in re.split(r"[,;、·]", text):
        between = _RANGE.fullmatch(part.strip())
        if between and 0 <= int(between[2]) - int(between[1]) < 50:
            found += range(int(between[1]), int(between[2]) + 1)
        else:
            found += [int(number) for number in re.findall(r"\d+", part)]
    return found
