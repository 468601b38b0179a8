"""Waiting for files to change."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from adjoin.errors import NotFound
from adjoin.read.settings import ReadSettings, Skipped
from adjoin.read.walk import walk

_POLL_S = 1.0
_SETTLE_S = 0.3


def watch(
    paths: Sequence[str | Path],
    settings: ReadSettings,
    *,
    stop: threading.Event | None = None,
    poll_s: float = _POLL_S,
) -> Iterator[None]:
    """Yields once for each burst of changes to the files that `walk` would find, when it has settled.

    What counts as the state before is the state at the call, so call it before reading for the first time. Changes that
    happen between two yields are not lost. Ends at KeyboardInterrupt, or when `stop` is set.
    Uses watchfiles where it is installed; otherwise looks every `poll_s` seconds.
    """
    return _bursts(list(paths), settings, stop or threading.Event(), poll_s, snapshot(paths, settings))


def snapshot(paths: Sequence[str | Path], settings: ReadSettings) -> bytes:
    """A short value that differs whenever a file that `walk` finds has come, gone or changed its size or time."""

    def nothing(skipped: Skipped) -> None:
        digest.update(str(skipped).encode("utf-8", "surrogatepass"))

    digest = hashlib.blake2b(digest_size=16)
    try:
        for file in walk(paths, settings, nothing):
            digest.update(f"{file.path}\0{file.size}\0{file.mtime_ns}\0".encode())
    except NotFound as exc:
        digest.update(str(exc).encode("utf-8", "surrogatepass"))
    return digest.digest()


def _bursts(
    paths: list[str | Path], settings: ReadSettings, stop: threading.Event, poll_s: float, known: bytes
) -> Iterator[None]:
    try:
        for _ in _moments(paths, stop, poll_s):
            now = _settled(paths, settings, known)
            if now != known:
                known = now
                yield
    except KeyboardInterrupt:
        return


def _settled(paths: list[str | Path], settings: ReadSettings, known: bytes) -> bytes:
    """The state once it has stayed the same for a moment."""
    now = snapshot(paths, settings)
    while now != known:
        time.sleep(_SETTLE_S)
        now, before = snapshot(paths, settings), now
        if now == before:
            break
    return now


def _moments(paths: list[str | Path], stop: threading.Event, poll_s: float) -> Iterator[None]:
    """When to look: now, and then at every sign of a change."""
    yield
    try:
        import watchfiles
    except ImportError:
        while not stop.wait(poll_s):
            yield
        return
    while not stop.is_set():
        there = [path for path in paths if Path(path).exists()]
        if len(there) < len(paths):  # a path that has gone, and may come back
            stop.wait(poll_s)
            yield
            continue
        signs = watchfiles.watch(*there, stop_event=stop, rust_timeout=1000, watch_filter=None, yield_on_timeout=True)
        for number, changes in enumerate(signs):
            # The first look comes whatever there is: a change may have come before watchfiles was listening.
            if changes or not number:
                yield
            if not all(Path(path).exists() for path in paths):
                break
