"""What is known of a collection: its spec, its index, how many rows it has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from adjoin.engine import CollectionSpec
from adjoin.engines.postgres.statements import one, run
from adjoin.errors import DimensionMismatch, InvalidOption, NotFound, listed
from adjoin.types import METRICS, Metric

if TYPE_CHECKING:
    from adjoin.engines.postgres.connections import Connection

INDEXES: Final = ("auto", "flat", "hnsw", "ivf")
STORAGE: Final = ("float32", "float16")
PARAMS: Final[Mapping[str, Mapping[str, tuple[int, int]]]] = {
    "auto": {}, "flat": {}, "hnsw": {"m": (2, 100), "ef_construction": (4, 1000)}, "ivf": {"lists": (1, 32768)},
}  # fmt: skip
INDEXED_METRICS: Final[Mapping[str, tuple[Metric, ...]]] = {
    "hnsw": ("cosine", "euclidean", "dot", "manhattan"), "ivf": ("cosine", "euclidean", "dot"),
}  # fmt: skip
MOST_DIM: Final = 16_000  # pgvector's own, for a vector without an index


@dataclass(frozen=True, slots=True)
class Held:
    """A collection as this transaction sees it. has_index: one that is whole. indexed_rows, indexed_seq: how many rows
    there were, and the last of them, when it was built."""

    key: int
    spec: CollectionSpec
    indexed_rows: int | None
    indexed_seq: int | None
    has_index: bool

    @property
    def table(self) -> str:
        return f"rows_{self.key}"

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def metric(self) -> Metric:
        return self.spec.metric

    @property
    def storage(self) -> str:
        return self.spec.storage

    def check_dim(self, given: int) -> None:
        if self.spec.dim is not None and given != self.spec.dim:
            raise DimensionMismatch.of_vector(self.name, self.spec.dim, given, str(self.spec.embedder))


_SELECT = """
    SELECT key, name, metric, dim, embedder, identity, index_name, params, storage, indexed_rows, indexed_seq, coalesce(
        (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('rows_' || key || '_near')), false)
    FROM collections
"""


def every(connection: Connection) -> list[Held]:
    return [_held(row) for row in run(connection, f'{_SELECT} ORDER BY name COLLATE "C"')]


def find(connection: Connection, name: str, *, lock: str = "") -> Held | None:
    """lock: FOR KEY SHARE keeps it from being dropped, FOR UPDATE from being changed."""
    if "\0" in name:
        return None
    row = run(connection, f"{_SELECT} WHERE name = %s {lock}", (name,)).fetchone()
    return _held(row) if row else None


def load(connection: Connection, name: str, location: str, *, lock: str = "") -> Held:
    """Raises NotFound, naming those that are there."""
    held = find(connection, name, lock=lock)
    if held is None:
        names = [other.name for other in every(connection)]
        raise NotFound(
            f"there is no collection {name!r} in {location}. "
            + (f"It has {listed(names)}." if names else "It has none yet.")
        )
    return held


def version(connection: Connection, held: Held) -> str:
    """Another one after any change of its rows or notes. Cost: reads every row's hash."""
    rows = one(
        connection,
        f"SELECT count(*), coalesce(sum(('x' || encode(substr(row_hash, 1, 7), 'hex'))::bit(56)::bigint), 0)::text FROM {held.table}",
    )
    notes = one(
        connection,
        "SELECT coalesce(md5(string_agg(encode(hash::text::bytea || value, 'hex'), '' ORDER BY hash)), '') FROM notes "
        "WHERE collection = %s",
        (held.key,),
    )
    return f"{held.key}.{rows[0]}.{rows[1]}.{notes[0]}"


def _held(row: tuple[Any, ...]) -> Held:
    key, name, metric, dim, embedder, identity, index, params, storage, rows, seq, valid = row
    spec = CollectionSpec(name, metric, dim, embedder, identity, index, json.loads(params), storage, key)
    return Held(key, spec, rows, seq, valid)


def check(spec: CollectionSpec) -> None:
    """Raises InvalidOption for what PostgreSQL could not keep to, naming what it can."""
    if spec.metric not in METRICS:
        raise InvalidOption.unknown("metric", spec.metric, METRICS)
    if spec.index not in INDEXES:
        raise InvalidOption.unknown("index for PostgreSQL", spec.index, INDEXES)
    if spec.storage not in STORAGE:
        raise InvalidOption.unknown("storage for PostgreSQL", spec.storage, STORAGE)
    if spec.metric not in INDEXED_METRICS.get(spec.index, METRICS):
        raise InvalidOption(
            f"pgvector has no index {spec.index!r} for the metric {spec.metric!r}, only for "
            f"{', '.join(INDEXED_METRICS[spec.index])}. Use index='flat', which compares every row."
        )
    if "\0" in spec.name:
        raise InvalidOption(f"PostgreSQL keeps no NUL in a name: {spec.name!r}.")
    check_dim(spec.dim)
    for param, value in spec.params.items():
        known = PARAMS[spec.index]
        if param not in known:
            takes = f"It takes: {', '.join(known)}." if known else "It takes none."
            raise InvalidOption(f"index {spec.index!r} has no parameter {param!r}. {takes}")
        low, high = known[param]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidOption(f"{param} of index {spec.index!r} is a number from {low} to {high}, not {value!r}.")
    if spec.params.get("ef_construction", 64) < 2 * spec.params.get("m", 16):
        raise InvalidOption("ef_construction of an HNSW index is at least twice its m.")


def check_dim(dim: int | None) -> None:
    if dim is not None and not 1 <= dim <= MOST_DIM:
        raise InvalidOption(f"pgvector keeps vectors of 1 to {MOST_DIM:,} dimensions, not {dim:,}.")


# How many rows there are, without counting them: each call adds a line, so that no two writers wait for each other.


def count(connection: Connection, held: Held) -> int:
    (total,) = one(
        connection, "SELECT coalesce(sum(delta), 0)::bigint FROM counts WHERE collection = %s", (held.key,)
    )  # fmt: skip
    return int(total)


def add_to_count(connection: Connection, held: Held, delta: int) -> None:
    if delta:
        run(connection, "INSERT INTO counts VALUES (%s, %s)", (held.key, delta))


def fold_counts(connection: Connection, held: Held) -> None:
    """Many lines into one, leaving those that another is folding."""
    run(
        connection,
        "WITH gone AS (DELETE FROM counts WHERE ctid IN (SELECT ctid FROM counts WHERE collection = %s FOR UPDATE SKIP LOCKED) "
        "RETURNING delta) INSERT INTO counts SELECT %s, sum(delta) FROM gone HAVING count(*) > 0",
        (held.key, held.key),
    )
