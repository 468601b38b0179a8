"""Rows of tables and records of JSON to items: which field is the content, and the others as metadata."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adjoin.errors import UnreadableFile, listed
from adjoin.read.blocks import plain_blocks
from adjoin.read.chunk import chunks
from adjoin.read.decode import lines
from adjoin.read.settings import OnSkip, ReadSettings, Skipped
from adjoin.read.values import clean, clean_key, clean_text, words
from adjoin.types import Item, Origin

RECORD_CHARS = 1 << 24
"""Characters of one record; longer ones are reported rather than loaded."""

_SAMPLE_ROWS = 200
_SAMPLE_CHARS = 1 << 20
_MOST_REPORTED = 20
_LONG_ENOUGH = 16  # characters on average, for a field of an unknown name to be taken for the content

_CONTENT_NAMES = words(
    "content text body document passage chunk question query prompt sentence message utterance review comment "
    "article description abstract summary answer title headline name subject 내용 본문 텍스트 질문 문장 문서 설명 요약 답변 댓글 리뷰 제목"
)


@dataclass(slots=True)
class Record:
    """One row. row: its number, from 1. line: where it begins in the file, where lines mean something."""

    fields: Mapping[str, Any]
    row: int
    line: int | None = None

    def size(self) -> int:
        return sum(len(value) for value in self.fields.values() if isinstance(value, str))


@dataclass(slots=True)
class Problems:
    """Reports rows that were left out: the first few one by one, the others by their number."""

    path: Path
    on_skip: OnSkip
    _count: int = field(default=0)

    def add(self, reason: str, line: int | None) -> None:
        self._count += 1
        if self._count <= _MOST_REPORTED:
            self.on_skip(Skipped(self.path, reason, line))

    def close(self) -> None:
        rest = self._count - _MOST_REPORTED
        if rest > 0:
            self.on_skip(Skipped(self.path, f"{rest:,} more rows like these were left out"))


def record_items(records: Iterable[Record], path: Path, settings: ReadSettings, problems: Problems) -> Iterator[Item]:
    """An item for each record, or more where its content is long. Raises UnreadableFile when no field is the content."""
    rest = iter(records)
    sample = list(_sampled(rest))
    if sample:
        column = content_column([record.fields for record in sample], settings.content_column, path)
        for record in itertools.chain(sample, rest):
            yield from _items(record, column, path, settings, problems)
    problems.close()


def _sampled(records: Iterator[Record]) -> Iterator[Record]:
    size = 0
    for record in itertools.islice(records, _SAMPLE_ROWS):
        yield record
        size += record.size()
        if size > _SAMPLE_CHARS:
            return


def content_column(sample: list[Mapping[str, Any]], wanted: str | None, path: Path) -> str:
    """The field that is the content: the one wanted, one with a telling name, or that of the longest texts."""
    names = dict.fromkeys(name for fields in sample for name in fields)
    if wanted is not None:
        if wanted in names:
            return wanted
        raise UnreadableFile(f"{path}: it has no column {wanted!r}; it has {listed(names, 20)}")
    lengths = {name: _mean_length(sample, name) for name in names}
    by_name = {name.strip().lower(): name for name in names if lengths[name]}
    for name in _CONTENT_NAMES:
        if name in by_name:
            return by_name[name]
    longest = max(names, key=lambda name: lengths[name], default=None)
    if longest is not None and lengths[longest] >= _LONG_ENOUGH:
        return longest
    raise UnreadableFile(
        f"{path}: which column is the content? It has {listed(names, 20)}. Name one with --content COLUMN "
        "(in Python: ReadSettings(content_column=…))"
    )


def _mean_length(sample: list[Mapping[str, Any]], name: str) -> float:
    texts = [fields[name] for fields in sample if isinstance(fields.get(name), str)]
    return sum(map(len, texts)) / len(texts) if texts else 0.0


def _items(record: Record, column: str, path: Path, settings: ReadSettings, problems: Problems) -> Iterator[Item]:
    content = record.fields.get(column)
    if isinstance(content, int | float) and not isinstance(content, bool):
        content = str(content)
    if not isinstance(content, str) or not content.strip():
        said = "is empty" if content in (None, "") or isinstance(content, str) else f"is a {type(content).__name__}"
        problems.add(
            f"row {record.row}: its {column!r} " + (said if column in record.fields else "is missing"), record.line
        )
        return
    try:
        metadata = _metadata(record.fields, column)
    except ValueError as exc:
        problems.add(f"row {record.row}: {exc}", record.line)
        return
    yield from _chunked(clean_text(content), metadata, record, path, settings)


def _metadata(fields: Mapping[str, Any], column: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for name, value in fields.items():
        if name != column:
            metadata[clean_key(name, metadata)] = clean(value)
    return metadata


def _chunked(
    content: str, metadata: dict[str, Any], record: Record, path: Path, settings: ReadSettings
) -> Iterator[Item]:
    if len(content) <= settings.chunk_chars:
        origin = Origin(str(path), line=record.line, offset=0, length=len(content), row=record.row)
        yield Item(content, metadata=metadata, origin=origin)
        return
    for item in chunks(plain_blocks(lines(io.StringIO(content, newline=""))), settings, str(path)):
        assert item.origin is not None
        yield replace(item, metadata=metadata, origin=replace(item.origin, line=record.line, row=record.row))
