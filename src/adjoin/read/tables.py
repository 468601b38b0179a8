"""CSV, TSV and their like to records, with the types that whole columns agree on."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from adjoin.errors import UnreadableFile
from adjoin.read.records import RECORD_CHARS, Problems, Record
from adjoin.read.values import column_kind, convert

_DELIMITERS = (",", ";", "\t", "|")
_SNIFF_CHARS = 1 << 16
_TYPE_ROWS = 1000
_TYPE_CHARS = 1 << 20


def table_records(text: TextIO, path: Path, problems: Problems, *, delimiter: str | None = None) -> Iterator[Record]:
    """The rows below the header, which must be the first row that is not blank.

    A column is int, float or bool when all the values of its first thousand rows that are not empty are; a later value
    that is not stays text. Empty values are None. Numbers with leading zeros are text.
    """
    rows = _rows(text, path, problems, delimiter)
    _, header = next(rows, (0, []))
    names = _names(header)
    sample = list(_sampled(rows))
    width = max((len(row) for _, row in sample), default=0)
    names += [f"column_{number}" for number in range(len(names) + 1, width + 1)]
    kinds = [column_kind(row[at] for _, row in sample if at < len(row)) for at in range(len(names))]
    for number, (line, row) in enumerate(itertools.chain(sample, rows), start=1):
        if len(row) > len(names):
            problems.add(f"row {number}: it has {len(row)} values for {len(names)} columns", line)
            continue
        padded = row + [""] * (len(names) - len(row))
        yield Record(dict(zip(names, map(_value, padded, kinds), strict=True)), number, line)


def _value(text: str, kind: str) -> object:
    if not text.strip():
        return None
    value = None if kind == "str" else convert(text, kind)
    return text if value is None else value


def _names(header: list[str]) -> list[str]:
    names: dict[str, None] = {}
    for number, given in enumerate(header, start=1):
        name = given.strip() or f"column_{number}"
        while name in names:
            name += f"_{number}"
        names[name] = None
    return list(names)


def _sampled(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    size = 0
    for line, row in itertools.islice(rows, _TYPE_ROWS):
        yield line, row
        size += sum(map(len, row))
        if size > _TYPE_CHARS:
            return


def _rows(text: TextIO, path: Path, problems: Problems, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line where it begins."""
    head = text.read(_SNIFF_CHARS)
    rest = _Lines(text, head)
    delimiter = delimiter or _delimiter(head)
    # A quote behind a space that opens a field and closes it, and is not the end of one that holds such a delimiter.
    field = rf'{re.escape(delimiter)} "[^"\r\n]*"(?={re.escape(delimiter)}|[\r\n]|\Z)'
    spaced = f'{delimiter}"' not in head and re.search(field, head) is not None
    reader = csv.reader(rest, delimiter=delimiter, skipinitialspace=spaced)
    while True:
        begins = rest.number + 1
        try:
            with _long_fields():
                row = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            if "field larger" not in str(exc) and "too long" not in str(exc):
                problems.add(str(exc), begins)
                continue
            raise UnreadableFile(
                f"{path}: the row at line {begins} is longer than {RECORD_CHARS:,} characters; is a quote left open?"
            ) from exc
        if any(value.strip() for value in row):
            yield begins, row


class _long_fields:  # noqa: N801  # a context manager, made once a row: contextlib's would cost more than the row
    """With the longest field that we read; the limit is one for the whole process."""

    def __enter__(self) -> None:
        self._before = csv.field_size_limit(RECORD_CHARS)

    def __exit__(self, *_: object) -> None:
        csv.field_size_limit(self._before)


class _Lines:
    """The lines of a text whose beginning was read already."""

    def __init__(self, text: TextIO, head: str) -> None:
        self._text = text
        if head and len(head) == _SNIFF_CHARS:
            head += text.readline(RECORD_CHARS)
            if head[-1] == "\r" and (following := text.readline(RECORD_CHARS)) != "":
                head += following  # perhaps the other half of a line end
        self._head = iter(_split(head))
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._head, None) or self._text.readline(RECORD_CHARS)
        if not line:
            raise StopIteration
        if len(line) >= RECORD_CHARS:
            raise csv.Error("line too long")
        self.number += 1
        return line


def _split(head: str) -> Iterator[str]:
    yield from io.StringIO(head, newline="")


def _delimiter(head: str) -> str:
    """The delimiter that gives the first rows the same, and the greatest, number of values."""

    def rank(delimiter: str) -> tuple[float, int]:
        rows = list(itertools.islice((row for row in _parsed(head, delimiter) if row), 20))
        rows = rows[:-1] if len(rows) > 2 and len(head) >= _SNIFF_CHARS else rows
        widths = [len(row) for row in rows]
        if not widths or widths[0] < 2:
            return (0.0, 0)
        return (sum(width == widths[0] for width in widths) / len(widths), widths[0])

    return max(_DELIMITERS, key=rank)


def _parsed(head: str, delimiter: str) -> Iterator[list[str]]:
    try:
        with _long_fields():
            rows = list(itertools.islice(csv.reader(_split(head), delimiter=delimiter), 40))
    except csv.Error:
        return
    yield from rows
