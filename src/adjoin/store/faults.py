"""SQLite's errors in the words of `adjoin.errors`."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import apsw

from adjoin.errors import AdjoinError, InvalidContent, StoreCorrupted, StoreError, StoreFull, StoreLocked
from adjoin.store.files import DamagedFile


@contextmanager
def translated(location: str, write_timeout_s: float) -> Iterator[None]:
    """Turn what SQLite raises inside into an AdjoinError that says what to do, with the cause kept."""
    try:
        yield
    except apsw.Error as exc:
        raise _translate(exc, location, write_timeout_s) from exc
    except UnicodeDecodeError as exc:
        raise corrupted(location, f"a text in it is not UTF-8: {exc.reason}") from exc


def _translate(exc: apsw.Error, location: str, write_timeout_s: float) -> AdjoinError:
    match exc:
        case apsw.BusyError() | apsw.LockedError():
            return StoreLocked(
                f"another process or thread has been writing to {location} for more than {write_timeout_s:g} s, so nothing "
                "of this call was stored. Try again when it is done, or open the store with a larger write_timeout_s=."
            )
        case apsw.CorruptError() | apsw.NotADBError():
            return corrupted(location, str(exc))
        case apsw.SQLError() if "no such" in str(exc):
            return corrupted(location, str(exc))
        case apsw.FullError():
            return StoreFull(
                f"no space left for {location}. Nothing of this call was stored. Free some space and call again."
            )
        case apsw.IOError() if getattr(exc, "extendedresult", 0) == apsw.SQLITE_IOERR_DATA:
            return corrupted(location, "the checksum of a page differs")
        case apsw.IOError():
            return StoreFull(
                f"the system refused to write or read {location} ({exc}). Nothing of this call was stored. "
                "Is the disk full, or over its quota?"
            )
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError() | apsw.AuthError():
            return StoreError(f"{location} may not be written by this user ({exc}). Check the folder's permissions.")
        case apsw.TooBigError():
            return InvalidContent(
                "a content or metadata is larger than 1 GB, the most that one row can hold. Split it."
            )
        case _:
            return StoreError(f"{location}: {exc}")


NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def refusals_told(location: str) -> Iterator[None]:
    """Turn what the system refuses inside, where files are written, into an AdjoinError that says what to do."""
    try:
        yield
    except OSError as exc:
        if exc.errno in NO_SPACE:
            raise StoreFull(
                f"no space left for {location}. No file was left by halves, and nothing that was stored is lost. "
                "Free some space and call again."
            ) from exc
        raise StoreError(f"a file in {location} cannot be written or read: {exc.strerror or exc}.") from exc


def damaged_file(location: str, exc: DamagedFile) -> StoreCorrupted:
    """Damage to a segment's file, from which `doctor` may know a way back."""
    return StoreCorrupted(
        f"a file of the store {location} is damaged: {exc}. Nothing was answered from it. "
        f"Run `adjoin doctor --db {location}` to see all that is, and with --repair to have it made again."
    )


def corrupted(location: str, detail: str) -> StoreCorrupted:
    return StoreCorrupted(
        f"the database in {location} is damaged ({detail}). It was left as it is. "
        "Restore the folder from a copy, or index the sources again into a new one; "
        f"`adjoin doctor --db {location}` tells what can be repaired."
    )
