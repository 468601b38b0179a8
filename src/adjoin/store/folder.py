"""The store's folder: made whole or not at all, and looked at before it is touched."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import apsw

from adjoin.errors import NewerFormat, NotAStore, NotFound
from adjoin.store import schema
from adjoin.store.faults import corrupted, translated

DATABASE = "adjoin.db"
_MAGIC = b"SQLite format 3\x00"
_PAGE_SIZE = 8192  # measured best of 4096 to 32768 for rows of 1.5 kB vectors


def prepare(folder: Path, *, create: bool) -> Path:
    """The path of the folder's database, made if there is none and `create`.

    Raises NotFound (nothing there, and not to be made), NotAStore, NewerFormat or StoreCorrupted; the folder
    is then as it was.
    """
    database = folder / DATABASE
    if folder.exists() and not folder.is_dir():
        raise NotAStore(f"{folder} is a file. An adjoin store is a folder: name one, or a path where one can be made.")
    if not database.exists():
        _refuse_foreign(folder)
        if not create:
            raise NotFound(
                f"there is no adjoin store at {folder}. Check the path, or make one with `adjoin index … --db {folder}`."
            )
        with translated(str(folder), 0):
            _create(folder, database)
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
        connection = apsw.Connection(str(draft))
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
            connection.execute("PRAGMA synchronous = FULL")
            schema.migrate(connection)
            connection.pragma("journal_mode", "wal")
        finally:
            connection.close()
        _move_unless_there(draft, database)
        _fsync(folder)
    finally:
        for leftover in folder.glob(f"{draft.name}*"):
            leftover.unlink(missing_ok=True)


def _move_unless_there(draft: Path, database: Path) -> None:
    try:
        os.link(draft, database)
    except FileExistsError:
        return  # another process was first; its store is as good
    except OSError:  # a file system without hard links
        if not database.exists():
            draft.rename(database)


def _fsync(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _inspect(database: Path) -> None:
    """Read the file's first 100 bytes, which SQLite never leaves half-written here, before SQLite may touch it."""
    folder = str(database.parent)
    try:
        with database.open("rb") as file:
            header = file.read(100)
            size_bytes = file.seek(0, os.SEEK_END)
    except IsADirectoryError:
        raise NotAStore(f"{database} is a folder, so {folder} is not an adjoin store. It was not changed.") from None
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise corrupted(folder, f"{DATABASE} does not begin as a SQLite database does")
    (application_id,) = struct.unpack_from(">I", header, 68)
    if application_id != schema.APPLICATION_ID:
        raise NotAStore(f"{database} is a SQLite database of another program. It was not changed. Name another folder.")
    (version,) = struct.unpack_from(">I", header, 60)
    if version > schema.VERSION:
        raise NewerFormat(
            f"{folder} has format {version}; this adjoin reads formats up to {schema.VERSION}. It was not changed. "
            "Upgrade with: pip install --upgrade adjoin"
        )
    _refuse_truncated(database, header, size_bytes)


def _refuse_truncated(database: Path, header: bytes, size_bytes: int) -> None:
    wal = database.with_name(f"{DATABASE}-wal")
    if wal.exists() and wal.stat().st_size > 0:
        return  # the rest of the pages may be in the log
    (page_size,) = struct.unpack_from(">H", header, 16)
    (pages,) = struct.unpack_from(">I", header, 28)
    expected = pages * (65536 if page_size == 1 else page_size)
    if size_bytes < expected:
        raise corrupted(str(database.parent), f"{DATABASE} has {size_bytes:,} bytes of {expected:,}")
