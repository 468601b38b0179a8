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


_NOT_AS_WRITTEN = (ValueError, TypeError, KeyError, AttributeError, StoreCorrupted)


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
    if not (check or with_vectors):
        return _plain(connection, view, seqs, location)
    found: dict[int, Document] = {}
    codec = view.now.codec if with_vectors and seqs else None
    for block in rows.blocks(seqs):
        blobs = view.blobs(connection, block)
        sql = f"SELECT seq, {rows.DOCUMENT_COLUMNS} FROM documents WHERE seq IN ({rows.marks(block)})"
        for seq, *values in connection.execute(sql, block):
            try:
                if seq not in blobs:
                    raise ValueError("its vector is missing")
                vector = codec.decode_blob(blobs[seq]) if codec is not None else None
                long = not check and _is_long(*values)
                found[seq] = rows.decode(tuple(values), blobs[seq] if check or long else None, vector)
            except _NOT_AS_WRITTEN as exc:
                raise corrupted(location, f"row {seq} cannot be read: {exc}") from exc
    _refuse_missing(found, seqs, location)
    return found


def _plain(connection: apsw.Connection, view: View, seqs: list[int], location: str) -> dict[int, Document]:
    """Rows alone, which is what most searches want: with as few steps a row as there can be."""
    found: dict[int, Document] = {}
    document, is_long = rows.document, _is_long
    for block in rows.blocks(seqs):
        sql = f"SELECT seq, {rows.DOCUMENT_COLUMNS} FROM documents WHERE seq IN ({rows.marks(block)})"
        seq = 0
        try:
            for seq, id_, kind, content, metadata, origin, row_hash in connection.execute(sql, block):
                if is_long(id_, kind, content, metadata, origin, row_hash):
                    blob = view.blobs(connection, [seq]).get(seq)
                    if blob is None:
                        raise ValueError("its vector is missing")
                    found[seq] = rows.decode((id_, kind, content, metadata, origin, row_hash), blob)
                else:
                    found[seq] = document(id_, kind, content, metadata, origin)
        except _NOT_AS_WRITTEN as exc:
            raise corrupted(location, f"row {seq} cannot be read: {exc}") from exc
    _refuse_missing(found, seqs, location)
    return found


def _refuse_missing(found: dict[int, Document], seqs: list[int], location: str) -> None:
    if len(found) < len(seqs):
        raise corrupted(location, f"{len(seqs) - len(found)} of {len(seqs)} rows cannot be found")


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


def _is_long(id_: Any, kind: int, content: Any, metadata: Any, origin: Any, row_hash: Any) -> bool:
    """Whether a row of DOCUMENT_COLUMNS may go on to a second page."""
    size = len(metadata)
    if content is not None:
        size += len(content)
    if origin is not None:
        size += len(origin)
    if isinstance(id_, str):
        size += len(id_)
    return size > _LONG
