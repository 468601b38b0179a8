"""Rows to files that other tools read: JSON lines, or Parquet."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from adjoin import metadata as metadata_codec
from adjoin.errors import InvalidOption, MissingExtra, StoreFull
from adjoin.lines import content_of, line_of
from adjoin.types import Document, Progress, Where

if TYPE_CHECKING:
    from adjoin.collection import Collection

FORMATS = ("jsonl", "parquet")
_BLOCK_ROWS = 4096


def export(
    collection: Collection,
    output: str | os.PathLike[str] | None,
    *,
    format: str | None = None,  # noqa: A002
    where: Where | None = None,
    vectors: bool = False,
    progress: Progress | None = None,
) -> int:
    """Write rows to a file, or to standard output for None, and return how many. A file is complete or not there.

    format: "jsonl" or "parquet"; by the file's name when None. Dates, infinities and bytes are tagged, as in
    {"$datetime": "…"}, so that nothing is lost. Memory is bounded.
    """
    chosen = format or _format_of(output)
    if chosen not in FORMATS:
        raise InvalidOption.unknown("format", chosen, FORMATS)
    write = _write_parquet if chosen == "parquet" else _write_jsonl
    with _file(output) as file:
        return write(file, collection.scan(where, vectors=vectors), vectors, progress or (lambda done, total: None))


def _format_of(output: str | os.PathLike[str] | None) -> str:
    return "parquet" if output is not None and Path(output).suffix.lower() in (".parquet", ".pq") else "jsonl"


@contextmanager
def _file(output: str | os.PathLike[str] | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(output)
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(target)
    except OSError as exc:
        raise StoreFull(f"cannot write {target}: {exc.strerror or exc}. Nothing was left there.") from exc
    finally:
        draft.unlink(missing_ok=True)


def _write_jsonl(file: BinaryIO, documents: Iterable[Document], vectors: bool, progress: Progress) -> int:
    count = 0
    for count, document in enumerate(documents, start=1):
        file.write(line_of(document).encode())
        if count % _BLOCK_ROWS == 0:
            progress(count, None)
    return count


def _write_parquet(file: BinaryIO, documents: Iterable[Document], vectors: bool, progress: Progress) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise MissingExtra.of("pyarrow", "files", "Parquet") from exc
    texts = ("id", "id_type", "content", "content_type", "metadata", "origin")
    schema = pa.schema(
        [(name, pa.string()) for name in texts] + ([("vector", pa.list_(pa.float32()))] if vectors else [])
    )
    count, rest = 0, iter(documents)
    with pq.ParquetWriter(file, schema) as writer:
        while block := list(itertools.islice(rest, _BLOCK_ROWS)):
            writer.write_table(pa.Table.from_pylist([_record(document) for document in block], schema))
            count += len(block)
            progress(count, None)
    return count


def _record(document: Document) -> dict[str, Any]:
    content = document.content
    return {
        "id": str(document.id),
        "id_type": type(document.id).__name__,
        "content": content if isinstance(content, str) or content is None else content_of(document),
        "content_type": "none" if content is None else {str: "text", bytes: "base64"}.get(type(content), "record"),
        "metadata": metadata_codec.encode(document.metadata),
        "origin": json.dumps(document.origin.to_dict(), ensure_ascii=False) if document.origin else None,
        "vector": document.vector,
    }
