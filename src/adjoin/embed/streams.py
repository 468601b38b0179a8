"""Texts that come as a stream: checked one by one, taken in chunks, and kept on disk where they are read more than once."""

from __future__ import annotations

import tempfile
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.base import check_well_formed
from adjoin.errors import InvalidContent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK: Final = 1000
_BLOCK: Final = 1 << 20
_END: Final = -1


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
    """Lists of words that can be read again and again: as numbers in a temporary file, which `close` removes.

    Words are numbered as they come, `names` has them in that order; they hold no white space and are not empty.
    `texts` is the number of lists, `words` that of words in them. All are added before the first is read.
    Memory: the distinct words, and a block of the file.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(suffix=".adjoin-words", buffering=_BLOCK)  # noqa: SIM115
        self._numbers: defaultdict[str, int] = defaultdict(count().__next__)
        self.texts = 0
        self.words = 0

    @property
    def names(self) -> list[str]:
        return list(self._numbers)

    def add(self, words: list[str]) -> None:
        numbers = array("i", map(self._numbers.__getitem__, words))
        numbers.append(_END)
        self._file.write(numbers)
        self.texts += 1
        self.words += len(words)

    def renamed(self, name: Callable[[str], str]) -> Spool:
        """The same lists, each word under another name; words that come to the same name are one."""
        import numpy as np

        renamed = Spool()
        renamed.texts, renamed.words = self.texts, self.words
        changed = np.array([*map(renamed._numbers.__getitem__, map(name, self._numbers)), _END], np.int32)
        for block in self.blocks():
            renamed._file.write(changed[block].tobytes())
        return renamed

    def counts(self) -> NDArray[np.int64]:
        """How often each of `names` stands in the lists."""
        import numpy as np

        total = np.zeros(len(self._numbers) + 1, np.int64)
        for block in self.blocks():
            total += np.bincount(block + 1, minlength=len(total))  # the ends count at 0
        return total[1:]

    def blocks(self) -> Iterator[NDArray[np.int32]]:
        """The words' numbers, -1 behind each list; a block holds whole lists."""
        import numpy as np

        at, held = 0, b""
        while self._file.seek(at) == at and (block := self._file.read(_BLOCK)):
            at += len(block)
            numbers = np.frombuffer(held + block, np.int32)
            ends = np.flatnonzero(numbers == _END)
            whole = int(ends[-1]) + 1 if len(ends) else 0
            held = numbers[whole:].tobytes()
            if whole:
                yield numbers[:whole]

    def numbers(self) -> Iterator[NDArray[np.int32]]:
        """The numbers of each list's words."""
        import numpy as np

        for block in self.blocks():
            start = 0
            for end in np.flatnonzero(block == _END).tolist():
                yield block[start:end]
                start = end + 1

    def __iter__(self) -> Iterator[list[str]]:
        names = self.names
        for numbers in self.numbers():
            yield [names[number] for number in numbers.tolist()]

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
