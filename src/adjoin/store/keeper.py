"""Keeps a store in shape: seals the tail, merges segments, gives space back. In the background, or when asked.

Work is done by one process at a time, under a lock on a file of its own, and by no one who holds a transaction. What is
due is decided afresh each time from what the database says, so a builder that dies leaves nothing to finish.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import apsw

from adjoin.errors import AdjoinError, StoreLocked
from adjoin.store.connections import Connections
from adjoin.store.files import DamagedFile
from adjoin.store.locks import exclusive
from adjoin.store.place import SegmentsFolder
from adjoin.store.rebuild import Job, Rebuild, Superseded
from adjoin.store.snapshot import Snapshot, StaleSnapshot, find, one
from adjoin.store.state import State

if TYPE_CHECKING:
    from adjoin.types import Floats, Progress

_log = logging.getLogger(__name__)

SEAL_ROWS: Final = 20_000  # of a tail: exact search over fewer takes less time than a graph's detours
SEAL_BYTES: Final = 48 * 2**20
HURRY: Final = 8  # times that: sealed without waiting for a pause in the writing
QUIET_S: Final = 1.5
FAN_IN: Final = 4  # segments of one size become one
MOST_DEAD: Final = 0.2
_FEW_DEAD: Final = 500
_SPARE_PAGES: Final = 512  # of the database, that may stay unused
_PAGES_AT_ONCE: Final = 2048
_IDLE_S: Final = 20.0
_WAIT_AT_EXIT_S: Final = 60.0
_ALL: Final = 2**63 - 1
_MEMORY_SHARE: Final = 3  # a build may take a third of the machine's memory


class Keeper:
    """The background worker of one engine, and the same work on demand."""

    def __init__(
        self,
        connections: Connections,
        place: SegmentsFolder,
        state_of: Callable[[Snapshot], State],
        queries_of: Callable[[str], Floats | None],
        *,
        maintain: bool,
    ) -> None:
        self._connections = connections
        self._place = place
        self._state_of = state_of
        self._queries_of = queries_of
        self.rebuild = Rebuild(connections, place, state_of)
        self._maintain = maintain
        self._reset()
        _living.add(self)

    def _reset(self) -> None:
        # Entered by the lock itself: a Condition's own __enter__ is Python, and an interrupt in it would leave it locked.
        self._lock = threading.RLock()
        self._condition = threading.Condition(self._lock)
        self._due: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    # In the background

    def wake(self, name: str) -> None:
        """Something was written; look whether there is work, once the writing pauses."""
        if not self._maintain or self._closed:
            return
        with self._lock:
            self._due[name] = time.monotonic()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="adjoin-keeper", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # the interpreter ends; what was written is written
                    self._thread = None
            self._condition.notify_all()

    def _watch(self) -> None:
        while (name := self._next()) is not None:
            with self._put_off(name):
                self._tend(name)

    @contextmanager
    def _put_off(self, name: str) -> Iterator[None]:
        """The next write wakes it again; whoever searches or asks for `optimize` is told of what is wrong."""
        try:
            yield
        except (AdjoinError, DamagedFile, StaleSnapshot, Superseded, OSError) as exc:
            _log.info("sealing %r was put off: %s", name, exc)
        except Exception:
            if threading.main_thread().is_alive():
                raise
            # The interpreter ends, and begins no threads any more; the next process does the work.

    def _next(self) -> str | None:
        """The name of a collection to look at; None when there has been nothing for a while.

        The lock is held while waiting alone, never while the database is read: a writer who waits for it may hold that.
        """
        latest = time.monotonic() + _IDLE_S
        while (found := self._longest_due(latest)) is not None:
            name, wrote = found
            if time.monotonic() - wrote >= QUIET_S or self._is_urgent(name):
                with self._lock:
                    self._due.pop(name, None)
                return name
            with self._lock:
                if not self._closed:
                    self._condition.wait(QUIET_S / 4)
        return None

    def _longest_due(self, latest: float) -> tuple[str, float] | None:
        """The collection whose last write is longest ago, waited for until then; None when it is time to end."""
        with self._lock:
            while not self._closed:
                if self._due:
                    return min(self._due.items(), key=lambda pair: pair[1])
                left = latest - time.monotonic()
                if left <= 0:
                    break
                self._condition.wait(left)
            self._thread = None
            return None

    def _is_urgent(self, name: str) -> bool:
        with self._put_off(name), self._connections.read() as connection:
            now = find(connection, name)
            return now is not None and now.dim is not None and self._tail_rows(connection, now) >= HURRY * _full(now)
        return False

    def _tend(self, name: str) -> None:
        while not self._closed and (job := self._job(name)) is not None:
            with exclusive(self._place.lock, wait_s=0) as mine:
                if not mine:
                    return  # another process is at it
                self._sweep()
                job = self._job(name)
                if job is not None:
                    self.rebuild.run(name, job, queries=self._queries_of(name))
        self._give_back(bounded=True)

    # What is due

    def _job(self, name: str) -> Job | None:
        with self._connections.read() as connection:
            now = find(connection, name)
            if now is None or now.dim is None:
                return None
            tail = self._tail_rows(connection, now)
            segments = list(connection.execute(_SEGMENTS, (_ALL, now.key)))
            if tail >= _full(now):
                return Job((), tail=True)
            for segment, rows, dead in segments:
                if dead > max(_FEW_DEAD, MOST_DEAD * rows):
                    return Job((segment,), tail=False)
            return _to_merge(segments, now)

    def _tail_rows(self, connection: apsw.Connection, now: Snapshot) -> int:
        """Up to a full tail's; more are not counted."""
        most = HURRY * _full(now)
        (count,) = one(
            connection,
            "SELECT count(*) FROM (SELECT 1 FROM documents WHERE collection = ? AND seq > ? LIMIT ?)",
            now.key,
            now.sealed,
            most,
        )
        return int(count)

    # On demand

    def optimize(self, name: str, *, progress: Progress | None = None) -> None:
        """Seal and merge all that one segment may hold, and give unused space back.

        What others write meanwhile is left for the next time, or this would not end while they do.
        """
        with self.building():
            self._sweep()
            until = self._newest()
            while (job := self._whole(name, until)) is not None:
                self._again(name, job, progress)
            self._give_back(bounded=False)

    def rewrite(self, name: str, segments: Sequence[str]) -> None:
        """Make segments anew without the rows that have gone. The caller is `building`."""
        self._sweep()
        for segment in segments:
            self._again(name, Job((segment,), tail=False))

    @contextmanager
    def building(self) -> Iterator[None]:
        """The lock on building, waited for as long as a build may take."""
        with exclusive(self._place.lock, wait_s=3600.0) as mine:
            if not mine:
                raise StoreLocked(
                    f"another process has been building an index in {self._connections.location} for an hour. "
                    "Nothing was changed."
                )
            yield

    def _again(self, name: str, job: Job, progress: Progress | None = None) -> None:
        missed = False
        while True:
            try:
                self.rebuild.run(name, job, queries=self._queries_of(name), progress=progress)
                return
            except StaleSnapshot:
                continue
            except DamagedFile:  # or the collection was dropped, which a second look tells
                if missed:
                    raise
                missed = True
            except Superseded:
                return

    def _newest(self) -> tuple[int, int]:
        """The last seq that was given, and the number of the last change."""
        with self._connections.read() as connection:
            last = dict(connection.execute("SELECT name, seq FROM sqlite_sequence"))
            return last.get("documents", 0), last.get("changes", 0)

    def _whole(self, name: str, until: tuple[int, int]) -> Job | None:
        """The next step towards as few segments as there may be; None when there is nothing to do."""
        with self._connections.read() as connection:
            now = find(connection, name)
            if now is None or now.dim is None:
                return None
            segments = list(connection.execute(_SEGMENTS, (until[1], now.key)))
            tail = connection.execute(
                "SELECT 1 FROM documents WHERE collection = ? AND seq > ? AND seq <= ? LIMIT 1",
                (now.key, now.sealed, until[0]),
            ).fetchone()
        most = most_rows(now)
        if tail is not None:
            group: list[str] = []
            total = 0
            for segment, rows, _ in reversed(segments):
                if total + rows > most:
                    break
                group.insert(0, segment)
                total += rows
            return Job(tuple(group), tail=True)
        return _pair(segments, most)

    # Space

    def _sweep(self) -> None:
        """Remove folders that no row of `segments` names; the caller holds the lock, so none is being made."""
        with self._connections.read() as connection:
            known = [segment for (segment,) in connection.execute("SELECT id FROM segments")]
        self._place.remove_all_but(known)

    def _give_back(self, *, bounded: bool) -> None:
        """Give unused pages of the database back to the system, a few thousand a transaction."""
        if self._connections.in_memory:
            return
        while not self._closed:
            with self._connections.write() as connection:
                spare, pages = int(connection.pragma("freelist_count")), int(connection.pragma("page_count"))
                if spare <= max(_SPARE_PAGES, pages // 8 if bounded else 0):
                    break
                for _ in connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})"):
                    pass
                left = int(connection.pragma("freelist_count"))
            if left >= spare:  # a store of an earlier format cannot shrink in place
                break
        self._connections.checkpoint()

    def close(self, *, wait_s: float | None = None) -> None:
        """Stop; what is being built is waited for, so long at most."""
        with self._lock:
            self._closed = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(wait_s)

    def after_fork(self) -> None:
        closed = self._closed
        self._reset()
        self._closed = closed


_SEGMENTS = (
    "SELECT s.id, s.rows, (SELECT count(*) FROM changes c WHERE c.collection = s.collection "
    "AND c.seq BETWEEN s.first AND s.last AND c.n <= ?) FROM segments s WHERE s.collection = ? ORDER BY s.first"
)


def _full(now: Snapshot) -> int:
    """Rows of a tail that is due for sealing."""
    return max(1000, min(SEAL_ROWS, SEAL_BYTES // now.codec.row_bytes))


def _to_merge(segments: Sequence[tuple[str, int, int]], now: Snapshot) -> Job | None:
    """The first run of FAN_IN neighbours of about one size, if one segment may hold them."""
    most = most_rows(now)
    for start in range(len(segments) - FAN_IN + 1):
        run = segments[start : start + FAN_IN]
        levels = {int(math.log(max(1, rows / _full(now)) * 1.5, FAN_IN)) for _, rows, _ in run}
        if len(levels) == 1 and sum(rows for _, rows, _ in run) <= most:
            return Job(tuple(segment for segment, _, _ in run), tail=False)
    return None


def _pair(segments: Sequence[tuple[str, int, int]], most: int) -> Job | None:
    """Neighbours that fit into one, as many as do; or one with rows that have gone or changed."""
    for start in range(len(segments)):
        group: list[str] = []
        total = 0
        for segment, rows, _ in segments[start:]:
            if group and total + rows > most:
                break
            group.append(segment)
            total += rows
        if len(group) > 1:
            return Job(tuple(group), tail=False)
    for segment, _, dead in segments:
        if dead:
            return Job((segment,), tail=False)
    return None


def most_rows(now: Snapshot) -> int:
    """How many rows a build may take: its vectors twice, the graph's lists, within a share of the memory."""
    assert now.dim is not None
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        memory = 8 * 2**30
    return max(SEAL_ROWS, int(memory / _MEMORY_SHARE / (now.dim * 12 + 1500)))


_living: weakref.WeakSet[Keeper] = weakref.WeakSet()


def _after_fork() -> None:
    for keeper in list(_living):
        keeper.after_fork()


@atexit.register
def _at_exit() -> None:
    """A kernel's thread that meets the end of the interpreter would take the process down with it."""
    for keeper in list(_living):
        keeper.close(wait_s=_WAIT_AT_EXIT_S)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
