"""Words that stand together more often than chance are joined into one: new_york.

Mikolov, Sutskever, Chen, Corrado and Dean, "Distributed representations of words and phrases", NIPS 2013. Found by gensim.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from adjoin.embed.words.gensim import gensim

JOINT: Final = "_"


def found_phrases(texts: Iterable[list[str]], *, min_count: int, threshold: float) -> list[str]:
    """Pairs of words, joined, in order: those seen min_count times whose score is above the threshold.

    score: (n(a b) - min_count) · words / (n(a) · n(b)). Memory: gensim's table of at most 40 million pairs.
    """
    models = gensim("models.phrases", "phrase detection")
    found = models.Phrases(texts, min_count=min_count, threshold=threshold, delimiter=JOINT)
    return sorted(found.export_phrases())


def joined(words: list[str], phrases: frozenset[str]) -> list[str]:
    """The words, neighbours that are a phrase joined; from left to right, each word in one phrase at most."""
    if not phrases:
        return words
    result: list[str] = []
    at = 0
    while at < len(words):
        pair = JOINT.join(words[at : at + 2])
        if at + 1 < len(words) and pair in phrases:
            result.append(pair)
            at += 2
        else:
            result.append(words[at])
            at += 1
    return result
