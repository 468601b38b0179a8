"""HTML to blocks of the text that a reader would see.

Offsets count in the extracted text, which is the blocks one after another; lines are those of the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TextIO

from adjoin.errors import UnreadableFile
from adjoin.read.blocks import BLOCK_CHARS, TITLE_CHARS, Block, BlockKind, HeadingPath
from adjoin.read.values import words

FEED_CHARS = 1 << 16
MOST_WAITING = 1 << 23
"""Characters of one tag, comment or script; more is not HTML, and would not fit memory."""

_UNSEEN = frozenset(words("script style nav template svg noscript iframe object canvas audio video select datalist"))
_VOID = frozenset(words("area base br col embed hr img input link meta param source track wbr"))
_BREAKS = frozenset(
    words(
        "address article aside blockquote body button caption dd details dialog div dl dt fieldset figcaption figure footer "
        "form h1 h2 h3 h4 h5 h6 head header hr html legend li main menu ol p pre section summary table tbody tfoot "
        "thead tr ul"
    )
)
_CLOSED_BY_BLOCKS = frozenset({"p", "li", "dt", "dd", "option", "tr", "td", "th"})
_SPACES = re.compile(r"[ \t\n\r\f]+")
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)


def declared_charset(head: bytes) -> str | None:
    """The encoding that a page says it has, as Python knows it."""
    found = _CHARSET.search(head)
    if not found:
        return None
    name = found[1].decode("ascii").lower()
    # Browsers read both of these as the larger set, and so must we.
    name = {"euc-kr": "cp949", "ks_c_5601-1987": "cp949", "iso-8859-1": "cp1252", "gb2312": "gb18030"}.get(name, name)
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return None
    return name


def html_blocks(text: TextIO, path: Path) -> Iterator[Block]:
    """The blocks of a page, broken or not. `text` must have been opened with its line ends translated."""
    parser = _Parser()
    while piece := text.read(FEED_CHARS):
        parser.feed(piece)
        yield from parser.taken()
        if len(parser.rawdata) > MOST_WAITING:
            raise UnreadableFile(f"{path}: line {parser.getpos()[0]} begins a tag or comment that does not end")
    parser.close()
    yield from parser.last()


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._blocks: list[Block] = []
        self._parts: list[str] = []
        self._chars = 0
        self._line = 0
        self._offset = 0
        self._kind: BlockKind = "prose"
        self._level = 0  # of the heading we are in
        self._titles = HeadingPath()
        self._title: list[str] = []
        self._in_title = False
        self._preformatted = 0
        self._hidden_by = ""
        self._hidden_depth = 0

    def taken(self) -> Iterator[Block]:
        blocks, self._blocks = self._blocks, []
        yield from blocks

    def last(self) -> Iterator[Block]:
        self._end_block()
        if not self._offset and self._page_title():  # a page of nothing but a title can still be found
            self._kind, self._line = "heading", 1
            self._put(self._page_title(), (self._page_title(),))
        yield from self.taken()

    def parse_html_declaration(self, i: int) -> int:
        try:
            return super().parse_html_declaration(i)
        except AssertionError:  # how the parser says that `<![…` is nothing it knows
            return self.parse_bogus_comment(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._hidden_by:
            self._open_hidden(tag)
            return
        if tag not in _VOID and (tag in _UNSEEN or _is_hidden(dict(attrs))):
            self._end_block() if tag in _BREAKS else None
            self._hidden_by, self._hidden_depth = tag, 1
            return
        if tag in _BREAKS:
            self._end_block()
        self._start(tag)

    def _start(self, tag: str) -> None:
        if tag == "title":
            self._in_title = not self._title
        elif tag == "br":
            self._parts.append("\n")
        elif tag == "pre":
            self._preformatted += 1
            self._kind = "code"
        elif len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._kind, self._level = "heading", int(tag[1])
        elif tag == "tr":
            self._kind = "table"
        elif tag == "li":
            self._parts.append("- ")
        elif tag in ("td", "th") and any(not part.isspace() for part in self._parts):
            self._parts.append(" | ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag == "svg":
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden_by:
            self._close_hidden(tag)
        elif tag == "title":
            self._in_title = False
        elif tag in _BREAKS:
            self._end_block()
            self._preformatted -= tag == "pre" and self._preformatted > 0

    def _open_hidden(self, tag: str) -> None:
        if tag == self._hidden_by and tag not in _VOID:
            self._hidden_depth += 1
        if self._hidden_by in _CLOSED_BY_BLOCKS and tag in _BREAKS:  # its end tag may be left out
            self._hidden_by = ""
            self._start(tag)

    def _close_hidden(self, tag: str) -> None:
        self._hidden_depth -= tag == self._hidden_by
        if self._hidden_depth <= 0 or tag in ("body", "html"):
            self._hidden_by = ""

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title.append(data[:TITLE_CHARS])
        elif not self._hidden_by:
            self._add(data)

    def _add(self, data: str) -> None:
        if not self._line and data.strip():
            before = data[: len(data) - len(data.lstrip())]
            self._line = self.getpos()[0] + before.count("\n")
        self._parts.append(data if self._preformatted else _SPACES.sub(" ", data))
        self._chars += len(data)
        if self._chars >= BLOCK_CHARS:
            self._end_block(goes_on=True)

    def _end_block(self, *, goes_on: bool = False) -> None:
        text = "".join(self._parts)
        text = text.strip("\n").rstrip() if self._preformatted else _tidied(text)
        if text.strip() not in ("", "-"):
            headings = self._titles.path()
            if self._kind == "heading":
                title = " ".join(text.split())[:TITLE_CHARS]
                headings = self._titles.enter(self._level, title)
            self._put(text, headings)
        self._parts, self._chars, self._line = [], 0, 0
        if not goes_on:
            self._kind = "prose"

    def _put(self, text: str, headings: tuple[str, ...]) -> None:
        title = self._page_title()
        context = "" if title in headings else title
        text += "\n" if self._kind == "table" else "\n\n"
        self._blocks.append(Block(self._kind, text, self._offset, self._line or 1, headings, context=context))
        self._offset += len(text)

    def _page_title(self) -> str:
        return " ".join("".join(self._title).split())[:TITLE_CHARS]


def _tidied(text: str) -> str:
    text = re.sub(r" {2,}", " ", text.replace("\xa0", " "))
    return re.sub(r" ?\n ?", "\n", text).strip()


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    style = attributes.get("style") or ""
    return "hidden" in attributes or attributes.get("aria-hidden") == "true" or bool(_HIDING.search(style))
