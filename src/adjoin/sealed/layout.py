"""Bytes of a file of columns; docs/format-columns.md describes them.

A head, then a section a key. Every section has its checksum in the head, so that it is checked when its key is first
used and opening costs the same however many rows there are.
"""

from __future__ import annotations

import json
import mmap
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC: Final = b"ADJNCOLS"
FORMAT: Final = 1
_ALIGNED: Final = 64
_PREFIX: Final = 24  # magic, length of the head, checksum of the head, zeros
_DTYPES: Final = ("<i1", "<i2", "<i4", "<i8", "<u1", "<u4", "<u8", "<f8")

Arrays = Mapping[str, NDArray[Any]]


class Place(NamedTuple):
    """A section: its bytes begin `offset` after the head."""

    offset: int
    size_bytes: int
    checksum: int


def write(path: Path, rows: int, sections: Iterable[tuple[str, Mapping[str, Any], Arrays]]) -> None:
    """sections: of each key, what its section says and its arrays. Neither the file nor its folder is synced."""
    sections = list(sections)
    offset, keys = 0, []
    for key, said, arrays in sections:
        size, checksum = 0, 0
        for piece in _pieces(said, arrays):
            size, checksum = size + len(piece), zlib.crc32(piece, checksum)
        keys.append([key, offset, size, checksum])
        offset += size
    said_head = {"format": FORMAT, "rows": rows, "size": offset, "keys": keys}
    head = json.dumps(said_head, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    with path.open("wb") as file:
        prefix = MAGIC + len(head).to_bytes(8, "little") + zlib.crc32(head).to_bytes(4, "little") + bytes(4)
        file.write(_padded(prefix + head))
        for _, said, arrays in sections:
            file.writelines(_pieces(said, arrays))


class Head(NamedTuple):
    rows: int
    places: dict[str, Place]
    body: memoryview


def read_head(path: Path) -> Head:
    """The file's head, and its sections mapped into memory. Raises ValueError with what is wrong."""
    with path.open("rb") as file:
        found = file.read(_PREFIX)
        if len(found) < _PREFIX or not found.startswith(MAGIC) or any(found[20:]):
            raise ValueError(f"{path} is not a file of adjoin's columns")
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    length = int.from_bytes(found[8:16], "little")
    if length > len(content) - _PREFIX:
        raise ValueError(f"{path} is cut short: {len(content)} bytes cannot hold a head of {length}")
    head = content[_PREFIX : _PREFIX + length]
    if zlib.crc32(head) != int.from_bytes(found[16:20], "little"):
        raise ValueError(f"the head of {path} is damaged")
    try:
        rows, size, places = _read_head(json.loads(bytes(head).decode("utf-8", "surrogatepass")))
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise ValueError(f"the head of {path} cannot be read: {exc}") from exc
    begins = _aligned(_PREFIX + length)
    if len(content) != begins + size:
        raise ValueError(f"{path} has {len(content)} bytes instead of {begins + size}")
    return Head(rows, places, content[begins:])


def _read_head(said: Any) -> tuple[int, int, dict[str, Place]]:
    if said["format"] != FORMAT:
        raise ValueError(f"it is of format {said['format']!r}, this version of adjoin reads {FORMAT}")
    size = _count(said["size"])
    places = {
        str(key): Place(_count(at), _count(length), _count(checksum)) for key, at, length, checksum in said["keys"]
    }
    for key, place in places.items():
        if place.offset % _ALIGNED or place.offset + place.size_bytes > size:
            raise ValueError(f"the section of {key!r} lies outside")
    return _count(said["rows"]), size, places


def read_section(content: memoryview, checksum: int) -> tuple[dict[str, Any], Arrays]:
    """What a section says, and its arrays, which look into `content`. Raises ValueError with what is wrong."""
    if zlib.crc32(content) != checksum:
        raise ValueError("its checksum is another")
    length = int.from_bytes(content[:4], "little")
    if length > len(content):
        raise ValueError("it is cut short")
    said = json.loads(bytes(content[4 : 4 + length]))
    arrays, at = {}, 4 + length
    for name, dtype, count in said["arrays"]:
        if dtype not in _DTYPES:
            raise ValueError(f"it has an array of {dtype!r}")
        at = _aligned(at)
        size = _count(count) * np.dtype(dtype).itemsize
        if at + size > len(content):
            raise ValueError(f"its array {name!r} lies outside")
        # Without numbers there is nothing to look at, and frombuffer refuses.
        arrays[str(name)] = np.frombuffer(content, dtype, count, at) if count else np.empty(0, dtype)
        at += size
    return said, arrays


def _pieces(said: Mapping[str, Any], arrays: Arrays) -> Iterator[bytes | memoryview]:
    listed = [[name, _dtype(array), len(array)] for name, array in arrays.items()]
    text = json.dumps({**said, "arrays": listed}, separators=(",", ":")).encode()
    yield _padded(len(text).to_bytes(4, "little") + text)
    for array in arrays.values():
        size = array.nbytes
        yield np.ascontiguousarray(array).data.cast("B") if size else b""
        yield bytes(_aligned(size) - size)


def _dtype(array: NDArray[Any]) -> str:
    return f"<{array.dtype.kind}{array.dtype.itemsize}"


def _padded(content: bytes) -> bytes:
    return content + bytes(_aligned(len(content)) - len(content))


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNED) * _ALIGNED


def _count(said: Any) -> int:
    if type(said) is not int or not 0 <= said < 2**62:
        raise ValueError(f"{said!r} is no count")
    return said
