"""Words and numbers of a text, as far as the steps of an answer compare them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

# The stems, particles and stop words by which excerpts are chosen: two kinds of likeness would contradict each other.
from adjoin.text.excerpt import _WORD, _likeness, _stem, _terms

_NUMBER: Final = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w]*[A-Za-z_])")
_NOT: Final = re.compile(
    r"\b(?:not|never|no|none|neither|nor|without|cannot)\b|n['’]t\b"
    r"|(?:지\s*)?(?:않|못하|못했|못한)\w*|(?<![가-힣])(?:안|못)\s(?=[가-힣])|(?<![가-힣])없\w*|(?<![가-힣])아니\w*|(?<![가-힣])아닌",
    re.I,
)
_AUXILIARY: Final = re.compile(
    r"(?<![가-힣])(?:있(?:다|는|지|습니다|어요|음)?|하(?:다|는|지)|한다|합니다|할|되(?:다|는|지)|된다|됩니다|될|수|이다|입니다)(?![가-힣])"
)
_LABEL: Final = re.compile(r"^\s*(?:[-*•]\s*)?\(?\d{1,3}[.)]\s", re.M)


def terms(text: str) -> set[str]:
    """Stems of the words that carry meaning."""
    return _terms(text)


def stems(text: str) -> set[str]:
    """Stems of all words."""
    return {_stem(word) for word in _WORD.findall(unicodedata.normalize("NFC", text))}


def tokens(text: str) -> list[str]:
    """Stems of the words in order, without articles and citations."""
    bare = re.sub(r"\[\d+(?:[,\s\-–]+\d+)*\]", " ", unicodedata.normalize("NFC", text))
    return [_stem(word) for word in _WORD.findall(bare) if word.lower() not in ("a", "an", "the")]


def covered(wanted: set[str], held: set[str]) -> float:
    """The share of the wanted stems that are held, from 0 to 1; a stem that is only alike counts in part. 0 for none."""
    return sum(likest(stem, held) for stem in wanted) / len(wanted) if wanted else 0.0


def likest(stem: str, held: Iterable[str]) -> float:
    if isinstance(held, set) and stem in held:
        return 1.0
    return max((_likeness(stem, other) for other in held), default=0.0)


def numbers(text: str) -> set[str]:
    """The numbers in digits, written alike: `1,000.0` is `1000`. Labels of lists are none."""
    return {_plain(found) for found in _NUMBER.findall(_LABEL.sub(" ", unicodedata.normalize("NFKC", text)))}


def _plain(number: str) -> str:
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number):
        number = number.replace(",", "")
    if re.fullmatch(r"\d+\.\d+", number):
        number = number.rstrip("0").rstrip(".")
    return number.lstrip("0") or "0"


def is_negated(text: str) -> bool:
    """Whether it says that something is not so, by the words that say so in English and Korean."""
    return bool(_NOT.search(unicodedata.normalize("NFC", text)))


def without_negation(text: str) -> str:
    """Without those words, and without the Korean auxiliaries that take their place or theirs."""
    return _AUXILIARY.sub(" ", _NOT.sub(" ", unicodedata.normalize("NFC", text)))


def is_korean(text: str) -> bool:
    """Whether more than a fifth of the letters are Hangul."""
    letters = [character for character in unicodedata.normalize("NFC", text) if character.isalpha()]
    return bool(letters) and sum("가" <= letter <= "힣" for letter in letters) > 0.2 * len(letters)
