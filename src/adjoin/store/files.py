"""The files of a segment: written once, synced, hashed, mapped; and made whole again from parity.

`Sums` says what a file was when it was written. Vectors are the only truth outside the database, so their file has two
companions: a hash of each block, which says where damage is, and the exclusive or of each group of blocks, from which
one damaged block a group can be computed again.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import xxhash

BLOCK_BYTES: Final = 65_536
GROUP_BLOCKS: Final = 64
_CHUNK_BYTES: Final = 8 * 2**20
_HASH_BYTES: Final = 8


class DamagedFile(Exception):
    """A file is missing, or is not as it was written."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path.parent.name}/{path.name} {what}")
        self.path = path
        self.what = what


@dataclass(frozen=True, slots=True)
class Sum:
    """A file's size and its XXH3 hash of 128 bits, as hexadecimal digits."""

    size: int
    xxh3: str

    @classmethod
    def of(cls, path: Path) -> Sum:
        digest = xxhash.xxh3_128()
        size = 0
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        return cls(size, digest.hexdigest())

    def verify(self, path: Path, content: Any) -> None:
        """Raises DamagedFile unless the bytes are those that were written."""
        if len(content) != self.size:
            raise DamagedFile(path, f"has {len(content):,} bytes of {self.size:,}")
        if xxhash.xxh3_128_hexdigest(content) != self.xxh3:
            raise DamagedFile(path, "is not as it was written: its hash differs")


def mapped(path: Path) -> Any:
    """The file's bytes, mapped read-only; empty bytes for an empty file. Raises DamagedFile if it is not there.

    A mapping stays good when the file is removed.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as exc:
        raise DamagedFile(path, f"cannot be read: {exc.strerror or exc}") from exc


def opened(path: Path, written: Sum) -> Any:
    """The mapped bytes, verified. Cost: one pass over the file, some 10 GB a second where it is in memory."""
    content = mapped(path)
    written.verify(path, content)
    return content


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A new file, on disk when the block ends without an error."""
    with path.open("xb") as file:
        yield file
        file.flush()
        sync(file.fileno())


def sync(descriptor: int) -> None:
    """Through the disk's own cache too, where the system can."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_file(path: Path) -> None:
    """Of a file that something else has written."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_array(path: Path, array: np.ndarray[Any, Any]) -> None:
    with writing(path) as file:
        file.write(np.ascontiguousarray(array).data)


def write_guards(path: Path, blocks_path: Path, parity_path: Path) -> None:
    """The block hashes and the parity of a file that is complete. Memory: one group of blocks."""
    with path.open("rb") as file, writing(blocks_path) as blocks, writing(parity_path) as parity:
        while group := file.read(BLOCK_BYTES * GROUP_BLOCKS):
            parts = [group[start : start + BLOCK_BYTES] for start in range(0, len(group), BLOCK_BYTES)]
            for part in parts:
                blocks.write(xxhash.xxh3_64_digest(part))
            parity.write(_parity(parts))


def _parity(parts: list[bytes]) -> bytes:
    joined = np.zeros(len(parts[0]) if parts else 0, np.uint8)  # the first is the longest
    for part in parts:
        joined[: len(part)] ^= np.frombuffer(part, np.uint8)
    return joined.tobytes()


def damaged_blocks(content: Any, size: int, blocks: Any) -> list[int]:
    """The numbers of the blocks whose hash differs; those beyond the end of a truncated file among them."""
    found = []
    for number in range(-(-size // BLOCK_BYTES)):
        part = content[number * BLOCK_BYTES : min(size, (number + 1) * BLOCK_BYTES)]
        hashed = blocks[number * _HASH_BYTES : (number + 1) * _HASH_BYTES]
        if xxhash.xxh3_64_digest(part) != bytes(hashed):
            found.append(number)
    return found


def mend(path: Path, written: Sum, blocks: Any, parity: Any) -> bool:
    """Compute damaged blocks again, one a group at most, into a new file that takes the old one's place.

    blocks, parity: verified bytes of the companions. Returns whether the file is now as it was written.
    """
    content = bytearray(mapped(path)[:]) if path.exists() else bytearray()
    bad = damaged_blocks(content, written.size, blocks)
    content = content[: written.size].ljust(written.size, b"\0")
    for number in bad:
        _mend_block(content, number, parity)
    if xxhash.xxh3_128_hexdigest(bytes(content)) != written.xxh3:
        return False
    draft = path.with_name(path.name + ".mended")
    draft.unlink(missing_ok=True)
    with writing(draft) as file:
        file.write(content)
    draft.replace(path)
    sync_folder(path.parent)
    return True


def _mend_block(content: bytearray, number: int, parity: Any) -> None:
    group = number // GROUP_BLOCKS
    first = group * GROUP_BLOCKS
    others = [
        bytes(content[each * BLOCK_BYTES : (each + 1) * BLOCK_BYTES])
        for each in range(first, first + GROUP_BLOCKS)
        if each != number and each * BLOCK_BYTES < len(content)
    ]
    block = np.frombuffer(parity[group * BLOCK_BYTES : (group + 1) * BLOCK_BYTES], np.uint8).copy()
    for other in others:
        block[: len(other)] ^= np.frombuffer(other, np.uint8)
    start = number * BLOCK_BYTES
    stop = min(len(content), start + BLOCK_BYTES)
    content[start:stop] = block[: stop - start].tobytes()


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; what goes meanwhile does not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
