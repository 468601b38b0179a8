"""A text embedder that needs no model."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from adjoin.embed.base import check_kind, check_texts
from adjoin.embed.identity import Identity
from adjoin.types import Content, Kind

if TYPE_CHECKING:
    from adjoin.types import Floats


class TinyEmbedder:
    """Counts a text's character 1- to 3-grams in hashed places and scales to length 1: alike texts are near each other.

    The same text gives the same vector in every process and on every machine. `calls` counts the texts embedded.

    >>> tiny = TinyEmbedder()
    >>> near, far = tiny.embed(["a small cat", "봄이 온다"]) @ tiny.embed(["the small cats"], "query")[0]
    >>> bool(near > far)
    True
    """

    def __init__(self, dim: int = 64, *, name: str = "tiny") -> None:
        self.dim = dim
        self.calls = 0
        self.identity = Identity(name=f"object:{type(self).__qualname__}", model=name, dim=dim, pooling="n-grams")

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Shape (len(items), dim), float32. Documents and queries are embedded alike."""
        check_kind(kind)
        texts = check_texts(items)
        self.calls += len(texts)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for gram in _grams(text):
                place = zlib.crc32(gram.encode())
                vectors[row, place % self.dim] += 1 if place & 0x8000_0000 else 2  # never cancels out to zero
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def _grams(text: str) -> list[str]:
    marked = f"^{text.lower()}$"
    return [marked[i : i + n] for n in (1, 2, 3) for i in range(len(marked) - n + 1)]
