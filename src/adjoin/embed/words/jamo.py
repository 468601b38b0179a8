"""Hangul as letters (jamo), so that parts of a syllable are parts of a word for FastText.

Park, Byun, Baek, Cho and Oh, "Subword-level word vector representations for Korean", ACL 2018.
"""

from __future__ import annotations

from typing import Final

NO_FINAL: Final = "_"
"""Stands where a syllable has no last consonant, so that each syllable is three letters."""

_FIRST = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_MIDDLE = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_LAST = NO_FINAL + "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_SYLLABLES = {
    0xAC00 + (first * 21 + middle) * 28 + last: _FIRST[first] + _MIDDLE[middle] + _LAST[last]
    for first in range(19)
    for middle in range(21)
    for last in range(28)
}
_BACK = {letters: chr(code) for code, letters in _SYLLABLES.items()}


def taken_apart(word: str) -> str:
    """Each syllable as three letters; all else stays.

    >>> taken_apart("한글 a")
    'ㅎㅏㄴㄱㅡㄹ a'
    >>> taken_apart("나")
    'ㄴㅏ_'
    """
    return word.translate(_SYLLABLES)


def composed(letters: str) -> str:
    """The word of `taken_apart`.

    >>> composed(taken_apart("값어치 있는 ㅋㅋ"))
    '값어치 있는 ㅋㅋ'
    """
    found: list[str] = []
    at = 0
    while at < len(letters):
        syllable = _BACK.get(letters[at : at + 3])
        found.append(syllable or letters[at])
        at += 3 if syllable else 1
    return "".join(found)
