"""One spelling for texts that look the same."""

from __future__ import annotations

import re
import unicodedata

_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r" ?\n(?: ?\n)+ ?")
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")


def normalise(text: str) -> str:
    """The text in composed form (NFC), with line ends as \\n and without invisible characters or superfluous spaces.

    Lines and paragraphs stay; more than one blank line becomes one. Doing it twice changes nothing.

    >>> normalise("한글은  좋다 \\r\\n\\r\\n\\r\\n끝")
    '한글은 좋다\\n\\n끝'
    """
    composed = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    composed = unicodedata.normalize("NFC", _INVISIBLE.sub("", composed))
    spaced = _SPACES.sub(" ", composed)
    return _BLANK_LINES.sub("\n\n", spaced).replace(" \n", "\n").replace("\n ", "\n").strip()


def one_line(text: str) -> str:
    """The composed text with each run of white space as one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())
