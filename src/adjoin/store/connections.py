"""SQLite connections: many readers, one writer, safe across threads and forks."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from adjoin.errors import StoreClosed, StoreLocked
from adjoin.store import schema
from adjoin.store.faults import translated

_JOURNAL_LIMIT_BYTES = 64 * 2**20
_inherited: list[apsw.Connection] = []  # a parent's connections, kept from being closed in a forked child


class Connections:
    """Hands out connections, each inside a transaction.

    A reader sees the store as it was at its first statement, whatever is written meanwhile. One writer works at a
    time: threads of this process queue on a lock, other processes on SQLite's own.
    """

    def __init__(self, database: Path | None, *, write_timeout_s: float) -> None:
        """database: None keeps everything in memory, on one connection."""
        self.in_memory = database is None
        self.location = str(database.parent) if database else "memory://"
        self.write_timeout_s = write_timeout_s
        self._database = database
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._idle: list[apsw.Connection] = []
        self._guard = threading.RLock()
        self._writing = threading.RLock()
        self._closed = False
        self._memory = self._connect() if self._database is None else None

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """A connection whose statements all see one snapshot."""
        with self._borrowed() as connection, translated(self.location, self.write_timeout_s):
            if connection.in_transaction:  # in memory, inside another call of this thread
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                _end(connection, "ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[apsw.Connection]:
        """A connection in a write transaction, committed and on disk when the block ends without an error."""
        with self._turn(), self._borrowed() as connection, translated(self.location, self.write_timeout_s):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _end(connection, "ROLLBACK")
                raise

    @contextmanager
    def spool(self) -> Iterator[apsw.Connection]:
        """A connection for temporary tables, outside any transaction; `write_on` then copies from them."""
        with self._borrowed() as connection, translated(self.location, self.write_timeout_s):
            yield connection

    @contextmanager
    def write_on(self, connection: apsw.Connection) -> Iterator[None]:
        """A write transaction on a connection from `spool`."""
        with self._turn():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                _end(connection, "ROLLBACK")
                raise

    def close(self) -> None:
        """Close every idle connection; one in use closes when it comes back."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        if self._pid == os.getpid():
            for connection in idle:
                connection.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._survive_fork()
        if not self._writing.acquire(timeout=self.write_timeout_s):
            raise StoreLocked(
                f"another thread has been writing to {self.location} for more than {self.write_timeout_s:g} s, "
                "so nothing of this call was stored. Try again, or open the store with a larger write_timeout_s=."
            )
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def _borrowed(self) -> Iterator[apsw.Connection]:
        self._survive_fork()
        if self._memory is not None:
            with self._guard:
                self._refuse_closed()
                yield self._memory
            return
        with self._guard:
            self._refuse_closed()
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            with translated(self.location, self.write_timeout_s):
                connection = self._connect()
        pid = os.getpid()
        try:
            yield connection
        finally:
            self._give_back(connection, pid)

    def _give_back(self, connection: apsw.Connection, pid: int) -> None:
        if pid != os.getpid():
            _inherited.append(connection)
            return
        with self._guard:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreClosed(f"the database {self.location} was closed. Open it again with adjoin.open(…).")

    def _survive_fork(self) -> None:
        """In a forked child, start afresh: SQLite's connections and our locks belong to the parent."""
        if self._pid == os.getpid():
            return
        _inherited.extend(self._idle)
        if self._memory is not None:
            _inherited.append(self._memory)
            raise StoreClosed("a memory:// database does not pass through fork. Open a folder instead.")
        closed = self._closed
        self._forget()
        self._closed = closed

    def _connect(self) -> apsw.Connection:
        if self._database is None:
            connection = apsw.Connection(":memory:")
            schema.migrate(connection)
        else:
            connection = apsw.Connection(str(self._database), flags=apsw.SQLITE_OPEN_READWRITE)
            connection.set_busy_timeout(int(self.write_timeout_s * 1000))
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")
            connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = FILE")
        connection.execute("PRAGMA cache_size = -16384")
        return connection


def _end(connection: apsw.Connection, statement: str) -> None:
    if connection.in_transaction:  # SQLite has already rolled back after some errors, a full disk among them
        connection.execute(statement)
