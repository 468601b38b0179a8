"""What `stats` says of a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adjoin.store import manifest as names
from adjoin.store.manifest import Manifest
from adjoin.store.snapshot import one

if TYPE_CHECKING:
    import apsw

    from adjoin.store.state import View

_PARTS = {
    names.VECTORS: "vectors",
    names.BLOCKS: "guards",
    names.PARITY: "guards",
    names.SEQS: "guards",
    names.FIGURES: "index",
    names.INDEX: "index",
    names.COLUMNS: "columns",
}


def figures(connection: apsw.Connection, view: View, store_bytes: int) -> dict[str, Any]:
    """Counts, segments, and bytes for each part. Cost: a pass over the collection's rows in the database."""
    now = view.now
    count, truncated, content, metadata = one(
        connection,
        "SELECT count(*), ifnull(sum(truncated), 0), ifnull(sum(octet_length(content)), 0), "
        "ifnull(sum(octet_length(metadata)), 0) FROM documents WHERE collection = ?", now.key,
    )  # fmt: skip
    parts = {"content": content, "metadata": metadata, "vectors": view.tail.count * _row_bytes(view)}
    for part in view.parts:
        for name, size in _sizes(part.segment.manifest).items():
            parts[name] = parts.get(name, 0) + size
    return {
        "documents": count,
        "tail": view.tail.rows,
        "segments": len(view.parts),
        "tombstones": sum(part.dead for part in view.parts),
        "truncated": truncated,
        "bytes": parts,
        "store_bytes": store_bytes,
        "parts": [_part(part.segment.manifest, part.count, part.segment.index is not None) for part in view.parts],
    }


def _row_bytes(view: View) -> int:
    return view.now.codec.row_bytes if view.now.dim else 0


def _sizes(manifest: Manifest) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, file in manifest.files.items():
        part = _PARTS.get(name, "other")
        found[part] = found.get(part, 0) + file.size
    return found


def _part(manifest: Manifest, alive: int, loaded: bool) -> dict[str, Any]:
    return {
        "id": manifest.id, "rows": manifest.rows, "alive": alive, "tombstones": manifest.rows - alive,
        "index": manifest.family, "params": dict(manifest.params), "loaded": loaded, "bytes": _sizes(manifest),
        "notes": list(manifest.notes), "made_by": dict(manifest.made_by),
    }  # fmt: skip
