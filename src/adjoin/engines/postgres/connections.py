"""A small pool of connections: one a call at a time, none across a fork, transactions that end with their block."""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from adjoin.engines.postgres import faults, schema
from adjoin.engines.postgres.address import Address
from adjoin.engines.postgres.statements import do

if TYPE_CHECKING:
    import psycopg

    Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

_IDLE = 8
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_inherited: list[Any] = []
"""Connections of a process that forked: kept, for letting go of them would end the parent's sessions."""


def _driver() -> Any:
    """psycopg, which the extra brings."""
    try:
        import psycopg
    except ImportError as exc:
        raise faults.no_driver() from exc
    return psycopg


def _is_free(connection: Connection) -> bool:
    return bool(connection.info.transaction_status == _driver().pq.TransactionStatus.IDLE)


class Connections:
    """Connections to one database, made when they are needed. Threads may share it; each call has its own."""

    def __init__(self, address: Address, *, write_timeout_s: float) -> None:
        self.address = address
        self.write_timeout_s = write_timeout_s
        self._search_path = ""
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot: everything in the block is seen as of its first query."""
        with self._transaction(_READ) as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block, or rolled back by whatever leaves it early."""
        begin = f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {self._timeout_ms()}"
        with self._transaction(begin) as connection:
            yield connection

    @contextlib.contextmanager
    def outside(self) -> Iterator[Connection]:
        """A connection of its own outside any transaction, for VACUUM and indexes that are built beside writers."""
        with self._translated():
            connection = self._connect()
            try:
                do(connection, f"SET lock_timeout = {self._timeout_ms()}")
                yield connection
            finally:
                connection.close()

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with self._translated():
            connection = self._begun(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(Exception):
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._give_back(connection)

    def _begun(self, begin: str) -> Connection:
        connection = self._take()
        try:
            do(connection, begin)
        except _driver().OperationalError:
            self._give_back(connection)
            if not connection.closed:
                raise
            self._forget_idle()  # the server was started anew: those that waited are dead too
            connection = self._take()
            do(connection, begin)
        return connection

    def _take(self) -> Connection:
        self._notice_fork()
        with self._lock:
            self.refuse_closed()
            connection = self._idle.pop() if self._idle else None
            if connection is not None:
                self._busy.add(connection)
                return connection
        connection = self._connect()
        with self._lock:
            if not self._closed:
                self._busy.add(connection)
                return connection
        connection.close()
        raise faults.closed(self.address.shown)

    def _give_back(self, connection: Connection) -> None:
        self._notice_fork()
        with self._lock:
            self._busy.discard(connection)
            if not self._closed and not connection.closed and _is_free(connection) and len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> Connection:
        self.refuse_closed()
        psycopg = _driver()
        try:
            connection: Connection = psycopg.connect(
                self.address.driver,
                autocommit=True,
                prepare_threshold=None,  # a plan that was kept would not know of the settings of its transaction
                client_encoding="utf8",
                fallback_application_name="adjoin",
            )
        except psycopg.Error as exc:
            raise faults.not_connected(exc, self.address.shown) from exc
        try:
            self._search_path = self._search_path or schema.search_path(connection, self.address)
            connection.execute(
                "SELECT set_config('search_path', %s, false), set_config('jit', 'off', false), "
                "set_config('client_min_messages', 'warning', false), CASE current_setting('synchronous_commit') "
                "WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END",
                (self._search_path,),
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def _forget_idle(self) -> None:
        with self._lock:
            dead, self._idle = self._idle, []
        for connection in dead:
            connection.close()

    def _notice_fork(self) -> None:
        if os.getpid() != self._pid:
            _inherited.extend((self._idle, self._busy))
            self._start()

    def refuse_closed(self) -> None:
        if self._closed:
            raise faults.closed(self.address.shown)

    def _timeout_ms(self) -> int:
        return max(1, min(2**31 - 1, math.ceil(self.write_timeout_s * 1000)))

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        self.refuse_closed()
        psycopg = _driver()
        try:
            yield
        except psycopg.Error as exc:
            if self._closed:
                raise faults.closed(self.address.shown) from exc
            raise faults.translated(exc, self.address.shown, self.write_timeout_s) from exc

    def close(self) -> None:
        self._notice_fork()
        with self._lock:
            self._closed = True
            connections = [*self._idle, *self._busy]
            self._idle, self._busy = [], set()
        for connection in connections:
            connection.close()
