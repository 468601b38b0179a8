"""A vector for each token of a text, in its context: for words with several senses, and for late interaction."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adjoin.errors import NotFound

if TYPE_CHECKING:
    from adjoin.types import Floats

_WHOLE_LETTER = r"(?![\u0300-\u036f\u1160-\u11ff])"
"""A letter ends before the next begins, and not before a mark or a jamo that belongs to it."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """A text's tokens as the network sees them, without the prompt and the special ones.

    tokens: as the tokenizer spells them. spans: (start, end) of each in the text, in characters. vectors: float32
    (tokens, dim), of unit length. cut: whether the text was longer than the network reads.
    """

    text: str
    tokens: list[str]
    spans: list[tuple[int, int]]
    vectors: Floats
    cut: bool = False

    def of(self, word: str, occurrence: int = 0) -> Floats:
        """The vector, (dim,), of a word or phrase where it stands: the mean of its tokens, of unit length.

        occurrence: which one, from 0. Only where it begins a word does it count, so that a Korean word is found with its
        particles, and `차` is not found in `녹차`. Raises NotFound.
        """
        import numpy as np

        vector = self.vectors[self._rows(word, occurrence)].mean(axis=0)
        unit: Floats = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return unit

    def _rows(self, word: str, occurrence: int) -> list[int]:
        found = occurrences(self.text, word)
        if 0 <= occurrence < len(found):
            start, end = found[occurrence]
            rows = [row for row, (first, last) in enumerate(self.spans) if first < end and last > start]
            if rows:
                return rows
        times = "" if not occurrence else f" {occurrence + 1} times"
        raise NotFound(f"{word!r} begins no word{times} in the part of {self.text[:60]!r} that is read.")

    def likeness(self, other: TokenVectors) -> float:
        """How well each token here is met by one there: the mean of the largest cosines, in [-1, 1].

        Late interaction (Khattab & Zaharia, "ColBERT", 2020), divided by the number of tokens. Cost: a product of the two.
        """
        if not len(self.vectors) or not len(other.vectors):
            return 0.0
        return float((self.vectors @ other.vectors.T).max(axis=1).mean())


def occurrences(text: str, word: str) -> list[tuple[int, int]]:
    """(start, end) of each place where a word of the text begins so, upper and lower case and NFC and NFD alike."""
    forms = {word, *(unicodedata.normalize(form, word) for form in ("NFC", "NFD"))} if word else ()
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    found = re.finditer(f"(?:{pattern}){_WHOLE_LETTER}", text, re.IGNORECASE) if pattern else ()
    return [match.span() for match in found if match.start() == 0 or not text[match.start() - 1].isalnum()]
