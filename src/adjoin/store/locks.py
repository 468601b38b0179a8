"""One process at a time: a lock on a file, which the system lets go when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_EVERY_S: Final = 0.05
_held: dict[str, threading.Lock] = {}
_guard = threading.Lock()


@contextmanager
def exclusive(path: Path, *, wait_s: float | None) -> Iterator[bool]:
    """Hold the lock while the block runs; gives False, at once or after the wait, if another has it.

    wait_s: None waits for ever. Threads of one process exclude each other too. A forked child does not inherit it.
    """
    latest = None if wait_s is None else time.monotonic() + wait_s
    mine = _lock_of(os.path.realpath(path))
    if not mine.acquire(timeout=-1 if wait_s is None else wait_s):
        yield False
        return
    try:
        descriptor = _locked(path, latest)
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                _unlock(descriptor)
    finally:
        mine.release()


def _lock_of(path: str) -> threading.Lock:
    with _guard:
        return _held.setdefault(path, threading.Lock())


def _locked(path: Path, latest: float | None) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not _try(descriptor):
            if latest is not None and time.monotonic() >= latest:
                os.close(descriptor)
                return None
            time.sleep(_EVERY_S)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


if sys.platform != "win32":
    import fcntl

    def _try(descriptor: int) -> bool:
        # Not flock: a forked child would go on holding it. These locks belong to the process.
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

else:
    import msvcrt

    def _try(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        os.close(descriptor)


def _forget() -> None:
    global _guard
    _guard = threading.Lock()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
