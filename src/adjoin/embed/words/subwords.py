"""Words as bags of their n-grams of characters.

Bojanowski, Grave, Joulin and Mikolov, "Enriching word vectors with subword information", TACL 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def of_all(self, words: Sequence[str]) -> Floats:
        """The same for many words at once, (len(words), dim); some ten times quicker."""
        import numpy as np
        from scipy import sparse

        word, buckets = all_ngram_hashes(words, self.shortest, self.longest, len(self.vectors))
        counts = np.bincount(word, minlength=len(words))
        ends = np.concatenate([[0], np.cumsum(counts)])
        shape = (len(words), len(self.vectors))
        matrix = sparse.csr_matrix((np.ones(len(word), np.float32), buckets, ends), shape=shape)
        means: Floats = (matrix @ self.vectors) / np.maximum(counts, 1).astype(np.float32)[:, None]
        return means


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


def all_ngram_hashes(words: Sequence[str], shortest: int, longest: int, buckets: int) -> tuple[Any, Any]:
    """`ngram_hashes` of many words: for each n-gram the number of its word, and its bucket; two arrays, in the same order."""
    import numpy as np

    spelled = [f"<{word}>".encode() for word in words]
    data = np.frombuffer(b"".join(spelled), np.uint8)
    sizes = np.array([len(one) for one in spelled], np.int64)
    ends = np.cumsum(sizes)
    inner = (data & 0xC0) == 0x80  # bytes that go on with a letter
    longer_letters = 3 if inner.any() else 0  # UTF-8 has at most four bytes a letter
    start = np.flatnonzero(~inner)
    word = np.repeat(np.arange(len(words)), sizes)
    signed = data.view(np.int8).astype(np.uint32)
    value, at = np.full(len(start), 2166136261, np.uint32), start
    found: list[tuple[Any, Any]] = [(start[:0], value[:0])]
    for length in range(1, (longest if buckets else 0) + 1):
        more = np.flatnonzero(at < ends[word[start]])
        start, value, at = start[more], value[more], at[more]
        value, at = (value ^ signed[at]) * np.uint32(16777619), at + 1
        for _ in range(longer_letters):
            go = np.flatnonzero(at < ends[word[start]])
            go = go[inner[at[go]]]
            value[go] = (value[go] ^ signed[at[go]]) * np.uint32(16777619)
            at[go] += 1
        if length == 1:  # a bracket alone is none
            counted = (start > ends[word[start]] - sizes[word[start]]) & (at < ends[word[start]])
            found.append((start[counted], value[counted]))
        else:
            found.append((start, value))
    starts, values = (np.concatenate(parts) for parts in zip(*found[:1] + found[shortest:], strict=True))
    order = np.argsort(starts, kind="stable")
    return word[starts[order]], (values[order] % np.uint32(max(buckets, 1))).astype(np.int32)
