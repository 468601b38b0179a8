"""A word's vector by what its texts say of it, so that its senses are apart; `TextEmbedder.embed_in_context`."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from adjoin.embed.base import check_texts
from adjoin.embed.token_vectors import occurrences
from adjoin.errors import InvalidOption, NotFound

if TYPE_CHECKING:
    from adjoin.embed.text import TextEmbedder
    from adjoin.embed.token_vectors import TokenVectors
    from adjoin.types import Content, Floats, Kind

QUESTION = ' In this sentence, "{}" means'
KOREAN_QUESTION = ' 이 문장에서 "{}"의 뜻은'
NO_CONTEXT = 1e-3
"""What is left of a unit vector when a text says no more than the word does: rounding, and no direction."""


def in_context(
    embedder: TextEmbedder, items: Sequence[Content], word: str, kind: Kind, *, occurrence: int = 0
) -> Floats:
    """As `TextEmbedder.embed_in_context` says."""
    import numpy as np

    word = unicodedata.normalize("NFC", word).strip()
    if not word:
        raise InvalidOption("the word is empty. Give a word that begins in each of the texts.")
    texts = [unicodedata.normalize("NFC", text) for text in check_texts(items)]
    question = (KOREAN_QUESTION if any("가" <= char <= "힣" for char in word) else QUESTION).format(word)
    windows = _read_whole(
        embedder, [_Window.at(n, text, word, occurrence) for n, text in enumerate(texts)], question, kind
    )
    *found, alone = embedder.embed_tokens([*(window.text + question for window in windows), word + question], kind)
    usual = _word_and_text(alone, 0, len(word), len(word))
    vectors = np.empty((len(texts), len(usual)), np.float32)
    for row, (window, tokens) in enumerate(zip(windows, found, strict=True)):
        vector = _word_and_text(tokens, window.start, window.end, len(window.text))
        vector = vector - (vector @ usual) * usual
        length = float(np.linalg.norm(vector))
        vectors[row] = vector / length if length > NO_CONTEXT else 0
    return vectors


class _Window:
    """The part of a text that is read, and where the word stands in it."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text, self.start, self.end = text, start, end

    @classmethod
    def at(cls, item: int, text: str, word: str, occurrence: int) -> _Window:
        found = occurrences(text, word)
        if not 0 <= occurrence < len(found):
            times = "" if not occurrence else f" {occurrence + 1} times"
            raise NotFound(f"item {item}: {word!r} begins no word{times} in {text[:60]!r}. Leave this text out.")
        return cls(text, *found[occurrence])

    def within(self, radius: int) -> _Window:
        first = max(0, self.start - radius)
        return _Window(self.text[first : self.end + radius], self.start - first, self.end - first)


def _read_whole(embedder: TextEmbedder, windows: list[_Window], question: str, kind: Kind) -> list[_Window]:
    """Texts too long for the question to be read after them are narrowed around the word, by halves."""
    found, rows = list(windows), list(range(len(windows)))
    radius = max((len(window.text) for window in windows), default=0)
    while True:
        cut = embedder.is_cut([found[row].text + question for row in rows], kind)
        rows = [row for row, long in zip(rows, cut, strict=True) if long]
        if not rows:
            return found
        if not radius:
            raise InvalidOption(f"the word is longer than the {embedder.max_tokens} tokens that are read. Give a word.")
        radius //= 2
        for row in rows:
            found[row] = windows[row].within(radius)


def _word_and_text(tokens: TokenVectors, start: int, end: int, length: int) -> Floats:
    """Half the word, half the text around it, without the question; of unit length."""
    import numpy as np

    word = [row for row, (first, last) in enumerate(tokens.spans) if first < end and last > start]
    text = [row for row, (first, _) in enumerate(tokens.spans) if first < length]
    vector: Floats = _unit(tokens.vectors[word].mean(axis=0)) + _unit(tokens.vectors[text].mean(axis=0))
    return _unit(np.asarray(vector, np.float32))


def _unit(vector: Floats) -> Floats:
    import numpy as np

    found: Floats = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return found
