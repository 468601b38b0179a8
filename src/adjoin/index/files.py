"""A kernel's file with a few words of ours at its end.

    kernel's bytes · JSON · length of the JSON (8 bytes, little-endian) · `ADJOINIX`

faiss reads its own part and stops there. A kernel that wants its file to end where its bytes do is given a file
without ours at the end if there is nothing to tell, else a copy (`kernel_part`).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from adjoin.errors import StoreCorrupted

MAGIC: Final = b"ADJOINIX"
_TAIL: Final = 8 + len(MAGIC)


def append(path: Path, told: dict[str, Any]) -> None:
    """Put our words behind the kernel's bytes; nothing where there is nothing to tell."""
    if told:
        text = json.dumps(told).encode()
        with path.open("ab") as file:
            file.write(text + len(text).to_bytes(8, "little") + MAGIC)


def told(path: Path) -> tuple[dict[str, Any], int]:
    """Our words at the end of a file, and how many bytes come before them. Raises StoreCorrupted."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL))
        tail = file.read(_TAIL)
        if tail[-len(MAGIC) :] != MAGIC:
            return {}, size
        length = int.from_bytes(tail[:8], "little")
        if length > size - _TAIL:
            raise damaged(path, "its last bytes are not what was written")
        file.seek(size - _TAIL - length)
        try:
            words = json.loads(file.read(length))
        except ValueError as exc:
            raise damaged(path, "its last bytes are not what was written") from exc
    if not isinstance(words, dict):
        raise damaged(path, "its last bytes are not what was written")
    return words, size - _TAIL - length


@contextmanager
def kernel_part(path: Path, length: int) -> Iterator[Path]:
    """A file with the first `length` bytes alone: the file itself where that is all, else a copy, removed after."""
    if path.stat().st_size == length:
        yield path
        return
    handle, name = tempfile.mkstemp()
    try:
        with path.open("rb") as source, os.fdopen(handle, "wb") as target:
            shutil.copyfileobj(source, target, 2**20)
            target.truncate(length)
        yield Path(name)
    finally:
        os.unlink(name)


def damaged(path: Path, what: str) -> StoreCorrupted:
    return StoreCorrupted(
        f"the index file {path} is damaged: {what}. Rebuild the index; the vectors are kept elsewhere."
    )
