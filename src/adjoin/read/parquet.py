"""Parquet to records, a batch at a time. Needs pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

from adjoin.errors import MissingExtra, UnreadableFile
from adjoin.read.records import Record

_BATCH_ROWS = 256


def parquet_records(binary: BinaryIO, path: Path) -> Iterator[Record]:
    """The rows; times stay times, and what metadata cannot hold becomes text. Raises UnreadableFile when broken."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise MissingExtra.of("pyarrow", "files", f"reading {path}") from exc
    row = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(binary).iter_batches(batch_size=_BATCH_ROWS):
            for fields in batch.to_pylist():
                row += 1
                yield Record({name: _plain(value) for name, value in fields.items()}, row)
    except (pyarrow.ArrowException, OSError, ValueError) as exc:
        raise UnreadableFile(f"{path}: not a readable Parquet file ({exc})") from exc


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float | datetime | date):
        return value
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)
