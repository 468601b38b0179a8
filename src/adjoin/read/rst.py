"""reStructuredText to blocks: titles marked by lines below (and above) them, literal blocks, directives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from adjoin.read.blocks import TITLE_CHARS, Block, Gatherer, HeadingPath, plain_title
from adjoin.read.decode import Line

_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}[ \t]*$")
_CODE_DIRECTIVE = re.compile(r"\s*\.\. (?:code|code-block|sourcecode|highlight|parsed-literal|literalinclude|math)::")
_ITEM = re.compile(r"\s*(?:[-*+•]|#\.|\(?(?:\d{1,4}|[A-Za-z])[.)])[ \t]+")


def rst_blocks(lines: Iterable[Line]) -> Iterator[Block]:
    """The blocks of a reStructuredText; they follow each other without a gap."""
    parser = _Parser()
    for line in lines:
        yield from parser.feed(line)
    yield from parser.gatherer.done()


class _Parser:
    def __init__(self) -> None:
        self.gatherer = Gatherer()
        self._titles = HeadingPath()
        self._styles: list[str] = []  # of titles, in the order in which they appeared: the outermost first
        self._after_blank = True
        self._literal_below: int | None = None  # the indentation that ends the literal block

    def feed(self, line: Line) -> Iterator[Block]:
        if line.continued or line.text.isspace():
            self._after_blank = self._after_blank or not line.continued
            yield from self.gatherer.take(line)
            return
        text = line.text.rstrip()
        indent = len(text) - len(text.lstrip())
        if self._literal_below is not None and indent > self._literal_below:
            yield from self._literal(line)
        elif style := self._title_style(text):
            yield from self._title(line, style)
        else:
            yield from self._paragraph(line, text, indent)
        self._after_blank = self.gatherer.kind == "heading"

    def _literal(self, line: Line) -> Iterator[Block]:
        if self.gatherer.kind == "code":
            yield from self.gatherer.take(line)
        else:
            yield from self.gatherer.start("code", line)

    def _title_style(self, text: str) -> str:
        """The mark of a title that ends with this line, doubled when it stands above the title too; "" for none."""
        rule = _RULE.match(text)
        held = [each.text.strip() for each in self.gatherer.lines]
        if not rule or self._after_blank or self.gatherer.kind != "prose" or not 1 <= len(held) <= 2:
            return ""
        title = held[-1]
        if not title or len(title) > TITLE_CHARS or _RULE.match(title):
            return ""
        if len(held) == 1:
            return rule[1]
        return rule[1] * 2 if held[0] == text.strip() else ""

    def _title(self, line: Line, style: str) -> Iterator[Block]:
        if style not in self._styles:
            self._styles.append(style)
        held, self.gatherer.lines = self.gatherer.lines, []
        title = plain_title(held[-1].text.replace("``", "`"))
        self.gatherer.headings = self._titles.enter(self._styles.index(style) + 1, title)
        self.gatherer.kind, self._literal_below = "heading", None
        for each in (*held, line):
            yield from self.gatherer.take(each)

    def _paragraph(self, line: Line, text: str, indent: int) -> Iterator[Block]:
        begins = (
            self._after_blank or self.gatherer.kind != "prose" or bool(_ITEM.match(text)) or not self.gatherer.lines
        )
        is_code = bool(_CODE_DIRECTIVE.match(text))
        if is_code:
            yield from self.gatherer.start("code", line)
        elif begins:
            yield from self.gatherer.start("prose", line)
        else:
            yield from self.gatherer.take(line)
        literal = is_code or (text.endswith("::") and not text.lstrip().startswith(".. "))
        self._literal_below = indent if literal else None
