"""PDF to blocks, a page at a time. Needs pypdf."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from adjoin.errors import MissingExtra, UnreadableFile
from adjoin.read.blocks import Block, plain_blocks
from adjoin.read.decode import lines
from adjoin.read.settings import OnSkip, Skipped
from adjoin.read.values import clean_text

_Result = TypeVar("_Result")


def pdf_blocks(binary: BinaryIO, path: Path, on_skip: OnSkip) -> Iterator[Block]:
    """The paragraphs of each page; offsets count in the page's text.

    A page that cannot be read is reported, and so is a file without any text. Raises UnreadableFile when the whole is
    broken or needs a password.
    """
    try:
        import pypdf
    except ImportError as exc:
        raise MissingExtra.of("pypdf", "files", f"reading {path}") from exc
    reader, count = _guarded(path, lambda: _opened(pypdf, binary, path))
    written = False
    for number in range(count):
        try:
            text = _guarded(path, partial(_text, reader, number))
        except UnreadableFile as exc:
            on_skip(Skipped(path, f"page {number + 1}: {str(exc).removeprefix(f'{path}: ')}"))
            continue
        written = written or not (not text or text.isspace())
        yield from _page(clean_text(text), number + 1)
    if not written:
        on_skip(Skipped(path, "it has no text; scanned pages need character recognition first"))


def _opened(pypdf: Any, binary: BinaryIO, path: Path) -> tuple[Any, int]:
    reader = pypdf.PdfReader(binary)
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableFile(f"{path}: it is encrypted; save a copy without a password")
    return reader, len(reader.pages)


def _text(reader: Any, number: int) -> str:
    return reader.pages[number].extract_text() or ""


def _page(text: str, number: int) -> Iterator[Block]:
    for block in plain_blocks(lines(io.StringIO(text, newline=""))):
        block.page, block.line = number, 0
        yield block


def _guarded(path: Path, work: Callable[[], _Result]) -> _Result:
    try:
        with _quiet():
            return work()
    except UnreadableFile:
        raise
    except OSError as exc:
        raise UnreadableFile(f"{path}: {exc.strerror or exc}") from exc
    except Exception as exc:  # a broken file makes pypdf fail in many ways, of many types
        raise UnreadableFile(f"{path}: not a readable PDF ({type(exc).__name__}: {exc})") from exc


@contextmanager
def _quiet() -> Iterator[None]:
    """Without pypdf's warnings about files that it reads all the same."""
    logger = logging.getLogger("pypdf")
    nowhere, before = logging.NullHandler(), logger.propagate
    logger.addHandler(nowhere)
    logger.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.propagate = before
        logger.removeHandler(nowhere)
