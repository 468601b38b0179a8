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


_CLOSERS = "\"'”’»」』】〉》)\\]）］〕*_"
_CANDIDATE = re.compile(
    # Possessive, and never begun inside a run of marks: a page of dot leaders would cost quadratic time.
    rf"(?P<wide>[。！？｡]++[{_CLOSERS}]*+)"
    rf"|(?<![.!?…])(?P<stop>[.!?…]++(?P<close>[{_CLOSERS}]*+))(?=(?P<gap>\s|$)|(?P<glued>[가-힣\u1100-\u1112\"'“‘「『(]))"
    r"|(?P<blank>(?:\r\n|\r|\n)[^\S\r\n]*(?:\r\n|\r|\n))"
    r"|(?P<item>(?:\r\n|\r|\n)(?=[ \t]*(?:[-*+•·▪‣○●■□◦※]|\(?\d{1,3}[.)]|[가-하][.)]|[①-⑳])[ \t]))"
)

# 다 요 까 죠 네, composed and decomposed: the endings after which Korean writers may leave out the space.
_KOREAN_ENDING = re.compile("(?:[다요까죠네]|\u1103\u1161|\u110b\u116d|\u1101\u1161|\u110c\u116d|\u1102\u1166)$")
_QUOTED_ON = re.compile(r"\s?(?:이?라고|이?라는|이?라며|이?라면서|이?란|하고|하며|고 |며 |라고|하고)")
_LABEL = re.compile(r"[(\[]?(?:\d{1,3}|[가-하]|[A-Za-z]|[ivxIVX]{1,5})$")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“‘])(?:"
    r"(?:Dr|Mr|Mrs|Ms|Mx|Prof|St|Jr|Sr|Rev|Hon|Gen|Col|Lt|Sgt|Capt|Gov|Sen|Rep|Pres|Fr|Messrs|Mt|Ft)"
    r"|(?i:e\.g|i\.e|cf|vs|viz|etc|et al|al|approx|ca|resp|incl|excl|est|dept|univ|assn|bros|inc|ltd|co|corp)"
    r"|(?i:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)"
    r"|(?:a\.m|p\.m|Ph\.D|M\.D|B\.A|M\.A|B\.Sc|M\.Sc)"
    r")$"
)
_BEFORE_NUMBER = re.compile(r"(?i:(?:^|[\s(\[])(?:no|nos|p|pp|vol|fig|figs|eq|eqs|sec|ch|art|ver|v|nr|ed|tab))$")
_DATE_GOES_ON = re.compile(r"\d|(?:에|부터|까지|자|현재|기준|이후|이전|경)(?:\s|$)")
_INITIALS = re.compile(r"(?:^|[\s(\[\"'“‘.])[A-Z]$")
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
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    return Span(start + left, max(start + left, start + len(piece.rstrip())))


def _ends(text: str) -> Iterator[int]:
    start = 0
    for match in _CANDIDATE.finditer(text):
        if match["stop"] is not None and not _is_end(text, start, match):
            continue
        start = match.end()
        yield start


def _is_end(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether the sentence that began at `start` ends with this run of full stops, question or exclamation marks."""
    close = match["close"]
    marks = match["stop"][: len(match["stop"]) - len(close)]
    before = text[max(start, match.start() - 24) : match.start()]
    after = text[match.end() : match.end() + 24]
    if close and _QUOTED_ON.match(after):
        return False
    if match["glued"]:
        return bool(_KOREAN_ENDING.search(before)) and (not close or match["glued"] not in "\"'")
    following = after.lstrip()
    if following[:1].islower() and following[:1] < "\u0250":
        return False
    if marks != "." or close:
        return True
    is_label = match.start() - start < 12 and _LABEL.match(text[start : match.start()].strip())
    return not is_label and _full_stop_ends(before, following)


def _full_stop_ends(before: str, following: str) -> bool:
    if before[-1:].isdigit() and _DATE_GOES_ON.match(following):  # 2024. 3. 15. 에
        return False
    if _BEFORE_NUMBER.search(before) and following[:1].isdigit():
        return False
    if _ABBREVIATION.search(before) or _INITIALS.search(before):
        return bool(_MAY_END.search(before) and _STARTER.match(following))
    return True
