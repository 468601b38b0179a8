"""Where segments are: a folder beside the database, or for a database in memory one that goes when it is closed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from adjoin.store.files import size_of

SEGMENTS: Final = "segments"
_MEMORY: Final = Path("/dev/shm")  # a file system in memory, where there is one


class SegmentsFolder:
    """The folder of a store's segments, made when the first is."""

    def __init__(self, database: Path | None) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._pid = os.getpid()
        self.database = database
        self._path = None if database is None else database.parent / SEGMENTS

    @property
    def path(self) -> Path:
        if self._path is None:
            self._temporary = tempfile.TemporaryDirectory(
                prefix="adjoin-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None, ignore_cleanup_errors=True
            )
            self._path = Path(self._temporary.name)
        return self._path

    @property
    def lock(self) -> Path:
        """Held by whoever builds, merges or removes segments."""
        if self.database is None:
            return self.path / ".lock"
        return self.database.with_name(f"{self.database.name}-build")

    def make(self) -> Path:
        self.path.mkdir(exist_ok=True)
        return self.path

    def remove(self, ids: Iterable[str]) -> None:
        """Remove segments that the database does not name any more. A reader that has one mapped keeps its view."""
        for one in ids:
            shutil.rmtree(self.path / one, ignore_errors=True)

    def remove_all_but(self, ids: Iterable[str]) -> list[str]:
        """Remove what no one names: drafts of builders that died, segments replaced while they were in use."""
        kept = set(ids)
        if self._path is None or not self._path.is_dir():
            return []
        gone = [entry.name for entry in self._path.iterdir() if entry.is_dir() and entry.name not in kept]
        self.remove(gone)
        return gone

    def bytes(self) -> int:
        return size_of(self._path) if self._path is not None and self._path.is_dir() else 0

    def close(self) -> None:
        if self._temporary is not None and os.getpid() == self._pid:
            self._temporary.cleanup()
