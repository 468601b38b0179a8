"""Blocks of a document to chunks: as full as they may be, and cut where a reader would cut.

Every chunk is one stretch of its text, so that `text[offset : offset + length] == content`. Blocks of one text must
follow each other without a gap; where they do not, a chunk ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from adjoin.read.blocks import Block
from adjoin.read.settings import ReadSettings
from adjoin.text.graphemes import cut_after, cut_before, is_boundary
from adjoin.text.sentences import sentences
from adjoin.types import Item, Origin

_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANK_START = re.compile(r"\A(?:[^\S\r\n]*[\r\n])+")
_BLANK_LINES = re.compile(r"(?>\r\n|\r|\n)(?:[ \t]*(?>\r\n|\r|\n))+")


@dataclass(slots=True)
class _Unit:
    """What is never cut further: a short block, or a sentence or line of a long one."""

    text: str
    offset: int
    line: int
    block: Block
    first: bool  # of its block


def chunks(blocks: Iterable[Block], settings: ReadSettings, file: str | None = None) -> Iterator[Item]:
    """The chunks of one document, in order, each at most `settings.chunk_chars` long."""
    held: list[_Unit] = []
    repeated = 0  # units at the start of `held` that the chunk before it also has
    for block in blocks:
        if held and not _go_together(held, block):
            yield from _made(held, repeated, file)
            held, repeated = [], 0
        for unit in _units(block, _room(held, settings), settings):
            if _length(held, unit) > settings.chunk_chars and not _only_headings(held, unit):
                yield from _made(held, repeated, file)
                held = _overlap(held, unit, settings)
                repeated = len(held)
            elif _length(held, unit) > settings.chunk_chars or not _written(held):
                held = []  # headings that the context of the next chunk says, or nothing but white space
            held.append(unit)
    yield from _made(held, repeated, file)


def _only_headings(held: list[_Unit], unit: _Unit) -> bool:
    return unit.block.kind != "heading" and all(each.block.kind == "heading" and each.first for each in held)


def _written(held: list[_Unit]) -> bool:
    return any(not unit.text.isspace() for unit in held)


def _go_together(held: list[_Unit], block: Block) -> bool:
    """Whether a block may stand in one chunk with what is held: the same section, or headings that only lead to it."""
    last = held[-1]
    if last.offset + len(last.text) != block.offset or _record(last.block) != _record(block):
        return False
    if block.kind != "heading":
        return last.block.headings == block.headings
    bare = all(unit.block.kind == "heading" for unit in held)
    return bare and block.headings[: len(last.block.headings)] == last.block.headings != block.headings


def _record(block: Block) -> tuple[object, ...]:
    return (block.page, block.row, block.name)


def _made(held: list[_Unit], repeated: int, file: str | None) -> Iterator[Item]:
    if not _written(held[repeated:]):
        return
    text = "".join(unit.text for unit in held)
    content = _stripped(text, held)
    skipped = text[: text.index(content)]
    block = held[-1].block
    origin = Origin(
        file=file,
        name=block.name,
        line=held[0].line + _line_ends(skipped) if block.line else None,
        page=block.page,
        offset=held[0].offset + len(skipped),
        length=len(content),
        heading=block.headings,
        row=block.row,
    )
    yield Item(content, metadata=block.metadata, origin=origin, context=_context(held))


def _context(held: list[_Unit]) -> str:
    """The headings above the chunk that are not in it, and the captions of what begins elsewhere."""
    first, last = held[0].block, held[-1].block
    own = sum(unit.block.kind == "heading" and unit.first for unit in held)
    above = [last.context, *last.headings[: len(last.headings) - own]]
    caption = "" if held[0].first else first.caption
    return "\n".join(part for part in (" > ".join(part for part in above if part), caption) if part)


def _room(held: list[_Unit], settings: ReadSettings) -> int:
    return settings.chunk_chars - sum(len(unit.text) for unit in held)


def _length(held: list[_Unit], unit: _Unit) -> int:
    """How long the chunk would be with one more unit."""
    units = [*held, unit]
    return len(_stripped("".join(each.text for each in units), units))


def _stripped(text: str, units: list[_Unit]) -> str:
    """The text without white space around it, but with the indentation of a first line of code."""
    text = text.rstrip()
    return _BLANK_START.sub("", text) if units[0].block.kind == "code" else text.lstrip()


def _overlap(held: list[_Unit], following: _Unit, settings: ReadSettings) -> list[_Unit]:
    """The last sentences of a chunk that the next one repeats, none of them code or a heading."""
    last = held[-1]
    if not settings.overlap_chars or following.block.kind != "prose" or following.block.headings != last.block.headings:
        return []
    kept: list[_Unit] = []
    room = min(settings.overlap_chars, settings.chunk_chars - len(following.text.rstrip()))
    for unit in reversed(held):
        if unit.block.kind != "prose":
            break
        for sentence in reversed(list(_sentence_units(unit))):
            if len(sentence.text) > room:
                return kept
            room -= len(sentence.text)
            kept.insert(0, sentence)
    return kept if len(kept) < len(held) else kept[1:]


def _units(block: Block, room: int, settings: ReadSettings) -> Iterator[_Unit]:
    """A block whole when it fits a chunk, or else in sentences or lines, each short enough for one."""
    whole = _Unit(block.text, block.offset, block.line, block, first=True)
    fits = len(_stripped(block.text, [whole])) <= settings.chunk_chars
    nearly_empty = room > settings.chunk_chars * 2 // 3
    if fits and not (block.kind == "prose" and len(block.text.rstrip()) > room and nearly_empty):
        yield whole
        return
    split = {"code": _paragraph_units, "table": _line_units}.get(block.kind, _sentence_units)
    for part in split(whole):
        if block.kind == "code" and len(_stripped(part.text, [part])) > settings.chunk_chars:
            for line in _line_units(part):
                yield from _cut(line, settings.chunk_chars)
        else:
            yield from _cut(part, settings.chunk_chars)


def _sentence_units(whole: _Unit) -> Iterator[_Unit]:
    starts = [span.start for span in sentences(whole.text)][1:]
    return _parts(whole, [start for start in starts if is_boundary(whole.text, start)])


def _paragraph_units(whole: _Unit) -> Iterator[_Unit]:
    return _parts(whole, [match.end() for match in _BLANK_LINES.finditer(whole.text)])


def _line_units(whole: _Unit) -> Iterator[_Unit]:
    return _parts(whole, [match.end() for match in _LINE_END.finditer(whole.text)])


def _cut(unit: _Unit, most: int) -> Iterator[_Unit]:
    """A sentence or line that is too long for a chunk, cut at white space, or else between characters."""
    starts: list[int] = []
    start = 0
    while len(unit.text[start:].rstrip()) > most:
        start = _cut_at(unit.text, start, most)
        starts.append(start)
    return _parts(unit, starts)


def _cut_at(text: str, start: int, most: int) -> int:
    window = text[start : start + most + 1]
    space = max(window.rfind(" "), window.rfind("\n"), window.rfind("\t"), window.rfind("\r", 0, most))
    wanted = start + space + 1 if window[: space + 1].strip() else start + most
    cut = cut_before(text, wanted)
    return cut if cut > start else max(start + 1, cut_after(text, wanted))


def _parts(whole: _Unit, starts: list[int]) -> Iterator[_Unit]:
    """The unit cut before each of `starts`, without losing a character."""
    line = whole.line
    for start, end in pairwise([0, *starts, len(whole.text)]):
        text = whole.text[start:end]
        if text:
            yield _Unit(text, whole.offset + start, line, whole.block, first=whole.first and start == 0)
            line += _line_ends(text)


def _line_ends(text: str) -> int:
    return len(_LINE_END.findall(text)) if "\r" in text else text.count("\n")
