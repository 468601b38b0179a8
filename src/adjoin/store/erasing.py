"""Deleting so that nothing is left: rows go, segments and database are written anew without them, and all files are read
to see that it is so.

What is looked for are pieces of 32 bytes of each row's content, metadata and vector, and its hash. A piece that a
living row has too proves nothing and is passed over. What file systems and disks keep below the files is beyond this.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin.errors import StoreError, StoreFull, StoreLocked, listed
from adjoin.store import rows as row_codec
from adjoin.store.connections import Connections
from adjoin.store.files import DamagedFile, mapped
from adjoin.store.folder import DATABASE
from adjoin.store.manifest import VECTORS
from adjoin.store.pages import whole
from adjoin.types import Erased

if TYPE_CHECKING:
    import apsw
    from numpy.typing import NDArray

    from adjoin.store.state import View

PIECE_BYTES: Final = 32
_ANCHOR_BYTES: Final = 8
_PIECES_A_TEXT: Final = 64
_CHUNK_BYTES: Final = 16 * 2**20
_WAIT_S: Final = 0.05


@dataclass(slots=True)
class Traces:
    """What would show that an erased row is still there."""

    pieces: set[bytes] = field(default_factory=set)

    def take(self, connection: apsw.Connection, view: View, seqs: list[int]) -> None:
        """Of rows that are about to go."""
        for block in row_codec.blocks(seqs):
            blobs = view.blobs(connection, block)
            sql = f"SELECT seq, content, metadata, origin, row_hash FROM documents WHERE seq IN ({row_codec.marks(block)})"
            for seq, content, metadata, origin, row_hash in connection.execute(sql, block):
                for value in (content, metadata, origin, blobs.get(seq), row_hash):
                    self.pieces.update(_pieces(value.encode() if isinstance(value, str) else value))

    def forget_living(self, connection: apsw.Connection, found: Iterable[Found]) -> None:
        """Leave out those of the found that a living row of any collection has.

        A segment's vectors are those of its rows, all of them alive when it was written: an equal one is another's.
        """
        self.pieces -= {one.piece for one in found if one.path.name == VECTORS}
        for piece in {one.piece for one in found} & self.pieces:
            if (
                connection.execute(_LIVING, (piece,)).fetchone()
                or connection.execute(_LIVING_TAIL, (piece,)).fetchone()
            ):
                self.pieces.discard(piece)


_LIVING = (
    "SELECT 1 FROM documents WHERE instr(CAST(content AS BLOB), ?1) OR instr(CAST(metadata AS BLOB), ?1) "
    "OR instr(CAST(origin AS BLOB), ?1) OR row_hash = ?1 LIMIT 1"
)
_LIVING_TAIL = "SELECT 1 FROM vectors WHERE instr(vector, ?) LIMIT 1"


def _pieces(value: bytes | None) -> Iterator[bytes]:
    """Pieces of 32 bytes from all over a value; a short one whole, one of less than 8 bytes not at all."""
    if value is None or len(value) < _ANCHOR_BYTES:
        return
    if len(value) <= PIECE_BYTES:
        yield value
        return
    step = max(PIECE_BYTES, (len(value) - PIECE_BYTES) // _PIECES_A_TEXT)
    for start in range(0, len(value) - PIECE_BYTES + 1, step):
        yield value[start : start + PIECE_BYTES]
    yield value[-PIECE_BYTES:]


@dataclass(frozen=True, slots=True)
class Found:
    path: Path
    offset: int
    piece: bytes


def look(folder: Path, pieces: set[bytes]) -> tuple[list[Found], int]:
    """Every place in the files below a folder where one of the pieces stands, and how many bytes were read."""
    finder = _Finder(pieces)
    found: list[Found] = []
    read = 0
    for path in sorted(folder.rglob("*")):
        content = _bytes_of(path)
        read += len(content)
        found += [Found(path, offset, piece) for offset, piece in finder.find(content)]
    return found, read


def _bytes_of(path: Path) -> Any:
    """Of a file; none of one that holds locks and no data, or that went meanwhile, as segments do when they are dropped.

    Closing a file of one's own drops every lock that this process holds on it: the build's, and those with which
    SQLite keeps other processes from removing the log. So those are not opened, and the database is read its way.
    """
    if path.name in (f"{DATABASE}-shm", f"{DATABASE}-build") or not path.is_file():
        return b""
    if path.name == DATABASE:
        return whole(path)
    try:
        return mapped(path)
    except DamagedFile:
        return b""


class _Finder:
    """Many pieces in many bytes: a table of the first bytes' hashes, then the first eight bytes, then all."""

    def __init__(self, pieces: set[bytes]) -> None:
        self._by_anchor: dict[int, list[bytes]] = {}
        for piece in pieces:
            self._by_anchor.setdefault(int.from_bytes(piece[:_ANCHOR_BYTES], "little"), []).append(piece)
        self._anchors = np.array(sorted(self._by_anchor), np.uint64)
        self._table = np.zeros(2**16, np.bool_)
        self._table[_hashed(self._anchors)] = True

    def find(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        for start in range(0, len(content), _CHUNK_BYTES):
            chunk = bytes(content[start : start + _CHUNK_BYTES + PIECE_BYTES])
            for shift in range(_ANCHOR_BYTES):
                count = (len(chunk) - shift) // _ANCHOR_BYTES
                if count > 0:
                    words = np.frombuffer(chunk, "<u8", count, shift)
                    yield from self._in_words(chunk, words, shift, start)

    def _in_words(self, chunk: bytes, words: NDArray[np.uint64], shift: int, start: int) -> Iterator[tuple[int, bytes]]:
        likely = np.flatnonzero(self._table[_hashed(words)])
        likely = likely[np.isin(words[likely], self._anchors)]
        for place in likely.tolist():
            offset = place * _ANCHOR_BYTES + shift
            for piece in self._by_anchor[int(words[place])]:
                if offset < _CHUNK_BYTES and chunk[offset : offset + len(piece)] == piece:
                    yield start + offset, piece


def _hashed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        return (words * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(48)


def rewrite_database(connections: Connections) -> bool:
    """Write the database anew without what is deleted, and empty its log; whether that could be done before time was up.

    A reader of another process that holds an old state keeps the log from being emptied.
    """
    if connections.in_memory:
        with connections.alone() as connection:
            connection.execute("VACUUM")
        return True
    with connections.alone() as connection:
        connection.execute("VACUUM")
    latest = time.monotonic() + connections.write_timeout_s
    while not connections.checkpoint():
        if time.monotonic() > latest:
            return False
        time.sleep(_WAIT_S)
    return True


def rewrite_and_look(connections: Connections, traces: Traces, deleted: int) -> Erased:
    """Write the database anew, and read every file for what was erased. Raises StoreError naming where it still stands."""
    emptied = rewrite_database(connections)
    if connections.in_memory:
        return Erased(deleted)
    folder = Path(connections.location)
    found, read = look(folder, traces.pieces)
    if found:
        with connections.read() as connection:
            traces.forget_living(connection, found)
        found = [one for one in found if one.piece in traces.pieces]
    places = tuple(dict.fromkeys(f"{one.path.relative_to(folder)} at {one.offset:,}" for one in found))
    if places:
        raise StoreError(
            f"{deleted} rows are deleted, but something of them still stands in {listed(places, 3)}"
            + ("" if emptied else ", because another process is reading an older state")
            + ". Close other users of the store, then call erase(where={'nothing': 'matches'}) to write it anew."
        )
    return Erased(deleted, read)


@contextmanager
def deleted_so_far(count: int) -> Iterator[None]:
    """What stops an erasure half way leaves rows deleted, but their bytes where they were."""
    try:
        yield
    except (StoreFull, StoreLocked) as exc:
        raise type(exc)(
            f"{count} rows are deleted, but the files that had them could not be written anew, so something of them "
            f"may still stand there: {exc} Then call erase(where={{'nothing': 'matches'}}) to write them anew."
        ) from exc
