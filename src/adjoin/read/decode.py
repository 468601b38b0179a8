"""Bytes to lines of text, in bounded memory, with where each stands.

A line ends with \\n, \\r\\n or \\r, as editors have it; a form feed ends none. Offsets count the characters of the
decoded text, in which line ends are kept as they are and a byte order mark is not included.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from adjoin.errors import UnreadableFile
from adjoin.text.graphemes import cut_before

BLOCK_BYTES = 1 << 18
SNIFF_BYTES = 1 << 16
LINE_CHARS = 1 << 15
"""Longer lines are handed on in pieces."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HANGUL = re.compile("[가-힣]+")
_OTHER_LETTERS = re.compile(r"[^\W\d_A-Za-z가-힣]+")
_LOOK_LIKE_ASCII = ("utf-16", "utf-32", "utf-7", "iso2022", "hz")


class Line(NamedTuple):
    """One line, or one piece of a long one, with its line end.

    number: from 1. continued: whether it goes on with the line of the piece before it.
    """

    text: str
    offset: int
    number: int
    continued: bool = False


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes. Raises UnreadableFile, and never waits, for a pipe, socket, device or folder."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UnreadableFile(f"{path}: {kind_of(os.stat(path).st_mode)}, not a regular file")
        # The file could have been exchanged for a pipe since; opened without waiting, that does no harm.
        handle = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    except (OSError, ValueError) as exc:
        raise unreadable(path, exc) from exc
    with handle:
        try:
            yield handle
        except OSError as exc:
            raise unreadable(path, exc) from exc


def kind_of(mode: int) -> str:
    """A word for what is no regular file."""
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISCHR, "a device"),
    )
    return next((word for test, word in kinds if test(mode)), "something else")


def unreadable(path: Path, exc: OSError | ValueError) -> UnreadableFile:
    """The error for a file that the system would not let us read."""
    return UnreadableFile(f"{path}: {getattr(exc, 'strerror', None) or exc}")


def text_lines(path: Path, encoding: str | None = None) -> Iterator[Line]:
    """The lines of a text file. Raises UnreadableFile when it is binary or in an unknown encoding."""
    with open_text(path, encoding) as text:
        yield from lines(text)


@contextmanager
def open_text(path: Path, encoding: str | None = None, newline: str | None = "") -> Iterator[TextIO]:
    """The decoded text of a file, its line ends kept unless `newline` says otherwise."""
    with open_regular(path) as binary:
        found = find_encoding(binary, path, encoding)
        binary.seek(0)
        with io.TextIOWrapper(binary, encoding=found, errors="strict", newline=newline) as text:
            try:
                yield text
            except UnicodeDecodeError as exc:
                raise UnreadableFile(f"{path}: it changed while it was read; index it again") from exc


def lines(text: TextIO) -> Iterator[Line]:
    """The lines of a text that was opened with newline=''."""
    offset, number, continued, rest = 0, 1, False, ""
    while True:
        piece, ended, rest = _next_piece(text, rest)
        if not piece:
            return
        yield Line(piece, offset, number, continued)
        offset += len(piece)
        number += ended
        continued = not ended


def _next_piece(text: TextIO, rest: str) -> tuple[str, bool, str]:
    """A line or a piece of a long one that tears no word; whether the line ends with it; and what was read too far."""
    read = "" if rest == "\r" else text.readline(LINE_CHARS)
    piece = rest + read
    if piece[-1:] == "\n" or (piece[-1:] == "\r" and rest != "\r" and len(read) < LINE_CHARS):
        return piece, True, ""
    if piece[-1:] == "\r":  # the limit may have come between \r and \n
        following = text.readline(1)
        return (piece + "\n", True, "") if following == "\n" else (piece, True, following)
    if len(piece) < LINE_CHARS:
        return piece, False, ""
    cut = max(piece.rfind(" ", LINE_CHARS // 2), piece.rfind("\t", LINE_CHARS // 2)) + 1
    cut = cut_before(piece, cut or len(piece) - 1) or len(piece)
    return piece[:cut], False, piece[cut:]


def is_binary(head: bytes, encoding: str | None = None) -> bool:
    """Whether the first bytes of a file are not those of a text."""
    wide = encoding is not None and _normal(encoding).startswith(("utf-16", "utf-32"))
    return not wide and b"\0" in head and not any(head.startswith(mark) for mark, _ in _BOMS)


def find_encoding(binary: BinaryIO, path: Path, wanted: str | None = None) -> str:
    """The encoding that decodes the whole file. Reads it once, in blocks; raises UnreadableFile when there is none."""
    binary.seek(0)
    head = binary.read(SNIFF_BYTES)
    if is_binary(head, wanted):
        raise UnreadableFile(f"{path}: binary")
    tried = _candidates(head, wanted)
    for encoding in tried:
        if _decodes(binary, encoding, korean=encoding == "cp949" and encoding != wanted):
            return encoding
    raise UnreadableFile(
        f"{path}: its text is not {' or '.join(tried).replace('-sig', '').upper()}. "
        "Name its encoding with --encoding (for instance --encoding cp1252), or save it as UTF-8."
    )


def _candidates(head: bytes, wanted: str | None) -> list[str]:
    marked = next((encoding for mark, encoding in _BOMS if head.startswith(mark)), None)
    if marked:
        return [marked]
    if wanted is None:
        return ["utf-8", "cp949"]
    return [wanted, "utf-8"] if _normal(wanted).startswith(_LOOK_LIKE_ASCII) else ["utf-8", wanted]


def _normal(encoding: str) -> str:
    return codecs.lookup(encoding).name.replace("_", "-").replace("iso2022-", "iso2022")


def _decodes(binary: BinaryIO, encoding: str, *, korean: bool) -> bool:
    """Whether all bytes decode, and, to tell cp949 from other encodings of two bytes, whether Korean comes out."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    binary.seek(0)
    balance = 0
    try:
        while block := binary.read(BLOCK_BYTES):
            text = decoder.decode(block)
            balance += _korean_letters(text) if korean else 0
        decoder.decode(b"", True)
    except UnicodeError:
        return False
    return not korean or balance > 0


def _korean_letters(text: str) -> int:
    """Common Hangul syllables less other letters beyond ASCII, and less syllables that Koreans hardly ever write."""
    hangul = "".join(_HANGUL.findall(text))
    # The 2,350 common syllables are two bytes each in EUC-KR; Python writes the other ones in eight.
    rare = (len(hangul.encode("euc_kr")) - 2 * len(hangul)) // 6
    return len(hangul) - 2 * rare - sum(map(len, _OTHER_LETTERS.findall(text)))
