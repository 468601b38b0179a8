"""The parts that documents are made of, and how readers gather lines into them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from adjoin.read.decode import Line

BlockKind: TypeAlias = Literal["prose", "code", "table", "heading"]
BLOCK_CHARS = 1 << 16
"""Readers hand on longer blocks in pieces of about this length."""

TITLE_CHARS = 300
"""A longer line is no title, whatever marks it as one."""


@dataclass(slots=True)
class Block:
    """A paragraph, list item, code block, table or heading, with the white space behind it.

    line: of its first character, from 1; 0 where lines mean nothing. headings: the titles above it, outermost first;
    a heading's own is the last. caption: what a part of it needs to be understood, such as the header row of a table.
    name, page, row, metadata: what its chunks' origin and metadata will say. context: said before the headings.
    """

    kind: BlockKind
    text: str
    offset: int
    line: int
    headings: tuple[str, ...] = ()
    caption: str = ""
    name: str | None = None
    page: int | None = None
    row: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    context: str = ""


class Gatherer:
    """The lines of the block under way. Set its attributes, then `take` lines; `done` gives the block."""

    def __init__(self) -> None:
        self.kind: BlockKind = "prose"
        self.headings: tuple[str, ...] = ()
        self.caption = ""
        self.name: str | None = None
        self.metadata: Mapping[str, Any] = {}
        self.context = ""
        self.lines: list[Line] = []
        self._chars = 0

    def take(self, line: Line) -> Iterator[Block]:
        """Add a line. Gives what is gathered when that is more than a block may hold."""
        self.lines.append(line)
        self._chars += len(line.text)
        if self._chars >= BLOCK_CHARS:
            yield from self.done()

    def start(self, kind: BlockKind, line: Line) -> Iterator[Block]:
        """End the block under way, and begin one with this line."""
        yield from self.done()
        self.kind, self.caption = kind, ""
        yield from self.take(line)

    def done(self) -> Iterator[Block]:
        if self.lines:
            first = self.lines[0]
            yield Block(
                self.kind,
                "".join(line.text for line in self.lines),
                first.offset,
                first.number,
                self.headings,
                self.caption,
                self.name,
                metadata=self.metadata,
                context=self.context,
            )
            self.lines, self._chars = [], 0

    def split_off(self, count: int) -> Iterator[Block]:
        """End the block before its last `count` lines, which stay."""
        kept, self.lines = self.lines[-count:], self.lines[:-count]
        yield from self.done()
        self.lines, self._chars = kept, sum(len(line.text) for line in kept)

    def written(self) -> bool:
        """Whether anything but white space is gathered."""
        return any(not line.text.isspace() for line in self.lines)


class HeadingPath:
    """The titles above the present line."""

    def __init__(self, titles: tuple[str, ...] = ()) -> None:
        self._stack: list[tuple[int, str]] = [(0, title) for title in titles]

    def enter(self, level: int, title: str) -> tuple[str, ...]:
        """The path below a new heading; level 1 is the outermost."""
        while self._stack and self._stack[-1][0] >= level:
            self._stack.pop()
        if self._stack and self._stack[-1] == (0, title):  # a title that the document says twice
            self._stack.pop()
        self._stack.append((level, title))
        return self.path()

    def path(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._stack if title)


def plain_blocks(lines: Iterable[Line]) -> Iterator[Block]:
    """Paragraphs: what stands between blank lines."""
    gatherer = Gatherer()
    blank = False
    for line in lines:
        if line.text.isspace() and not line.continued:
            blank = True
        elif blank:
            blank = False
            yield from gatherer.done()
        yield from gatherer.take(line)
    yield from gatherer.done()


_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_MARKS = re.compile(r"(\*\*|__|\*|(?<!\w)_|_(?!\w)|`+|~~)")


def plain_title(text: str) -> str:
    """A title without its marks of emphasis, code and links."""
    return " ".join(_MARKS.sub("", _LINK.sub(r"\1", text)).split())
