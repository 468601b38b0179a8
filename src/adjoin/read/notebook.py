"""Jupyter notebooks to blocks, a cell at a time."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from adjoin.errors import UnreadableFile
from adjoin.read.blocks import Block, plain_blocks
from adjoin.read.decode import lines
from adjoin.read.markdown import markdown_blocks
from adjoin.read.values import clean_text

MOST_CHARS = 1 << 24


def notebook_blocks(text: TextIO, path: Path) -> Iterator[Block]:
    """The sources of the cells; outputs are left out. row: the cell, from 1. Offsets count within the cell.

    Titles in Markdown cells stand above the code cells that follow.
    """
    headings: tuple[str, ...] = ()
    for number, cell in enumerate(_cells(text, path), start=1):
        source = cell.get("source", "")
        source = clean_text("".join(map(str, source)) if isinstance(source, list) else str(source))
        for block in _blocks(source, str(cell.get("cell_type"))):
            if block.kind == "heading" or block.headings:
                headings = block.headings
            block.headings, block.row, block.line = headings, number, 0
            yield block


def _cells(text: TextIO, path: Path) -> list[dict[str, Any]]:
    held = text.read(MOST_CHARS + 1)
    if len(held) > MOST_CHARS:
        raise UnreadableFile(f"{path}: the notebook has more than {MOST_CHARS:,} characters; clear its outputs")
    try:
        cells = json.loads(held)["cells"]
        if not isinstance(cells, list):
            raise TypeError("its cells are no list")
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise UnreadableFile(f"{path}: not a readable notebook ({type(exc).__name__}: {exc})") from exc
    return [cell for cell in cells if isinstance(cell, dict)]


def _blocks(source: str, kind: str) -> Iterator[Block]:
    text = lines(io.StringIO(source, newline=""))
    if kind == "markdown":
        yield from markdown_blocks(text)
        return
    for block in plain_blocks(text):
        block.kind = "code"
        yield block
