"""What the reading room takes and gives: its settings, the files it found, and what it had to leave out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, TypeAlias

from adjoin.errors import InvalidOption

Media: TypeAlias = Literal["text", "image", "sound"]
READER_VERSION = 2
"""Raised whenever the same file would give other chunks than before, so that stores read it again."""

_DO_NOT_CHANGE_CHUNKS = frozenset({"max_file_bytes", "hidden", "gitignore", "include", "exclude"})


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How files are found and cut.

    chunk_chars: the most characters in a chunk. 700 characters of Korean are some 400 tokens, so that a chunk and the
    headings above it fit the 512 tokens that small text models read.
    overlap_chars: the most characters that a chunk repeats from the one before it, in whole sentences.
    content_column: the column or field that is the content of a table's rows; guessed when None.
    encoding: for files that are neither UTF-8 nor marked as UTF-16 or UTF-32; Korean ones are recognised when None.
    max_file_bytes: larger files are left out, and reported.
    hidden: also read files and folders whose names begin with a dot. gitignore: leave out what git would.
    include, exclude: patterns in the language of .gitignore; a file must match one of `include` when there are any.
    media: "text" to read text out of files; "image" or "sound" to take the files of pictures or sounds as they are, one item
    each, and leave the others out. A collection chooses it by what its embedder takes.
    """

    chunk_chars: int = 700
    overlap_chars: int = 100
    content_column: str | None = None
    encoding: str | None = None
    max_file_bytes: int | None = None
    hidden: bool = False
    gitignore: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    media: Media = "text"

    def __post_init__(self) -> None:
        if self.chunk_chars < 16:
            raise InvalidOption(f"chunk_chars is {self.chunk_chars}; give at least 16 characters.")
        if not 0 <= self.overlap_chars <= self.chunk_chars // 2:
            raise InvalidOption(
                f"overlap_chars is {self.overlap_chars}; give a number from 0 to half of chunk_chars, "
                f"which is {self.chunk_chars}."
            )
        if self.max_file_bytes is not None and self.max_file_bytes < 1:
            raise InvalidOption(f"max_file_bytes is {self.max_file_bytes}; give at least 1, or None for no limit.")
        if self.encoding is not None:
            _check_encoding(self.encoding)

    def fingerprint(self) -> str:
        """A short text that changes whenever the same file would be cut into other chunks."""
        kept = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _DO_NOT_CHANGE_CHUNKS}
        if self.media == "text":  # as it was before there were others
            del kept["media"]
        said = json.dumps([READER_VERSION, kept], sort_keys=True)
        return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def _check_encoding(encoding: str) -> None:
    try:
        "".encode(encoding)
    except (LookupError, ValueError) as exc:
        raise InvalidOption(
            f"unknown encoding {encoding!r}. Known are utf-8, cp949, euc-kr, utf-16, cp1252, …"
        ) from exc


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to read. path is absolute; mtime_ns is when it was last modified."""

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was left out, and why. line: where in the file, from 1, when it is a part of one."""

    path: Path
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        place = str(self.path) if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.reason}"


OnSkip: TypeAlias = Callable[[Skipped], None]
