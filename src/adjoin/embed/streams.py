"""Texts that come as a stream: checked one by one, taken in chunks, and kept on disk where they are read more than once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, Final

from adjoin.embed.base import check_well_formed
from adjoin.errors import InvalidContent

CHUNK: Final = 1000
LINE: Final = 10_000
"""Words in a line of a Spool; the most that gensim reads of one."""


def texts_of(items: Iterable[Any]) -> Iterator[str]:
    """The items, each of them well-formed text. Raises InvalidContent naming the position of the first that is not."""
    if isinstance(items, str | bytes):
        raise InvalidContent(f"fit() takes texts, not one {type(items).__name__}. Write fit([text]).")
    for position, item in enumerate(items):
        if not isinstance(item, str):
            raise InvalidContent(f"item {position} is {type(item).__name__}, and this embedder learns from str.")
        check_well_formed(item, position)
        yield item


def chunks(texts: Iterable[str], size: int = CHUNK, characters: int = 1_000_000) -> Iterator[list[str]]:
    """Lists of at most `size` texts; fewer where they have more than so many characters together."""
    chunk: list[str] = []
    held = 0
    for text in texts:
        chunk.append(text)
        held += len(text)
        if len(chunk) >= size or held >= characters:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


class Spool:
    """Lists of words that can be read again and again: one a line in a temporary file, which `close` removes.

    Words hold no white space and are not empty. `texts` is the number of lists, `words` that of words in them. A list of
    more than LINE words takes several lines, since gensim reads no further in one.
    """

    def __init__(self) -> None:
        self._file = tempfile.NamedTemporaryFile("w+", encoding="utf-8", suffix=".adjoin-words", newline="\n")  # noqa: SIM115
        self.texts = 0
        self.words = 0

    @property
    def path(self) -> str:
        return self._file.name

    def add(self, words: list[str]) -> None:
        for start in range(0, len(words), LINE):
            self._file.write(" ".join(words[start : start + LINE]) + "\n")
        self.texts += 1
        self.words += len(words)

    def flush(self) -> None:
        """Bring all lines to the file, for one that reads it by its path."""
        self._file.flush()

    def __iter__(self) -> Iterator[list[str]]:
        self.flush()
        with open(self.path, encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line[:-1].split(" ")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
