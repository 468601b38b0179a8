"""Words as bags of their n-grams of characters.

Bojanowski, Grave, Joulin and Mikolov, "Enriching word vectors with subword information", TACL 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adjoin.types import Floats


class Subwords:
    """Vectors of hashed n-grams, (buckets, dim), and how a word is cut into them."""

    def __init__(self, vectors: Floats, *, shortest: int, longest: int) -> None:
        self.vectors = vectors
        self.shortest = shortest
        self.longest = longest

    def settings(self) -> dict[str, Any]:
        return {"shortest": self.shortest, "longest": self.longest}

    def of(self, word: str) -> Floats:
        """The mean of the vectors of its n-grams: the vector of a word that was not in the texts. Zero if it has none."""
        import numpy as np

        buckets = ngram_hashes(word, self.shortest, self.longest, len(self.vectors))
        if not buckets:
            return np.zeros(self.vectors.shape[1], np.float32)
        mean: Floats = self.vectors[buckets].mean(axis=0, dtype=np.float32)
        return mean


def ngram_hashes(word: str, shortest: int, longest: int, buckets: int) -> list[int]:
    """The bucket of each n-gram of `<word>`, as fastText and gensim have them: FNV-1a over UTF-8 with signed bytes.

    An n-gram of one letter at either end, which would be a bracket alone, is left out.
    """
    if not buckets:
        return []
    letters = [letter.encode() for letter in f"<{word}>"]
    found = []
    for start in range(len(letters)):
        value = 2166136261
        for length, letter in enumerate(letters[start : start + longest], start=1):
            for byte in letter:
                value ^= byte if byte < 128 else byte | 0xFFFFFF00
                value = (value * 16777619) & 0xFFFFFFFF
            bracket = length == 1 and (start == 0 or start == len(letters) - 1)
            if length >= shortest and not bracket:
                found.append(value % buckets)
    return found
