"""The passage of a long text that answers a query, with the words to mark in it.

Lexical only: it must cost well under a millisecond. A caller that can compare sentences by their vectors names the
sentence itself.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from adjoin.text.graphemes import cut_after, cut_before
from adjoin.text.sentences import Span, sentences

_WORD = re.compile(r"[^\W_]+")
_ENGLISH_ENDING = re.compile(r"(?:'s|ings?|edly|ed|ies|ers?|es|s|ly|e)$")
_PARTICLE = re.compile(
    "(?:으로부터|에서부터|에게서|이라고|이라는|입니까|습니다|입니다|한가요|인가요|나요|에서는|에서도|으로는|으로도|에게는|까지는"
    "|에서|에게|한테|께서|으로|라고|라는|이란|부터|까지|처럼|보다|마다|조차|마저|이나|이며|하고|하는|하다|한다|했다|되는|된다|됐다"
    "|은|는|이|가|을|를|에|의|도|만|과|와|로|나|며|란|야|요)$"
)
_STOP_WORDS = re.compile(
    r"(?i:an?|and|are|as|at|be|by|can|did|do|does|for|from|had|has|have|how|i|if|in|into|is|it|its|may|of|on|or|our"
    r"|should|so|that|the|their|them|there|these|they|this|to|was|we|were|what|when|where|which|who|why|will|with"
    r"|you|your)"
)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a content.

    text: the part, with `…` where something was left out. spans: words in `text` to mark, in order.
    passage: the best sentence in `text`. line_offset: line breaks in the content before the excerpt.
    """

    text: str
    spans: tuple[Span, ...]
    line_offset: int
    passage: Span


def excerpt(content: str, query: str, width: int = 240, *, sentence: int | None = None) -> Excerpt:
    """The part of `content`, at most `width` characters, that shares most words with `query`.

    sentence: which of `sentences(content)` to show, when the caller knows better.
    Without a shared word it is the beginning.

    >>> found = excerpt("It rains. 서울은 한국의 수도이다. It snows.", "수도가 어디인가요?", 20)
    >>> found.text, [found.text[start:end] for start, end in found.spans]
    ('… 서울은 한국의 수도이다. …', ['수도이다'])
    """
    spans = sentences(content)
    if not spans:
        return Excerpt("", (), 0, Span(0, 0))
    terms = _terms(query)
    best = spans[_best(content, spans, terms) if sentence is None else min(max(sentence, 0), len(spans) - 1)]
    start, end = _window(content, spans, best, _words(content[best.start : best.end], terms, best.start), max(1, width))
    before = "… " if content[:start].strip() else ""
    after = " …" if content[end:].strip() else ""
    shift = len(before) - start
    shown = before + content[start:end] + after
    marked = tuple(Span(left + shift, right + shift) for left, right in _words(content[start:end], terms, start))
    passage = Span(max(best.start, start) + shift, min(best.end, end) + shift)
    return Excerpt(shown, marked, len(re.findall(r"\r\n|\r|\n", content[:start])), passage)


def _best(content: str, spans: list[Span], terms: set[str]) -> int:
    """The number of the sentence with the greatest weight of distinct terms; shorter ones win among equals."""
    if not terms:
        return 0

    def rank(number: int) -> tuple[float, int, int]:
        span = spans[number]
        stems = {_stem(word) for word in _WORD.findall(content[span.start : span.end])}
        weight = sum(max((_likeness(term, stem) for stem in stems), default=0.0) for term in terms)
        return (weight, -(span.end - span.start) if weight else 0, -number)

    return max(range(len(spans)), key=rank)


def _window(content: str, spans: list[Span], best: Span, words: list[Span], width: int) -> tuple[int, int]:
    """Where to cut: the best sentence, widened by its neighbours while they fit, or narrowed around its first match."""
    start, end = best
    if end - start > width:
        first = words[0].start if words else start
        start = max(start, min(first - width // 4, end - width))
        if start > best.start:
            start = cut_after(content, _after_space(content, start, min(end, start + width // 4)))
        return start, max(cut_before(content, min(end, start + width)), min(end, start + 1))
    for span in spans:  # what follows says more than what came before
        if span.start >= end and span.end - start <= width:
            end = span.end
        elif span.start >= end:
            break
    for span in reversed(spans):
        if span.end <= start and end - span.start <= width:
            start = span.start
        elif span.end <= start:
            break
    return start, end


def _after_space(content: str, at: int, before: int) -> int:
    """The beginning of the next word, unless it is too far."""
    space = content.find(" ", at, before)
    return at if space < 0 else space + 1


def _words(part: str, terms: set[str], shift: int) -> list[Span]:
    return [
        Span(match.start() + shift, match.end() + shift)
        for match in _WORD.finditer(part)
        if any(_likeness(term, _stem(match.group())) >= 0.6 for term in terms)
    ]


def _terms(query: str) -> set[str]:
    words = _WORD.findall(unicodedata.normalize("NFC", query))
    wanted = [word for word in words if not _STOP_WORDS.fullmatch(word)] or words
    return {_stem(word) for word in wanted}


def _stem(word: str) -> str:
    """A rough stem: good enough to see that two words are one, and never shown."""
    word = unicodedata.normalize("NFC", word).lower()
    if "가" <= word[-1:] <= "힣":
        stem = _PARTICLE.sub("", word)
        return stem if len(stem) >= 2 else word
    stem = _ENGLISH_ENDING.sub("", word)
    return stem if len(stem) >= 3 else word


def _likeness(term: str, stem: str) -> float:
    """From 0 to 1: equal stems, one the beginning of the other, or for Hangul and CJK shared pairs of characters."""
    if term == stem:
        return 1.0
    if term[:1] < "\u1100":
        short, long = sorted((term, stem), key=len)
        return 0.8 if len(short) >= 4 and long.startswith(short) and len(long) - len(short) <= 4 else 0.0
    if len(term) >= 2 and (stem.startswith(term) or (len(stem) >= 2 and term.startswith(stem))):
        return 0.9
    pairs = {term[at : at + 2] for at in range(len(term) - 1)}
    shared = sum(pair in stem for pair in pairs)
    return 0.7 * shared / len(pairs) if pairs else 0.0
