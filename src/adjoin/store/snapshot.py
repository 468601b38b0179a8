"""What a transaction sees of a collection, apart from its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adjoin.store.vectors import VectorCodec

if TYPE_CHECKING:
    import apsw

    from adjoin.types import Metric

REMOVED, REVISED = 0, 1  # the column `changes.kind`


class StaleSnapshot(Exception):
    """The transaction began before what is in memory; begin another one."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The row of `collections` that a transaction sees. documents: how many rows it has.

    version rises with every change, removals when rows go, revisions when metadata changes in place, segments when the
    set of segments changes. sealed: rows up to this seq are in segments, those after it are the tail.
    """

    key: int
    name: str
    metric: Metric
    dim: int | None
    documents: int
    version: int
    removals: int
    revisions: int
    sealed: int
    segments: int
    storage: str

    @property
    def codec(self) -> VectorCodec:
        assert self.dim is not None
        return VectorCodec(self.storage, self.dim)


def one(connection: apsw.Connection, sql: str, *values: Any) -> tuple[Any, ...]:
    """The one row that there always is."""
    row: tuple[Any, ...] | None = connection.execute(sql, values).fetchone()
    assert row is not None
    return row


COLUMNS = "key, name, metric, dim, documents, version, removals, revisions, sealed, segments, storage"


def find(connection: apsw.Connection, name: str) -> Snapshot | None:
    row = connection.execute(f"SELECT {COLUMNS} FROM collections WHERE name = ?", (name,)).fetchone()
    return None if row is None else Snapshot(*row)
