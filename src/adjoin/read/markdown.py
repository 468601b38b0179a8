"""Markdown to blocks, in the manner of CommonMark, a line at a time.

Only what decides where a chunk may end is looked at: headings, fenced and indented code, list items, tables, comments
and front matter. Inline marks stay as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from adjoin.read.blocks import TITLE_CHARS, Block, Gatherer, HeadingPath, plain_title
from adjoin.read.decode import Line
from adjoin.read.frontmatter import parse_front_matter

_FENCE = re.compile(r"(?P<indent>\s*)(?:[-*+] +|\d{1,9}[.)] +)?(?P<fence>`{3,}(?=[^`]*$)|~{3,})")
_ATX = re.compile(r" {0,3}(?P<level>#{1,6})(?:[ \t]+(?P<title>.*?))?(?:[ \t]+#+)?[ \t]*$")
_ANCHOR = re.compile(r"\s*\{[^}]*\}$")
_SETEXT = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
_RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])(?:[ \t]+|$)")
_QUOTE_OR_ITEM = re.compile(r"\s*(?:>|[-*+][ \t]|\d{1,9}[.)][ \t])")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_MOST_FRONT_LINES = 500
_MOST_SETEXT_LINES = 3


def markdown_blocks(lines: Iterable[Line]) -> Iterator[Block]:
    """The blocks of a Markdown text; they follow each other without a gap, but for front matter, which is metadata."""
    parser = _Parser()
    rest = iter(lines)
    yield from parser.front_matter(rest)
    for line in rest:
        yield from parser.feed(line)
    yield from parser.gatherer.done()


class _Parser:
    def __init__(self) -> None:
        self.gatherer = Gatherer()
        self._titles = HeadingPath()
        self._closing: re.Pattern[str] | None = None  # what ends the fence or comment that is open
        self._indented = False  # in code marked by its indentation
        self._after_blank = True
        self._in_list = False

    def front_matter(self, lines: Iterator[Line]) -> Iterator[Block]:
        """Read the front matter, or what stands in its place: blocks of what is none of it, or not understood."""
        held, closed = _between_rules(lines)
        fields, complete = parse_front_matter([line.text for line in held[1:-1]]) if closed else ({}, True)
        if not fields:
            for line in held:
                yield from self.feed(line)
            return
        self._describe(fields)
        if not complete:  # YAML that we do not know is kept as it is written
            yield from self._start("code", held[0])
            for line in held[1:]:
                yield from self.gatherer.take(line)
            self._after_blank = True
            yield from self.gatherer.done()

    def _describe(self, fields: dict[str, Any]) -> None:
        self.gatherer.metadata = fields
        title = fields.get("title")
        if isinstance(title, str) and title.strip():
            self._titles = HeadingPath((plain_title(title)[:TITLE_CHARS],))
            self.gatherer.headings = self._titles.path()

    def feed(self, line: Line) -> Iterator[Block]:
        if line.continued:
            yield from self.gatherer.take(line)
        elif self._closing:
            yield from self.gatherer.take(line)
            if self._closing.search(line.text):
                self._closing, self._after_blank = None, True
        elif line.text.isspace():
            self._after_blank = True
            yield from self.gatherer.take(line)
        else:
            yield from self._written(line)

    def _written(self, line: Line) -> Iterator[Block]:
        text = line.text.rstrip("\r\n")
        long = len(text) > TITLE_CHARS
        if fence := self._fence(text):
            yield from self._start("code", line)
            mark = fence["fence"]
            self._closing = re.compile(rf"^[ \t]*{re.escape(mark[0])}{{{len(mark)},}}[ \t]*[\r\n]*$")
        elif self._is_indented_code(text):
            yield from self.gatherer.take(line) if self._indented else self._start("code", line, indented=True)
        elif not long and (atx := _ATX.match(text)):
            yield from self._heading(len(atx["level"]), atx["title"] or "", [line])
        elif not long and self._ends_setext(text):
            yield from self._setext(line, 1 if "=" in text else 2)
        elif not long and _RULE.match(text):
            yield from self._start("prose", line)
            self._after_blank = True
        elif text.lstrip().startswith("<!--"):
            yield from self._start("prose", line)
            if "-->" not in text:
                self._closing = re.compile("-->")
        elif not long and self._begins_table(text):
            yield from self._table(line)
        else:
            yield from self._paragraph(line, text)

    def _fence(self, text: str) -> re.Match[str] | None:
        """A fence, as deep as a list may be, but not deep enough to be code itself."""
        fence = _FENCE.match(text)
        shallow = fence and len(fence["indent"].expandtabs(4)) < 4
        return fence if fence and (shallow or self._in_list) else None

    def _is_indented_code(self, text: str) -> bool:
        deep = text.startswith(("    ", "\t", " \t", "  \t", "   \t"))
        return deep and not self._in_list and (self._indented or self._after_blank)

    def _start(self, kind: str, line: Line, *, indented: bool = False) -> Iterator[Block]:
        self._indented, self._after_blank = indented, False
        yield from self.gatherer.start("code" if kind == "code" else "prose", line)

    def _paragraph(self, line: Line, text: str) -> Iterator[Block]:
        is_item = bool(_ITEM.match(text))
        if self._after_blank and not is_item and not text[0].isspace():
            self._in_list = False
        table_goes_on = self.gatherer.kind == "table" and not self._after_blank
        prose_goes_on = self.gatherer.kind == "prose" and not self._after_blank and not is_item
        if table_goes_on or prose_goes_on:
            yield from self.gatherer.take(line)
        else:
            yield from self._start("prose", line)
        self._in_list = self._in_list or is_item

    def _ends_setext(self, text: str) -> bool:
        held = self.gatherer.lines
        return (
            bool(_SETEXT.match(text))
            and self.gatherer.kind == "prose"
            and not self._after_blank
            and 0 < len(held) <= _MOST_SETEXT_LINES
            and sum(len(line.text) for line in held) <= TITLE_CHARS
            and self.gatherer.written()
            and not _QUOTE_OR_ITEM.match(held[0].text)
        )

    def _setext(self, line: Line, level: int) -> Iterator[Block]:
        title = "".join(each.text for each in self.gatherer.lines)
        held, self.gatherer.lines = self.gatherer.lines, []
        yield from self._heading(level, title, [*held, line])

    def _heading(self, level: int, title: str, lines: list[Line]) -> Iterator[Block]:
        yield from self.gatherer.done()
        self._in_list = self._indented = False
        self.gatherer.headings = self._titles.enter(level, plain_title(_ANCHOR.sub("", title)))
        self.gatherer.kind, self.gatherer.caption = "heading", ""
        for line in lines:
            yield from self.gatherer.take(line)
        self._after_blank = True  # whatever follows begins anew

    def _begins_table(self, text: str) -> bool:
        held = self.gatherer.lines
        return (
            "|" in text
            and bool(_TABLE_RULE.match(text))
            and self.gatherer.kind == "prose"
            and not self._after_blank
            and bool(held)
            and "|" in held[-1].text
            and len(held[-1].text) <= TITLE_CHARS
        )

    def _table(self, line: Line) -> Iterator[Block]:
        yield from self.gatherer.split_off(1)
        self.gatherer.kind, self.gatherer.caption = "table", self.gatherer.lines[0].text.strip()
        yield from self.gatherer.take(line)


def _between_rules(lines: Iterator[Line]) -> tuple[list[Line], bool]:
    """The first lines of a text up to the `---` that ends its front matter; and whether there is one."""
    held: list[Line] = []
    for line in lines:
        held.append(line)
        bare = line.text.rstrip()
        if (len(held) == 1 and bare != "---") or len(held) > _MOST_FRONT_LINES or line.continued:
            break
        if len(held) > 1 and bare in ("---", "..."):
            return held, True
    return held, False
