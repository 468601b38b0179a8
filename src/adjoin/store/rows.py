"""Rows to and from SQLite's values. docs/format.md describes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from adjoin import metadata as metadata_codec
from adjoin.engine import Row
from adjoin.errors import InvalidContent
from adjoin.types import Content, Document, Id, Origin

if TYPE_CHECKING:
    from adjoin.types import Floats

TEXT, BYTES, RECORD, NOTHING = 1, 2, 3, 0  # the column `kind`

Encoded = tuple[Id, int, str | bytes | None, str, str | None, bytes | None, bytes, int, bytes]
"""(id, kind, content, metadata, origin, text_hash, row_hash, truncated, vector), as the table `spool` and the inserts take it."""


def encode(row: Row, vector: bytes) -> Encoded:
    """A row as it is stored. Raises InvalidContent or InvalidMetadata for what cannot be kept faithfully."""
    try:
        return _encode(row, vector)
    except UnicodeEncodeError as exc:
        raise InvalidContent(
            f"the item {row.id!r} has text with a lone surrogate ({exc.object[exc.start : exc.end]!r}), which no encoding can "
            "keep. Decode its bytes with errors='replace'."
        ) from exc


def _encode(row: Row, blob: bytes) -> Encoded:
    kind, content = encode_content(row.content)
    metadata = metadata_codec.encode(row.metadata)
    origin = json.dumps(row.origin.to_dict(), ensure_ascii=False) if row.origin else None
    row_hash = hash_row(row.id, kind, content, metadata, origin, blob)
    return row.id, kind, content, metadata, origin, row.text_hash, row_hash, int(row.truncated), blob


def encode_content(content: Content) -> tuple[int, str | bytes | None]:
    match content:
        case None:
            return NOTHING, None
        case str():
            return TEXT, content
        case bytes():
            return BYTES, content
        case dict():
            return RECORD, metadata_codec.encode(content)
        case _:
            raise InvalidContent(
                f"content of type {type(content).__name__} cannot be kept. It is a str, bytes, a dict (a record), or None."
            )


def hash_row(
    id_: Id, kind: int, content: str | bytes | None, metadata: str, origin: str | None, vector: bytes
) -> bytes:
    """16 bytes that differ when anything of the row does: each part goes in behind its length."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (_typed(id_), str(kind), content or "", metadata, origin or "", vector):
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


def _typed(id_: Id) -> str:
    return f"s{id_}" if isinstance(id_, str) else f"i{id_}"


DOCUMENT_COLUMNS = "id, kind, content, metadata, origin, row_hash"


def decode(values: tuple[Any, ...], blob: bytes | None, vector: Floats | None = None) -> Document:
    """A document from DOCUMENT_COLUMNS. blob: its stored vector, to check the row by its hash; None to take it as it is.

    vector: to hand out. Raises ValueError and its like for a row that is not as it was written.
    """
    id_, kind, content, metadata, origin, row_hash = values
    if blob is not None and hash_row(id_, kind, content, metadata, origin, blob) != row_hash:
        raise ValueError("its bytes are not those that were stored")
    return document(id_, kind, content, metadata, origin, vector)


def document(
    id_: Id, kind: int, content: Any, metadata: str, origin: str | None, vector: Floats | None = None
) -> Document:
    """A document from what DOCUMENT_COLUMNS begins with, taken as it is."""
    return Document(
        id_,
        metadata_codec.decode(content) if kind == RECORD else content,
        metadata_codec.decode(metadata),
        Origin.from_dict(json.loads(origin)) if origin else None,
        vector,
    )


def blocks(values: list[Any], size: int = 1000) -> Iterator[list[Any]]:
    """Few enough values for one `IN (…)`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def marks(values: list[Any]) -> str:
    return ",".join("?" * len(values))
