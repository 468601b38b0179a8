"""Text → token ids, cut at the model's limit, through a `tokenizer.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adjoin.errors import UnreadableFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.int64]

CHARACTERS_A_TOKEN = 64
"""Only so much of a long text is tokenised at first. No vocabulary in use has pieces nearly as long."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """ids: shape (tokens,). cut: whether the text was longer than the limit."""

    ids: Ids
    cut: bool


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text's tokens between the special ones. lead, tail: ids of those. spans: (start, end) in the text, in characters."""

    lead: list[int]
    ids: list[int]
    tail: list[int]
    tokens: list[str]
    spans: list[tuple[int, int]]
    cut: bool


class Tokenizer:
    """Tokenises one text at a time; safe to share between threads.

    It does not use the thread pool inside `tokenizers`, which does not survive a fork.
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        """Raises UnreadableFile when the file is no `tokenizer.json`."""
        from tokenizers import Tokenizer as Backend

        try:
            self._backend: Any = Backend.from_file(str(path))
        except Exception as exc:  # the package raises a bare Exception
            raise UnreadableFile(f"{path} cannot be read as a tokenizer.json: {exc}") from exc
        self._backend.no_truncation()
        self._backend.no_padding()
        self._max_tokens = max_tokens
        sample = self._backend.encode("a")
        before = sample.special_tokens_mask.index(0)
        after = sample.special_tokens_mask[::-1].index(0)
        self._lead = sample.ids[:before]
        self._tail = sample.ids[len(sample.ids) - after :]

    def count(self, text: str) -> int:
        """Tokens of the whole text, special ones included. Cost: linear in the text, about 3 µs a token."""
        return len(self._content(text)) + len(self._lead) + len(self._tail)

    def tokens(self, text: str) -> Tokens:
        """The text's first tokens between the special ones, at most `max_tokens` in all. Cost is bounded by that."""
        import numpy as np

        room = self._max_tokens - len(self._lead) - len(self._tail)
        content = self._first(text, room + 1)
        ids = np.asarray([*self._lead, *content[:room], *self._tail], dtype=np.int64)
        return Tokens(ids, cut=len(content) > room)

    def pieces(self, text: str) -> Pieces:
        """The same tokens with what each stands for."""
        room = self._max_tokens - len(self._lead) - len(self._tail)
        most = (room + 1) * CHARACTERS_A_TOKEN
        while True:
            found = self._backend.encode(text[:most], add_special_tokens=False)
            if len(found.ids) > room or most >= len(text):
                break
            most *= 8
        return Pieces(
            self._lead, found.ids[:room], self._tail, found.tokens[:room], found.offsets[:room], len(found.ids) > room
        )

    def _first(self, text: str, least: int) -> list[int]:
        """At least that many content tokens, or all of them."""
        length = least * CHARACTERS_A_TOKEN
        while length < len(text):
            content = self._content(text[:length])
            if len(content) >= least:
                return content
            length *= 8  # much of it was white space or is normalised away
        return self._content(text)

    def _content(self, text: str) -> list[int]:
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids
