"""Where a text may be cut without tearing what a reader sees as one character.

A working subset of the Unicode rules for extended grapheme clusters (UAX #29), without tables of our own.
"""

from __future__ import annotations

import unicodedata

_ZERO_WIDTH_JOINER = "\u200d"
_LONGEST_CLUSTER = 256
"""Longer clusters exist only in texts that are made to break programs; those are cut."""


def cut_before(text: str, at: int) -> int:
    """The last place at or before `at` where a cut tears no character; 0 when there is none.

    >>> cut_before("a👨‍👩‍👧", 3)
    1
    """
    if at >= len(text):
        return len(text)
    for place in range(at, max(0, at - _LONGEST_CLUSTER), -1):
        if is_boundary(text, place):
            return place
    return 0 if at <= _LONGEST_CLUSTER else at


def cut_after(text: str, at: int) -> int:
    """The first place at or after `at` where a cut tears no character."""
    for place in range(at, min(len(text), at + _LONGEST_CLUSTER)):
        if is_boundary(text, place):
            return place
    return min(len(text), at + _LONGEST_CLUSTER)


def is_boundary(text: str, at: int) -> bool:
    """Whether text[:at] and text[at:] both show the characters that they show together."""
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if before < "\u0300" and after < "\u0300":
        return not (before == "\r" and after == "\n")
    if before == _ZERO_WIDTH_JOINER or _extends(after) or _joins_hangul(before, after):
        return False
    if _is_flag_half(before) and _is_flag_half(after):
        return _flag_halves_before(text, at) % 2 == 0
    return not (unicodedata.combining(before) == 9 and after.isalpha())  # an Indic conjunct


def _extends(character: str) -> bool:
    code = ord(character)
    return (
        unicodedata.category(character) in ("Mn", "Me", "Mc")
        or code in (0x200C, 0x200D)
        or 0x1F3FB <= code <= 0x1F3FF  # skin tones
        or 0xE0020 <= code <= 0xE007F  # tags, as in the flag of Scotland
    )


def _joins_hangul(before: str, after: str) -> bool:
    kind, following = _hangul(before), _hangul(after)
    return (
        (kind == "L" and following in ("L", "V", "LV", "LVT"))
        or (kind in ("V", "LV") and following in ("V", "T"))
        or (kind in ("T", "LVT") and following == "T")
    )


def _hangul(character: str) -> str:
    """Which part of a Hangul syllable a character is: leading, vowel, trailing, or a whole one."""
    code = ord(character)
    if 0xAC00 <= code <= 0xD7A3:
        return "LV" if (code - 0xAC00) % 28 == 0 else "LVT"
    if 0x1100 <= code <= 0x115F or 0xA960 <= code <= 0xA97C:
        return "L"
    if 0x1160 <= code <= 0x11A7 or 0xD7B0 <= code <= 0xD7C6:
        return "V"
    if 0x11A8 <= code <= 0x11FF or 0xD7CB <= code <= 0xD7FB:
        return "T"
    return ""


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_halves_before(text: str, at: int) -> int:
    count = 0
    while count < min(at, _LONGEST_CLUSTER) and _is_flag_half(text[at - count - 1]):
        count += 1
    return count
