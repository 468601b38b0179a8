"""Sorted texts that are looked up and searched where they lie, without being decoded.

In UTF-8 the order of bytes is the order of code points, and a text is in another exactly where its bytes are.
Lone surrogates, which metadata refuses and an operand may have, are written as if they were characters.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adjoin.sealed.chosen import Spans, from_terms

_FENCE: Final = 32  # every so many-th text is kept decoded, so that a look-up runs mostly in C
_LOOKED_INTO: Final = 64
_SAMPLED: Final = 65_536


class Texts:
    """Distinct texts in ascending order.

    starts: shape (count + 1,), where each begins in `content`, and where the last ends.
    content: uint8, their UTF-8.
    """

    def __init__(self, starts: NDArray[Any], content: NDArray[np.uint8]) -> None:
        self.starts = starts
        self.content = content
        self._bytes = content.data
        self._fences: list[bytes] | None = None
        self._seen: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Texts:
        starts = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=starts[1:])
        small = starts[-1] <= np.iinfo(np.uint32).max
        return cls(starts.astype("<u4" if small else "<u8"), np.frombuffer(b"".join(texts), np.uint8))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, i: int) -> bytes:
        at = self.starts.item
        return self._bytes[at(i) : at(i + 1)].tobytes()

    def lower(self, wanted: bytes) -> int:
        """How many texts come before this one."""
        fence = bisect_left(self._fence_texts(), wanted)
        return (
            bisect_left(self, wanted, max(0, (fence - 1) * _FENCE + 1), min(len(self), fence * _FENCE)) if fence else 0
        )

    def find(self, wanted: bytes) -> int:
        """The place of this text, or -1."""
        place = self.lower(wanted)
        return place if place < len(self) and self[place] == wanted else -1

    def containing(self, wanted: bytes) -> Spans:
        """The places of texts that have this in them. Cost: a few passes over all bytes."""
        if not wanted:
            return ((0, len(self)),) if len(self) else ()
        if len(wanted) > len(self.content):
            return ()
        rarest = min(range(len(wanted)), key=lambda i: self._bytes_seen()[wanted[i]])
        begins = len(self.content) - len(wanted) + 1
        at = np.flatnonzero(self.content[rarest : rarest + begins] == wanted[rarest])
        for i, byte in enumerate(wanted):
            if i != rarest:
                at = at.compress(self.content[at + i] == byte)
        places = self.starts.searchsorted(at.astype(self.starts.dtype), side="right") - 1
        whole = at + len(wanted) <= self.starts[places + 1]
        return from_terms(np.unique(places[whole]))

    def share_containing(self, wanted: bytes) -> float:
        """Of a few texts throughout, the share that have this in them, never quite 0 or 1."""
        few = self._fence_texts()[:: max(1, len(self) // _FENCE // _LOOKED_INTO)]
        return (sum(wanted in text for text in few) + 0.5) / (len(few) + 1)

    def _fence_texts(self) -> list[bytes]:
        if self._fences is None:
            self._fences = [self[i] for i in range(0, len(self), _FENCE)]
        return self._fences

    def _bytes_seen(self) -> NDArray[np.int64]:
        """How often each byte stands in a sample of the content."""
        if self._seen is None:
            sample = self.content[:: max(1, len(self.content) // _SAMPLED)]
            self._seen = np.bincount(sample, minlength=256)
        return self._seen


def to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def to_text(content: bytes) -> str:
    return content.decode("utf-8", "surrogatepass")
