"""Rows out of the database, by seq and by id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from adjoin.errors import StoreCorrupted
from adjoin.store import rows
from adjoin.store.faults import corrupted
from adjoin.types import Document, Id

if TYPE_CHECKING:
    import apsw

    from adjoin.store.snapshot import Snapshot
    from adjoin.store.state import View

_LONG: Final = 1900
"""Characters of a row that fit on one page in any script. What goes on to pages of its own is read past the page's
checksum, and so is checked by the row's hash."""


def documents(
    connection: apsw.Connection,
    view: View,
    seqs: list[int],
    *,
    location: str,
    with_vectors: bool = False,
    check: bool = False,
) -> dict[int, Document]:
    """Rows by seq. check: each by its hash; pages of a checked database have been verified when they were read.

    Raises StoreCorrupted, naming `location`, for a row that is not there or not as it was stored.
    """
    found: dict[int, Document] = {}
    codec = view.now.codec if with_vectors and seqs else None
    for block in rows.blocks(seqs):
        blobs = view.blobs(connection, block) if check or with_vectors else None
        sql = f"SELECT seq, {rows.DOCUMENT_COLUMNS} FROM documents WHERE seq IN ({rows.marks(block)})"
        for seq, *values in connection.execute(sql, block):
            try:
                if blobs is None and not _is_long(values):
                    found[seq] = rows.document(*values)
                    continue
                known = view.blobs(connection, [seq]) if blobs is None else blobs
                if seq not in known:
                    raise ValueError("its vector is missing")
                vector = codec.decode_blob(known[seq]) if codec is not None else None
                found[seq] = rows.decode(tuple(values), known[seq] if check or blobs is None else None, vector)
            except (ValueError, TypeError, KeyError, AttributeError, StoreCorrupted) as exc:
                raise corrupted(location, f"row {seq} cannot be read: {exc}") from exc
    if len(found) < len(seqs):
        raise corrupted(location, f"{len(seqs) - len(found)} of {len(seqs)} rows cannot be found")
    return found


def ids_of(connection: apsw.Connection, seqs: list[int]) -> dict[int, Id]:
    ids: dict[int, Id] = {}
    for block in rows.blocks(seqs):
        ids.update(connection.execute(f"SELECT seq, id FROM documents WHERE seq IN ({rows.marks(block)})", block))
    return ids


def seqs_of(connection: apsw.Connection, now: Snapshot, ids: Sequence[Id]) -> list[int]:
    """Of those ids that exist."""
    found: list[int] = []
    for block in rows.blocks(list(dict.fromkeys(ids))):
        sql = f"SELECT seq FROM documents WHERE collection = ? AND id IN ({rows.marks(block)})"
        found += [seq for (seq,) in connection.execute(sql, (now.key, *block))]
    return found


def _is_long(values: Sequence[Any]) -> bool:
    """Whether a row of DOCUMENT_COLUMNS may go on to a second page."""
    id_, _, content, metadata, origin, _ = values
    size = len(metadata) + (len(content) if content is not None else 0) + (len(origin) if origin is not None else 0)
    return size + (len(id_) if isinstance(id_, str) else 0) > _LONG
