"""The pages of a database as raw bytes: which have a wrong checksum, and those of one wrong bit put right.

All reading and writing goes through SQLite's own file layer, so that no lock of this
process is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from adjoin.store import checks
from adjoin.store.folder import DATABASE
from adjoin.types import Finding

_SIZES: Final = (8192, 4096, 16384, 32768, 65536, 2048, 1024, 512)
_CHUNK_PAGES: Final = 512
_LOOKS: Final = 4
_BETWEEN_LOOKS_S: Final = 0.02


def examine_pages(folder: Path, *, repair: bool) -> list[Finding]:
    """Damaged pages of `adjoin.db`; with `repair`, those that one wrong bit explains are written back as they were.

    Nothing is written while anyone has the database open: a page may be changing. A database without checksums has
    nothing to compare with, and gives no finding.
    """
    path = folder / DATABASE
    if not path.exists() or checks.checked_vfs() is None:
        return []
    if not repair:
        with _file(path, writable=False) as file:
            return [_finding(number, page) for number, page in _damaged(file)]
    with _file(path, writable=True) as file, _alone(file) as alone:
        size = _page_size(file, file.xFileSize())
        findings = []
        for number, page in _damaged(file):
            mended = checks.mended(page) if alone else None
            if mended is not None and size is not None:
                file.xWrite(mended, (number - 1) * size)
            findings.append(_finding(number, page, repaired=mended is not None, in_use=not alone))
        if findings and alone:
            file.xSync(apsw.SQLITE_SYNC_FULL)
    return findings


def _finding(number: int, page: bytes, *, repaired: bool = False, in_use: bool = False) -> Finding:
    repairable = checks.mended(page) is not None
    what = f"the checksum of page {number} differs"
    if in_use and repairable:
        what += ", and can be put right when no one has the store open"
    return Finding(DATABASE, what, "damage", repairable, repaired)


def _damaged(file: apsw.VFSFile) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each page whose checksum differs, and goes on to: someone may be writing it."""
    size = file.xFileSize()
    page_size = _page_size(file, size)
    if page_size is None:
        return
    for number, page in _pages(file, size, page_size):
        for _ in range(_LOOKS):
            if checks.is_sound(page):
                break
            time.sleep(_BETWEEN_LOOKS_S)
            page = file.xRead(page_size, (number - 1) * page_size)
        else:
            yield number, page


@contextmanager
def alone(database: Path) -> Iterator[bool]:
    """Whether no one has the database open, this process included; and no one comes to while the block runs."""
    try:
        with _file(database, writable=True) as file, _alone(file) as mine:
            yield mine
    except (apsw.CantOpenError, apsw.ReadOnlyError):
        yield False


@contextmanager
def _alone(file: apsw.VFSFile) -> Iterator[bool]:
    """Everyone who has a database with a log open holds a shared lock on it, which an exclusive one does not get by."""
    try:
        file.xLock(apsw.SQLITE_LOCK_SHARED)
        file.xLock(apsw.SQLITE_LOCK_EXCLUSIVE)
        mine = True
    except apsw.BusyError:
        mine = False
    try:
        yield mine
    finally:
        file.xUnlock(apsw.SQLITE_LOCK_NONE)


def whole(path: Path) -> bytes:
    """All bytes of a database."""
    with _file(path, writable=False) as file:
        return file.xRead(file.xFileSize(), 0)


def _page_size(file: apsw.VFSFile, size: int) -> int | None:
    """That of the header where its page is sound or can be mended; the header itself may be what is damaged."""
    for page_size in _SIZES:
        if size >= page_size and size % page_size == 0:
            first = file.xRead(page_size, 0)
            mended = first if checks.is_sound(first) else checks.mended(first)
            if mended is not None and mended.startswith(b"SQLite format 3\0") and _declared(mended) == page_size:
                return page_size if mended[20] == checks.CHECK_BYTES else None
    return None


def _declared(page: bytes) -> int:
    size = int.from_bytes(page[16:18], "big")
    return 65536 if size == 1 else size


def _pages(file: apsw.VFSFile, size: int, page_size: int) -> Iterator[tuple[int, bytes]]:
    for first in range(0, size // page_size, _CHUNK_PAGES):
        count = min(_CHUNK_PAGES, size // page_size - first)
        block = file.xRead(count * page_size, first * page_size)
        for i in range(count):
            page = block[i * page_size : (i + 1) * page_size]
            if any(page):  # a free page that was never written
                yield first + i + 1, page


@contextmanager
def _file(path: Path, *, writable: bool) -> Iterator[apsw.VFSFile]:
    mode = apsw.SQLITE_OPEN_READWRITE if writable else apsw.SQLITE_OPEN_READONLY
    file = apsw.VFSFile("", str(path), [mode | apsw.SQLITE_OPEN_MAIN_DB, 0])
    try:
        yield file
    finally:
        file.xClose()
