"""SQLite connections: many readers, one writer, safe across threads, forks and interrupts."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from adjoin.errors import StoreClosed, StoreError, StoreLocked
from adjoin.store import schema
from adjoin.store.checks import CHECK_BYTES, checked_vfs
from adjoin.store.faults import translated

_JOURNAL_LIMIT_BYTES = 64 * 2**20
_FORK_WAIT_S = 10.0


class Connections:
    """Hands out connections, each inside a transaction.

    A reader sees the store as it was at its first statement, whatever is written meanwhile. One writer works at a
    time: threads of this process queue on a lock, other processes on SQLite's own.
    """

    def __init__(
        self, database: Path | None, *, write_timeout_s: float, after_unclean_fork: Callable[[], None] = lambda: None
    ) -> None:
        """database: None keeps everything in memory, on one connection. `checked`: whether pages carry checksums.

        after_unclean_fork: called in a child that was forked while threads were at work; locks of theirs stay locked.
        """
        self.in_memory = database is None
        self.location = str(database.parent) if database else "memory://"
        self.write_timeout_s = write_timeout_s
        self._database = database
        self._file = _identity(database)
        self._after_unclean_fork = after_unclean_fork
        self._closed = False
        self._still = False
        self._start()
        self._memory: apsw.Connection | None = None
        with _opening:  # before the first file of it is opened
            _living.add(self)
        if database is None:
            self._memory = self._connect()
        self.checked = database is None or (checked_vfs() is not None and _reserved(database) == CHECK_BYTES)

    def _start(self) -> None:
        self._era = object()  # another one in a forked child
        self._idle: list[apsw.Connection] = []
        self._working: dict[object, apsw.Connection | None] = {}
        self._parked: dict[object, apsw.Connection | None] = {}
        # Entered by the lock itself: a Condition's own __enter__ is Python, and an interrupt in it would leave it locked.
        self._lock = threading.RLock()
        self._guard = threading.Condition(self._lock)
        self._writing = threading.RLock()

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """A connection whose statements all see one snapshot."""
        era = self._era
        with self._lent() as (_, connection), translated(self.location, self.write_timeout_s):
            connection.set_busy_timeout(int(self.write_timeout_s * 1000))
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if era is self._era:
                    _end(connection)

    @contextmanager
    def read_with_pauses(self) -> Iterator[tuple[apsw.Connection, Callable[[], object]]]:
        """Like `read`, for a reader that hands rows to its caller between statements.

        Also gives what makes a context manager around each such pause: only then may the process fork.
        """
        era = self._era
        with self._lent() as (token, connection), translated(self.location, self.write_timeout_s):
            try:
                connection.execute("BEGIN")
                yield connection, lambda: self._pause(token)
            finally:
                if era is self._era:
                    _end(connection)

    @contextmanager
    def write(self) -> Iterator[apsw.Connection]:
        """A connection in a write transaction, committed and on disk when the block ends without an error."""
        latest = time.monotonic() + self.write_timeout_s
        with self._turn(), self._lent() as (_, connection), translated(self.location, self.write_timeout_s):
            connection.set_busy_timeout(max(0, int((latest - time.monotonic()) * 1000)))
            try:
                # Inside the try: an interrupt that waited for the lock is raised as soon as BEGIN returns.
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                _end(connection)

    @contextmanager
    def alone(self) -> Iterator[apsw.Connection]:
        """A connection outside any transaction, for statements that begin their own, such as VACUUM."""
        with self._lent() as (_, connection), translated(self.location, self.write_timeout_s):
            connection.set_busy_timeout(int(self.write_timeout_s * 1000))
            yield connection

    def checkpoint(self) -> bool:
        """Move the log into the database and make it empty, if no one else is reading or writing; whether it is."""
        if self.in_memory:
            return True
        with self.alone() as connection:
            connection.set_busy_timeout(0)
            try:
                row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except apsw.BusyError:
                return False
            return row is not None and not row[0]

    def bring_up_to_date(self) -> None:
        """Bring a database of an earlier format to this one, in one transaction."""
        if not self.in_memory:
            with self.alone() as connection:
                if schema.version_of(connection) < schema.VERSION:
                    schema.migrate(connection)

    def holds(self, file: tuple[int, int] | None) -> bool:
        """Whether it has, or may come to have, this file open."""
        return self._file == file and not (self._closed and not self._working and not self._parked)

    def let_go(self) -> None:
        """Close what is idle, so that nothing read before is remembered."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close every idle connection; one in use closes when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            if self._memory is not None:
                self._memory.close()
        for connection in idle:
            connection.close()

    def abandon(self) -> None:
        """Close without moving the log into the database, for a store that is damaged."""
        with self._lock:
            for connection in self._idle if _has_log(self._database) else ():
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            if not self._writing.acquire(timeout=self.write_timeout_s):
                raise StoreLocked(
                    f"another thread has been writing to {self.location} for more than {self.write_timeout_s:g} s, "
                    "so nothing of this call was stored. Try again, or open the store with a larger write_timeout_s=."
                )
            yield
        finally:
            # The lock knows its owner, and this call may be interrupted before it does.
            with suppress(RuntimeError):
                self._writing.release()

    @contextmanager
    def _lent(self) -> Iterator[tuple[object, apsw.Connection]]:
        if self._memory is not None:
            with self._lock:
                self.refuse_closed()
                _end(self._memory)  # an interrupt may have come before its own
                yield None, self._memory
            return
        era, token = self._era, object()
        try:
            with self._lock:
                self.refuse_closed()
                self._working[token] = self._idle.pop() if self._idle else None
            self._refuse_replaced()
            connection = self._working[token]
            if connection is None:
                with translated(self.location, self.write_timeout_s):
                    connection = self._working[token] = self._connect()
            yield token, connection
        finally:
            if era is self._era:
                self._take_back(token)

    def _take_back(self, token: object) -> None:
        with self._lock:
            connection = self._working.pop(token, None) or self._parked.pop(token, None)
            self._guard.notify_all()
            if connection is not None and not self._closed and not connection.in_transaction:
                self._idle.append(connection)
                return
        if connection is not None:
            connection.close(True)

    @contextmanager
    def _pause(self, token: object) -> Iterator[None]:
        if self._memory is not None:
            yield
            return
        era = self._era
        with self._lock:
            self._parked[token] = self._working.pop(token)
            self._guard.notify_all()
        try:
            yield
        finally:
            if era is self._era:
                with self._lock:
                    self._working[token] = self._parked.pop(token)
        if era is not self._era:
            raise StoreClosed(
                f"a scan of {self.location} that began before a fork does not go on in the child. Begin it there."
            )

    def refuse_closed(self) -> None:
        if self._closed:
            raise StoreClosed(f"the database {self.location} was closed. Open it again with adjoin.open(…).")

    def _refuse_replaced(self) -> None:
        """A row written into a file that has no name any more would be lost."""
        if _identity(self._database) != self._file:
            raise StoreError(
                f"{self.location} was deleted, moved or replaced after it was opened. Nothing of this call was done. "
                "Open it again with adjoin.open(…)."
            )

    def _connect(self) -> apsw.Connection:
        if self._database is None:
            connection = apsw.Connection(":memory:")
            schema.migrate(connection)
        else:
            connection = apsw.Connection(str(self._database), flags=apsw.SQLITE_OPEN_READWRITE, vfs=checked_vfs())
            connection.set_busy_timeout(int(self.write_timeout_s * 1000))
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")
            connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA cache_size = -65536")
        return connection

    # Fork. SQLite keeps one table of file locks a process, and a forked child inherits the table without the locks:
    # it would believe that it holds them, and the parent would delete the log under it. So a fork happens while no
    # connection is open but those of paused scans, and these are closed in the child before it opens its own.

    def before_fork(self) -> None:
        """Wait until no thread is at work, keep all from beginning, and close what is idle."""
        wrote = self._writing.acquire(timeout=_FORK_WAIT_S)
        self._guard.acquire()
        self._still = self._guard.wait_for(lambda: not self._working, _FORK_WAIT_S) and wrote
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def after_fork_in_parent(self) -> None:
        self._still = False
        self._guard.release()
        with suppress(RuntimeError):
            self._writing.release()

    def after_fork_in_child(self) -> None:
        theirs = [*self._idle, *self._parked.values()]
        _inherited.extend(self._working.values())  # never closed: another thread's statement may be half done
        if not self._still:
            self._after_unclean_fork()
        self._still = False
        self._start()
        for connection in theirs:
            if connection is not None:
                connection.close(True)
        if self._memory is not None:
            _inherited.append(self._memory)
            self._memory = None
            self._closed = True
            self.location = "memory:// (which does not pass through fork)"


_living: weakref.WeakSet[Connections] = weakref.WeakSet()
_opening = threading.Lock()


@contextmanager
def untouched(database: Path) -> Iterator[bool]:
    """Whether no one in this process has the database open, nor opens it while the block runs.

    Only then may the files beside it be opened and closed: closing drops the locks that the process has on them.
    """
    file = _identity(database)
    with _opening:
        yield not any(each.holds(file) for each in list(_living))


def _renew_opening() -> None:
    global _opening
    _opening = threading.Lock()


_inherited: list[apsw.Connection | None] = []


def _each(action: Callable[[Connections], None]) -> Callable[[], None]:
    def run() -> None:
        for connections in sorted(_living, key=id):
            action(connections)

    return run


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_each(Connections.before_fork),
        after_in_parent=_each(Connections.after_fork_in_parent),
        after_in_child=_each(Connections.after_fork_in_child),
    )
    os.register_at_fork(after_in_child=_renew_opening)


def _reserved(database: Path) -> int:
    """The bytes at the end of each page that SQLite leaves alone, from the file's header."""
    with translated(str(database.parent), 0):
        file = apsw.VFSFile("", str(database), [apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB, 0])
        try:
            return file.xRead(21, 0)[20]
        finally:
            file.xClose()


def _identity(database: Path | None) -> tuple[int, int] | None:
    if database is None:
        return None
    try:
        found = os.stat(database)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _has_log(database: Path | None) -> bool:
    if database is None:
        return False
    log = database.with_name(f"{database.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _end(connection: apsw.Connection) -> None:
    """Roll back what was not committed; SQLite has done so already after some errors, a full disk among them."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
