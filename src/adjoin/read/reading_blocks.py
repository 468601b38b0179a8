"""Opens the documents: decoded, in blocks, in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from adjoin.read.blocks import Block, plain_blocks
from adjoin.read.chunk import chunks
from adjoin.read.decode import lines, open_regular, open_text
from adjoin.read.settings import OnSkip, ReadSettings
from adjoin.types import Item

if TYPE_CHECKING:
    from adjoin.read.formats import Format


def read(kind: Format, path: Path, head: bytes, settings: ReadSettings, on_skip: OnSkip) -> Iterator[Item]:
    """The chunks of a document of that format. head: its first bytes."""
    yield from chunks(_blocks(kind, path, head, settings, on_skip), settings, str(path))


def _blocks(kind: Format, path: Path, head: bytes, settings: ReadSettings, on_skip: OnSkip) -> Iterator[Block]:
    if kind == "pdf":
        from adjoin.read.pdf import pdf_blocks

        with open_regular(path) as binary:
            yield from pdf_blocks(binary, path, on_skip)
    elif kind == "html":
        from adjoin.read.hypertext import declared_charset, html_blocks

        with open_text(path, settings.encoding or declared_charset(head), newline=None) as text:
            yield from html_blocks(text, path)
    elif kind == "notebook":
        from adjoin.read.notebook import notebook_blocks

        with open_text(path, settings.encoding) as text:
            yield from notebook_blocks(text, path)
    else:
        yield from _line_blocks(kind, path, settings)


def _line_blocks(kind: Format, path: Path, settings: ReadSettings) -> Iterator[Block]:
    with open_text(path, settings.encoding) as text:
        if kind == "markdown":
            from adjoin.read.markdown import markdown_blocks

            yield from markdown_blocks(lines(text))
        elif kind == "rst":
            from adjoin.read.rst import rst_blocks

            yield from rst_blocks(lines(text))
        elif kind == "python":
            from adjoin.read.python import python_blocks

            yield from python_blocks(lines(text), path.name)
        elif kind == "source":
            from adjoin.read.source import source_blocks

            yield from source_blocks(lines(text), path.name)
        else:
            yield from plain_blocks(lines(text))
