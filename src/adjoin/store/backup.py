"""A copy of a store as it is at one moment, while it is in use."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from adjoin.errors import InvalidOption, StoreCorrupted, StoreError, StoreFull
from adjoin.store import files
from adjoin.store.checks import checked_vfs
from adjoin.store.connections import Connections
from adjoin.store.faults import damaged_file, translated
from adjoin.store.files import DamagedFile
from adjoin.store.folder import DATABASE
from adjoin.store.locks import exclusive
from adjoin.store.manifest import Manifest
from adjoin.store.place import SEGMENTS, SegmentsFolder

_TRIES: Final = 3
_NO_SPACE: Final = (28, 122)  # ENOSPC, EDQUOT


def backup(connections: Connections, place: SegmentsFolder, path: Path) -> None:
    """Copy the store to a folder that is not there yet, or is empty. It appears whole, or not at all.

    Writers and readers go on meanwhile; only building and merging segments waits. Every file is checked as it is copied.
    Raises InvalidOption if there is something at the path, StoreFull, and StoreCorrupted if a file is damaged.
    """
    target = path.absolute()
    home = Path(os.path.realpath(connections.location))
    if not connections.in_memory and Path(os.path.realpath(target)).is_relative_to(home):
        raise InvalidOption(f"{target} is inside the store itself, which keeps no other files. Name a folder outside.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidOption(f"there is something at {target} already. Name a folder that is new or empty.")
    draft = target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(place.lock, wait_s=None):
            _copy(connections, place, draft)
        with suppress(OSError):
            target.rmdir()
        draft.rename(target)
        files.sync_folder(target.parent)
    except OSError as exc:
        if exc.errno in _NO_SPACE:
            raise StoreFull(f"no space left for a copy at {target}. Nothing was left there. Free some space.") from exc
        raise StoreError(f"the store could not be copied to {target}: {exc.strerror or exc}.") from exc
    except DamagedFile as exc:
        raise damaged_file(connections.location, exc) from exc
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _copy(connections: Connections, place: SegmentsFolder, draft: Path) -> None:
    for left in reversed(range(_TRIES)):
        draft.mkdir()
        try:
            _copy_database(connections, draft)
            _copy_segments(place, draft)
            return
        except DamagedFile:
            # A collection may have been dropped between the two, and its files with it: begin again.
            if not left:
                raise
            shutil.rmtree(draft)


def _copy_database(connections: Connections, draft: Path) -> None:
    with connections.alone() as connection, translated(str(draft), connections.write_timeout_s):
        connection.execute("VACUUM INTO ?", (str(draft / DATABASE),))
    copied = _open(draft)
    try:
        with translated(str(draft), 0):
            copied.pragma("journal_mode", "wal")
    finally:
        copied.close()
    files.sync_file(draft / DATABASE)


def _copy_segments(place: SegmentsFolder, draft: Path) -> None:
    copied = _open(draft)
    try:
        manifests = [Manifest.from_json(text) for (text,) in copied.execute("SELECT manifest FROM segments")]
    except (ValueError, KeyError) as exc:
        raise StoreCorrupted(f"a manifest in {draft.name} is damaged: {exc}") from exc
    finally:
        copied.close()
    files.sync_folder(draft)
    if not manifests:
        return
    (draft / SEGMENTS).mkdir()
    for manifest in manifests:
        folder = draft / SEGMENTS / manifest.id
        folder.mkdir()
        for name, written in manifest.files.items():
            content = files.opened(place.path / manifest.id / name, written)
            with files.writing(folder / name) as file:
                file.write(content)
        files.sync_folder(folder)
    files.sync_folder(draft / SEGMENTS)
    files.sync_folder(draft)


def _open(folder: Path) -> apsw.Connection:
    return apsw.Connection(str(folder / DATABASE), flags=apsw.SQLITE_OPEN_READWRITE, vfs=checked_vfs())
