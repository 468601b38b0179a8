"""Rows to and from the server's bytes. What can be text is bytes there, for PostgreSQL's text has no NUL."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import numpy as np

from adjoin import metadata as metadata_codec
from adjoin.engine import Row
from adjoin.engines.postgres.facts import facts
from adjoin.errors import InvalidContent, InvalidId, InvalidVector, StoreCorrupted
from adjoin.types import Content, Document, Id, Metric, Origin

if TYPE_CHECKING:
    from adjoin.types import Floats

NOTHING, TEXT, BYTES, RECORD = range(4)  # the column `kind`
_UUID_OID, _BYTEA_OID = 2950, 17
_NULL: Final = struct.pack(">i", -1)
COPY_BEGIN: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_LARGEST_SAFE, _SMALLEST_SAFE = 1e15, 1e-15  # of lengths whose squares pgvector's float32 sums keep


class Encoded(NamedTuple):
    """A row as it is stored."""

    id: Id
    id_key: bytes
    kind: int
    content: bytes | None
    metadata: str
    origin: str | None
    text_hash: bytes | None
    row_hash: bytes
    truncated: bool
    tokens: list[bytes]
    orders: list[bytes]


def encode(row: Row, vector: bytes) -> Encoded:
    """vector: its bytes as `vector_bytes` gives them. Raises InvalidContent, InvalidMetadata or InvalidId for what cannot
    be kept faithfully."""
    try:
        key = id_key(row.id)
    except UnicodeEncodeError as exc:
        raise InvalidId(f"the id {row.id!r:.80} has a lone surrogate, which no encoding can keep.") from exc
    try:
        kind, content = _encode_content(row.content)
        origin = json.dumps(row.origin.to_dict(), ensure_ascii=True) if row.origin else None
    except UnicodeEncodeError as exc:
        raise InvalidContent(
            f"the item {row.id!r} has text with a lone surrogate ({exc.object[exc.start : exc.end]!r}), which no encoding can "
            "keep. Decode its bytes with errors='replace'."
        ) from exc
    metadata = metadata_codec.encode(row.metadata)
    row_hash = hash_row(key, kind, content, metadata, origin, vector)
    tokens, orders = facts(metadata_codec.decode(metadata))
    return Encoded(
        row.id, key, kind, content, metadata, origin, row.text_hash, row_hash, row.truncated, tokens, orders
    )  # fmt: skip


def _encode_content(content: Content) -> tuple[int, bytes | None]:
    match content:
        case None:
            return NOTHING, None
        case str():
            return TEXT, content.encode()
        case bytes():
            return BYTES, content
        case dict():
            return RECORD, metadata_codec.encode(content).encode()
        case _:
            raise InvalidContent(
                f"content of type {type(content).__name__} cannot be kept. It is a str, bytes, a dict (a record), or None."
            )


def id_key(id_: Id) -> bytes:
    """16 bytes that stand for an id of any length; `"1"` and `1` have two."""
    said = b"s" + id_.encode() if isinstance(id_, str) else b"i%d" % id_
    return hashlib.blake2b(said, digest_size=16).digest()


def id_keys(ids: Iterable[Id]) -> list[UUID]:
    """Of the ids that can be; others are nowhere. Sorted, each once: all who lock several rows do it in this order."""
    keys = set()
    for id_ in ids:
        try:
            keys.add(id_key(id_))
        except UnicodeEncodeError:
            continue
    return [UUID(bytes=key) for key in sorted(keys)]


def hash_row(
    key: bytes, kind: int, content: bytes | None, metadata: str, origin: str | None, vector: bytes
) -> bytes:  # fmt: skip
    """16 bytes that differ when anything of the row does: each part goes in behind its length."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (key, b"%d" % kind, content or b"", metadata.encode(), (origin or "").encode(), vector):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


# Vectors


def rounded(vectors: Floats, storage: str, metric: Metric) -> Floats:
    """As they will come back. Raises InvalidVector for one that float16 cannot hold."""
    if storage != "float16":
        return vectors
    with np.errstate(over="ignore"):
        kept: Floats = vectors.astype(np.float16).astype(np.float32)
    wrong = ~np.isfinite(kept).all(axis=1)
    if metric == "cosine":
        wrong |= ~kept.any(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InvalidVector(
            f"vector {row} of this call cannot be kept as float16, whose numbers reach from 6e-8 to 65504. "
            "Scale it, or make the collection with storage='float32'."
        )
    return kept


def vector_bytes(vectors: Floats, storage: str) -> list[bytes]:
    """Each as pgvector sends and takes it: how many, two bytes of nothing, the numbers, all big-endian."""
    head = struct.pack(">HH", vectors.shape[1], 0)
    kind = ">f2" if storage == "float16" else ">f4"
    return [head + row.tobytes() for row in vectors.astype(kind)]


def vectors_of(blobs: Sequence[bytes], storage: str) -> Floats:
    """Shape (len(blobs), dim); at least one."""
    kind = ">f2" if storage == "float16" else ">f4"
    dim = struct.unpack_from(">H", blobs[0])[0]
    joined = b"".join(blob[4:] for blob in blobs)
    matrix: Floats = np.frombuffer(joined, kind).reshape(len(blobs), dim).astype(np.float32)
    return matrix


def odd_ones(vectors: Floats, metric: Metric) -> list[bool]:
    """Which are too long or too short for sums of squares in float32: these are always measured by us."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    odd = lengths > _LARGEST_SAFE
    if metric == "cosine":
        odd |= lengths < _SMALLEST_SAFE
    return odd.tolist()  # type: ignore[no-any-return]


# For COPY … (FORMAT binary)


def copied(number: int, row: Encoded, odd: bool, vector: bytes) -> bytes:
    """One row of the stage: its number, schema.COLUMNS, its vector."""
    whole = isinstance(row.id, int)
    fields = (
        number.to_bytes(8, signed=True), row.id_key, int(row.id).to_bytes(8, signed=True) if whole else None,
        None if whole else str(row.id).encode(), row.kind.to_bytes(2), row.content, row.metadata.encode(),
        None if row.origin is None else row.origin.encode(), row.text_hash, row.row_hash, bytes([row.truncated]),
        _array(row.tokens, _UUID_OID), _array(row.orders, _BYTEA_OID), bytes([odd]), vector,
    )  # fmt: skip
    parts = [len(fields).to_bytes(2)]
    for field in fields:
        parts += [_NULL] if field is None else [len(field).to_bytes(4), field]
    return b"".join(parts)


def _array(items: list[bytes], oid: int) -> bytes:
    if not items:
        return struct.pack(">iii", 0, 0, oid)
    parts = [struct.pack(">iiiii", 1, 0, oid, len(items), 1)]
    for item in items:
        parts += [len(item).to_bytes(4), item]
    return b"".join(parts)


# Coming back

DOCUMENT_COLUMNS = "seq, id_key, id_int, id_text, kind, content, metadata, origin, row_hash, vector"


def id_of(id_int: int | None, id_text: bytes | None) -> Id:
    return id_int if id_int is not None else (id_text or b"").decode()


def decode(values: Sequence[Any], location: str, storage: str, *, with_vector: bool) -> Document:
    """A document from DOCUMENT_COLUMNS. Raises StoreCorrupted for a row that is not as it was written."""
    seq, key, id_int, id_text, kind, content, metadata, origin, row_hash, vector = values
    try:
        if hash_row(key.bytes, kind, content, metadata, origin, vector) != row_hash:
            raise ValueError("its bytes are not those that were stored")
        return Document(
            id=id_of(id_int, id_text),
            content=_decode_content(kind, content),
            metadata=metadata_codec.decode(metadata),
            origin=Origin.from_dict(json.loads(origin)) if origin else None,
            vector=vectors_of([vector], storage)[0] if with_vector else None,
        )
    except (ValueError, TypeError, KeyError, AttributeError, StoreCorrupted) as exc:
        raise StoreCorrupted(
            f"{location}: row {seq} cannot be read: {exc}. Run `adjoin doctor`, and restore it from a backup."
        ) from exc


def _decode_content(kind: int, content: bytes | None) -> Content:
    if kind == NOTHING or content is None:
        return None
    if kind == TEXT:
        return content.decode()
    return metadata_codec.decode(content.decode()) if kind == RECORD else content
