"""The store's folder: made whole or not at all, and looked at before it is touched."""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from adjoin.errors import NewerFormat, NotAStore, NotFound, StoreError, StoreFull
from adjoin.store import schema
from adjoin.store.checks import CHECK_BYTES, checked_vfs, has_wrong_bit, is_sound
from adjoin.store.faults import corrupted, translated
from adjoin.store.files import sync_folder
from adjoin.store.log import examine_log

DATABASE = "adjoin.db"
_MAGIC = b"SQLite format 3\x00"
_PAGE_SIZE = 8192  # measured best of 4096 to 32768 for rows of 1.5 kB vectors
_VERSION_AT = 60  # in the header of a SQLite file
_APPLICATION_ID_AT = 68
_RESERVED_AT = 20
_LOOKS = 5


def prepare(folder: Path, *, create: bool) -> Path:
    """The path of the folder's database, made if there is none and `create`.

    Raises NotFound (nothing there, and not to be made), NotAStore, NewerFormat or StoreCorrupted; the folder
    is then as it was.
    """
    try:
        return _prepare(folder, create=create)
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(f"no space left for {folder}. Nothing was made there. Free some space.") from exc
        raise StoreError(
            f"{folder} cannot be opened: {exc.strerror or exc}. Check the path and its permissions."
        ) from exc


def _prepare(folder: Path, *, create: bool) -> Path:
    database = folder / DATABASE
    if folder.exists() and not folder.is_dir():
        raise NotAStore(f"{folder} is a file. An adjoin store is a folder: name one, or a path where one can be made.")
    if not database.exists():
        _refuse_foreign(folder)
        if not create:
            raise NotFound(
                f"there is no adjoin store at {folder}. Check the path, or make one with `adjoin index … --db {folder}`."
            )
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            with translated(str(folder), 0):
                _create(folder, database)
        except BaseException:
            for each in missing:
                with suppress(OSError):
                    each.rmdir()
            raise
    _inspect(database)
    return database


def _refuse_foreign(folder: Path) -> None:
    if folder.is_dir():
        others = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(f"{DATABASE}."))
        if others:
            raise NotAStore(
                f"{folder} holds other files ({', '.join(others[:3])}{', …' if len(others) > 3 else ''}) and no {DATABASE}, "
                "so it is not an adjoin store. It was not changed. Name an empty or a new folder."
            )


def _create(folder: Path, database: Path) -> None:
    """Make the database under another name and move it into place, so that a half-made one is never seen."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{DATABASE}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        connection = apsw.Connection(str(draft), vfs=checked_vfs())
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            if checked_vfs():
                connection.reserve_bytes(reserve=CHECK_BYTES)
                connection.execute("VACUUM")  # of nothing: only now is there room for checksums on every page
            connection.execute("PRAGMA synchronous = FULL")
            schema.migrate(connection)
            connection.pragma("journal_mode", "wal")
        finally:
            connection.close()
        _move_unless_there(draft, database)
        sync_folder(folder)
        sync_folder(folder.parent)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _move_unless_there(draft: Path, database: Path) -> None:
    try:
        os.link(draft, database)
    except FileExistsError:
        return  # another process was first; its store is as good
    except OSError:  # a file system without hard links
        if not database.exists():
            draft.rename(database)


def _inspect(database: Path) -> None:
    """Look at the first 100 bytes, which SQLite never leaves half-written here, before SQLite may touch anything."""
    folder = str(database.parent)
    if database.is_dir():
        raise NotAStore(f"{database} is a folder, so {folder} is not an adjoin store. It was not changed.")
    header, size_bytes = _read_header(database)
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise corrupted(folder, f"{DATABASE} does not begin as a SQLite database does")
    wrong = _has_wrong_bit(database, header, size_bytes)
    if _number(header, _APPLICATION_ID_AT) != schema.APPLICATION_ID and not wrong:
        raise NotAStore(f"{database} is a SQLite database of another program. It was not changed. Name another folder.")
    if header[_RESERVED_AT] == CHECK_BYTES and checked_vfs() is None:
        raise StoreError(
            f"{folder} carries a checksum on every page, which this apsw has no extension for; writing without it would "
            "spoil them. It was not changed. Upgrade with: pip install --upgrade apsw"
        )
    version = max(_number(found, _VERSION_AT) for found in (header, _header_in_log(database)) if found)
    if version > schema.VERSION and not wrong:
        raise NewerFormat(
            f"{folder} has format {version}; this adjoin reads formats up to {schema.VERSION}. It was not changed. "
            "Upgrade with: pip install --upgrade adjoin"
        )
    if version < 1:
        raise corrupted(folder, f"{DATABASE} has format {version}, which there never was")
    if wrong:
        raise corrupted(folder, "the checksum of page 1 differs")
    if size_bytes < _expected_bytes(header):
        _refuse_truncated(database)
    damage = examine_log(database)
    if damage is not None:
        raise corrupted(folder, f"{DATABASE}-wal: {damage.what}. To open it so would lose what was committed")


def _has_wrong_bit(database: Path, header: bytes, size_bytes: int) -> bool:
    """Whether one bit of the first page is wrong: then the header is not to be believed.

    What else may be wrong with it SQLite says. Another process may be writing the page at this moment, so one look does
    not decide.
    """
    sizes = {size for size in (_page_bytes(header), _PAGE_SIZE) if 512 <= size <= size_bytes}
    for _ in range(_LOOKS):
        pages = [_read(database, size) for size in sizes]
        if any(map(is_sound, pages)) or not any(map(has_wrong_bit, pages)):
            return False
        time.sleep(0.02)
    return True


def _number(header: bytes, offset: int) -> int:
    (number,) = struct.unpack_from(">I", header, offset)
    return int(number)


def _read_header(database: Path) -> tuple[bytes, int]:
    """The first 100 bytes and the size, read through SQLite.

    Closing a file of one's own on this path would drop every lock that this process holds on it, and another process
    could then delete the log under a store that is open here.
    """
    with _opened(database) as file:
        size_bytes = file.xFileSize()
        return (file.xRead(100, 0) if size_bytes >= 100 else b""), size_bytes


def _read(database: Path, size: int) -> bytes:
    """The first page, of that size."""
    with _opened(database) as file:
        return file.xRead(size, 0)


@contextmanager
def _opened(database: Path) -> Iterator[apsw.VFSFile]:
    with translated(str(database.parent), 0):
        file = apsw.VFSFile("", str(database), [apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB, 0])
        try:
            yield file
        finally:
            file.xClose()


def _header_in_log(database: Path) -> bytes:
    """The newest committed header that is still in the log alone; empty if there is none.

    Source: sqlite.org/fileformat2.html, section 4.
    """
    try:
        with database.with_name(f"{DATABASE}-wal").open("rb") as log:
            head = log.read(32)
            if len(head) < 32:
                return b""
            page_size, salts = _number(head, 8), head[16:24]
            found = committed = b""
            while len(frame := log.read(24)) == 24 and frame[8:16] == salts:
                if _number(frame, 0) == 1:
                    found = log.read(100)
                    log.seek(page_size - len(found), os.SEEK_CUR)
                else:
                    log.seek(page_size, os.SEEK_CUR)
                if _number(frame, 4):  # this frame commits
                    committed = found
            return committed if committed.startswith(_MAGIC) and len(committed) == 100 else b""
    except FileNotFoundError:
        return b""


def _refuse_truncated(database: Path) -> None:
    """Raise if the file stays shorter than its header says, and no log can have the rest.

    Another process may be moving its log into the file at this moment, so one look does not decide.
    """
    for _ in range(_LOOKS):
        header, size_bytes = _read_header(database)
        wal = database.with_name(f"{DATABASE}-wal")
        if size_bytes >= _expected_bytes(header) or (wal.exists() and wal.stat().st_size > 0):
            return
        time.sleep(0.02)
    raise corrupted(str(database.parent), f"{DATABASE} has {size_bytes:,} bytes of {_expected_bytes(header):,}")


def _expected_bytes(header: bytes) -> int:
    return _number(header, 28) * _page_bytes(header)


def _page_bytes(header: bytes) -> int:
    (page_size,) = struct.unpack_from(">H", header, 16)
    return 65536 if page_size == 1 else int(page_size)
