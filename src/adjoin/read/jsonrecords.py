"""JSON Lines and JSON arrays to records, one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from adjoin.errors import UnreadableFile
from adjoin.read.records import RECORD_CHARS, Problems, Record

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_BLOCK_CHARS = 1 << 16


def line_records(text: TextIO, problems: Problems) -> Iterator[Record]:
    """A record for each line; lines that are not an object of JSON are reported by their number."""
    row = 0
    for number, line in _lines(text):
        if line is None:
            problems.add(f"the line is longer than {RECORD_CHARS:,} characters", number)
        elif not line.isspace():
            row += 1
            try:
                yield Record(_object(json.loads(line)), row, number)
            except (ValueError, RecursionError) as exc:
                problems.add(f"not a JSON object: {exc}", number)


def _lines(text: TextIO) -> Iterator[tuple[int, str | None]]:
    """Each line with its number; None for one that is too long to be held."""
    number = 0
    while line := text.readline(RECORD_CHARS):
        number += 1
        if len(line) < RECORD_CHARS or line.endswith("\n"):
            yield number, line
            continue
        while line and not line.endswith(("\n", "\r")):
            line = text.readline(RECORD_CHARS)
        yield number, None


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, dict):
        raise ValueError(f"it is a {type(value).__name__}")
    return value


def is_array_of_objects(head: str) -> bool:
    """Whether a JSON text, as far as it is given, begins as a list of records."""
    return bool(re.match(r"\s*\[\s*\{", head))


def array_records(text: TextIO, path: Path, problems: Problems) -> Iterator[Record]:
    """A record for each element of an array, without loading it whole.

    Raises UnreadableFile where the JSON is broken: what follows cannot be told apart.
    """
    window = _Window(text)
    row = 0
    while window.next_is_element():
        row += 1
        line = window.line
        try:
            value = window.take()
        except (ValueError, RecursionError) as exc:
            raise UnreadableFile(f"{path}: the JSON is broken at record {row}, line {line}: {exc}") from exc
        try:
            yield Record(_object(value), row, line)
        except ValueError as exc:
            problems.add(f"record {row}: {exc}", line)
    if not window.closed:
        raise UnreadableFile(f"{path}: the JSON array does not end; the file may be cut off")


class _Window:
    """The part of a JSON array that is being read."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._held = ""
        self._at = 0
        self._ended = False
        self.closed = False
        self.line = 1

    def next_is_element(self) -> bool:
        """Go to the next element; False at the end of the array or the text."""
        while True:
            mark = self._mark()
            if mark not in ("[", ","):
                break
            self._at += 1
            if mark == "[" or self._mark() not in ("]", ","):
                break
        while (mark := self._mark()) == ",":
            self._at += 1
        self.closed = mark == "]"
        return mark not in ("", "]")

    def take(self) -> Any:
        """The element, read on as far as it goes."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._at)
            except ValueError:
                if self._ended:
                    raise
                if len(self._held) - self._at > RECORD_CHARS:
                    raise ValueError(f"it is longer than {RECORD_CHARS:,} characters") from None
            else:
                if end < len(self._held) or self._ended:  # a number could go on
                    self._pass(end)
                    return value
            self._more()

    def _mark(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            space = _SPACE.match(self._held, self._at)
            self._pass(space.end() if space else self._at)
            if self._at < len(self._held) or self._ended:
                return self._held[self._at : self._at + 1]
            self._more()

    def _pass(self, end: int) -> None:
        self.line += self._held.count("\n", self._at, end)
        self._at = end

    def _more(self) -> None:
        """Read on; as much again as is held, so that a long element is not parsed too often."""
        self._held = self._held[self._at :]
        self._at = 0
        block = self._text.read(max(_BLOCK_CHARS, len(self._held)))
        self._ended = not block
        self._held += block
