"""Opens the tables: decoded, in records, in items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from adjoin.read.chunk import chunks
from adjoin.read.decode import lines, open_regular, open_text
from adjoin.read.records import Problems, Record, record_items
from adjoin.read.settings import OnSkip, ReadSettings
from adjoin.types import Item

if TYPE_CHECKING:
    from adjoin.read.formats import Format

_HEAD_CHARS = 4096


def read(kind: Format, path: Path, settings: ReadSettings, on_skip: OnSkip) -> Iterator[Item]:
    """The items of a table or of JSON. JSON that is no list of objects is read as source code."""
    if kind == "json" and not _holds_records(path, settings):
        from adjoin.read.source import source_blocks

        with open_text(path, settings.encoding) as text:
            yield from chunks(source_blocks(lines(text), path.name), settings, str(path))
        return
    problems = Problems(path, on_skip)
    yield from record_items(_records(kind, path, settings, problems), path, settings, problems)


def _holds_records(path: Path, settings: ReadSettings) -> bool:
    from adjoin.read.jsonrecords import is_array_of_objects

    with open_text(path, settings.encoding) as text:
        return is_array_of_objects(text.read(_HEAD_CHARS))


def _records(kind: Format, path: Path, settings: ReadSettings, problems: Problems) -> Iterator[Record]:
    if kind == "parquet":
        from adjoin.read.parquet import parquet_records

        with open_regular(path) as binary:
            yield from parquet_records(binary, path)
        return
    with open_text(path, settings.encoding) as text:
        if kind in ("csv", "tsv"):
            from adjoin.read.tables import table_records

            yield from table_records(text, path, problems, delimiter="\t" if kind == "tsv" else None)
        else:
            from adjoin.read.jsonrecords import array_records, line_records

            yield from line_records(text, problems) if kind == "jsonl" else array_records(text, path, problems)
