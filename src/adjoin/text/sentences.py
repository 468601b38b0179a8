"""Sentences of English, Korean, Chinese and Japanese text, by rules.

Rules rather than a model: they cost microseconds, need no data, and a wrong cut only shifts a chunk's edge.
When in doubt two sentences stay together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """Characters from start up to, not including, end."""

    start: int
    end: int


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CLOSERS = "\"'”’»」』】〉》)\\]）］〕*_"
_CANDIDATE = re.compile(
    # Possessive, and never begun inside a run of marks: a page of dot leaders would cost quadratic time.
    rf"(?P<wide>[。！？｡]++[{_CLOSERS}]*+)"
    rf"|(?<![.!?…])(?P<stop>(?P<marks>[.!?…]++)[{_CLOSERS}]*+)(?=(?P<gap>\s|$)|(?P<glued>[가-힣\u1100-\u1112\"'“‘「『(]))"
    r"|(?P<blank>(?:\r\n|\r|\n)[^\S\r\n]*(?:\r\n|\r|\n))"
    r"|(?P<item>(?:\r\n|\r|\n)(?=[ \t]*(?:[-*+•·▪‣○●■□◦※]|\(?\d{1,3}[.)]|[가-하][.)]|[①-⑳])[ \t]))"
)

# 다 요 까 죠 네, composed and decomposed: the endings after which Korean writers may leave out the space.
_KOREAN_ENDING = re.compile("(?:[다요까죠네]|\u1103\u1161|\u110b\u116d|\u1101\u1161|\u110c\u116d|\u1102\u1166)$")
_QUOTED_ON = re.compile(r"\s?(?:이?라고|이?라는|이?라며|이?라면서|이?란|하고|하며|고 |며 |라고|하고)")
_SPACE = re.compile(r"\s*")
_LABEL = re.compile(r"[(\[]?(?:\d{1,3}|[가-하]|[A-Za-z]|[ivxIVX]{1,5})$")
_ABBREVIATIONS = _words(
    "Dr Mr Mrs Ms Mx Prof St Jr Sr Rev Hon Gen Col Lt Sgt Capt Gov Sen Rep Pres Fr Messrs Mt Ft Ph.D M.D B.A M.A "
    "B.Sc M.Sc e.g i.e E.g I.e cf Cf vs viz etc al approx ca resp incl excl est dept Dept univ Univ assn Assn "
    "bros Bros inc Inc ltd Ltd co Co corp Corp Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec a.m p.m A.M P.M"
)
_BEFORE_NUMBER = _words(
    "no nos p pp vol fig figs eq eqs sec ch art ver v nr ed tab No Nos P Pp Vol Fig Figs Eq Eqs Sec Ch Art Ver V "
    "Nr Ed Tab NO"
)
_DATE_GOES_ON = re.compile(r"\d|(?:에|부터|까지|자|현재|기준|이후|이전|경)(?:\s|$)")
_MAY_END = re.compile(r"(?:etc|et al|a\.m|p\.m|Inc|Ltd|Co|Corp|inc|ltd|co|corp|Ph\.D|M\.D|Jr|Sr|[A-Z]\.[A-Z])$")
_STARTER = re.compile(
    r"(?:The|A|An|This|That|These|Those|It|Its|He|She|They|We|You|I|His|Her|Their|Our|My|Your|In|On|At|But|And|Or|So"
    r"|If|When|While|As|For|From|With|However|There|Then|What|Why|How|Who|Where|After|Before|Since|Because|Although"
    r"|Some|Many|Most|All|No|Not|One|Another|Each)\b"
)


def sentences(text: str) -> list[Span]:
    """Where each sentence stands, in order, without the white space around it.

    Together the spans hold every character that is not white space.

    >>> text = "Dr. Kim came. 왔다고 했다.그리고 갔다!"
    >>> [text[start:end] for start, end in sentences(text)]
    ['Dr. Kim came.', '왔다고 했다.', '그리고 갔다!']
    """
    spans: list[Span] = []
    start = 0
    for end in (*_ends(text), len(text)):
        span = _trimmed(text, start, end)
        if span.end > span.start:
            spans.append(span)
        start = end
    return spans


def _trimmed(text: str, start: int, end: int) -> Span:
    bare = text[start:end].rstrip()
    return Span(start + len(bare) - len(bare.lstrip()), start + len(bare))


def _ends(text: str) -> Iterator[int]:
    start = 0
    for match in _CANDIDATE.finditer(text):
        if match["stop"] is not None and not _is_end(text, start, match):
            continue
        start = match.end()
        yield start


def _is_end(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether the sentence that began at `start` ends with this run of full stops, question or exclamation marks."""
    _, marks_end = match.span("marks")
    at, end = match.span()
    closed = marks_end < end
    if closed and _QUOTED_ON.match(text, end):
        return False
    if glued := match["glued"]:
        return bool(_KOREAN_ENDING.search(text[max(start, at - 3) : at])) and (not closed or glued not in "\"'")
    following = _SPACE.match(text, end).end()  # type: ignore[union-attr]  # it matches everywhere
    next_character = text[following : following + 1]
    if next_character < "\u0250" and next_character.islower():
        return False
    if closed or marks_end - at > 1 or text[at] != ".":
        return True
    before = text[max(start, at - 16) : at]
    if before[-1:] >= "가":
        return at - start > 2 or not _LABEL.match(text[start:at].strip())
    is_label = at - start < 12 and _LABEL.match(text[start:at].strip())
    return not is_label and _full_stop_ends(before, text[following : following + 24])


def _full_stop_ends(before: str, following: str) -> bool:
    word = before.rpartition(" ")[2].lstrip("([\"'“‘\r\n\t")
    if word[-1:].isdigit():
        return not _DATE_GOES_ON.match(following)  # 2024. 3. 15. 에
    if word in _BEFORE_NUMBER and following[:1].isdigit():
        return False
    is_initial = word[-1:].isupper() and (len(word) == 1 or word[-2] == ".")
    if is_initial or word in _ABBREVIATIONS:
        return bool(_MAY_END.search(before) and _STARTER.match(following))
    return True
