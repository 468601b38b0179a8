"""Running a statement whose text we put together. Names in it are our own; what a user gave is a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    from adjoin.engines.postgres.connections import Connection


def run(connection: Connection, sql: str, values: Sequence[Any] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
    """One statement, its answer in binary."""
    return connection.execute(sql.encode(), list(values), binary=True)


def one(connection: Connection, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    """The one row that there always is."""
    row = run(connection, sql, values).fetchone()
    assert row is not None
    return row


def do(connection: Connection, sql: str) -> None:
    """One statement or several that answer nothing and take no parameters."""
    connection.execute(sql.encode())
