"""pgvector's indexes: which a collection can have, how it is built, and its settings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from adjoin.engines.postgres import catalogue
from adjoin.engines.postgres.catalogue import INDEXED_METRICS, Held
from adjoin.engines.postgres.statements import do, one, run
from adjoin.types import Metric, Progress

if TYPE_CHECKING:
    from adjoin.engines.postgres.connections import Connection, Connections

OPERATORS: Final[dict[Metric, str]] = {"cosine": "<=>", "euclidean": "<->", "dot": "<#>", "manhattan": "<+>"}
_CLASSES: Final[dict[Metric, str]] = {"cosine": "cosine", "euclidean": "l2", "dot": "ip", "manhattan": "l1"}
_MOST_FULL_DIM, _MOST_HALF_DIM = 2000, 4000  # pgvector's own, for an index over vector and over halfvec

_EF = (20, 40, 80, 160, 320, 640, 1000)  # hnsw.ef_search, of which pgvector allows 1000
_SCANNED = 40_000  # rows that a filtered search looks at in the index before it is done exactly
_REBUILT_SHARE = 0.2  # of the rows that were indexed: when so many have gone, building anew beats repairing


class Dial(NamedTuple):
    """A setting of an index."""

    family: str
    value: int

    def __str__(self) -> str:
        return f"{'hnsw.ef_search' if self.family == 'hnsw' else 'ivfflat.probes'}={self.value}"


def family_of(held: Held, total: int, exact_below: int) -> str | None:
    """The index that the collection should have with so many rows; None for none."""
    wanted = "hnsw" if held.spec.index == "auto" and total > exact_below else held.spec.index
    if not total or wanted not in INDEXED_METRICS or held.metric not in INDEXED_METRICS[wanted]:
        return None
    return wanted if (held.spec.dim or 0) <= _MOST_HALF_DIM else None


def as_indexed(held: Held) -> tuple[str, str]:
    """What the index is over, and the type of what it is compared with."""
    dim = held.spec.dim or 0
    if held.storage == "float16":
        return "vector", f"halfvec({dim})"
    if dim > _MOST_FULL_DIM:
        return f"(vector::halfvec({dim}))", f"halfvec({dim})"
    return "vector", f"vector({dim})"


def settings_of(dial: Dial | None, fetched: int) -> tuple[str, list[str]]:
    """A statement that sets the dial for the rest of the transaction, and leaves only the index to search by; None undoes it.

    Iterating is on in both cases: with rows that are dead but still in the index, its first answer may be short.
    """
    given: dict[str, Any] = {}
    if dial is not None and dial.family == "hnsw":
        given = {"hnsw.ef_search": min(1000, max(dial.value, fetched)), "hnsw.iterative_scan": "relaxed_order",
                 "hnsw.max_scan_tuples": _SCANNED, "hnsw.scan_mem_multiplier": 4}  # fmt: skip
    elif dial is not None:
        given = {"ivfflat.probes": dial.value, "ivfflat.iterative_scan": "relaxed_order"}
    given |= dict.fromkeys(("enable_seqscan", "enable_bitmapscan", "enable_sort"), "off" if dial else "on")
    sets = ", ".join(["set_config(%s, %s, true)"] * len(given))
    return f"SELECT {sets}", [str(part) for pair in given.items() for part in pair]


def family_built(connection: Connection, held: Held) -> str:
    (method,) = one(
        connection,
        "SELECT a.amname::text FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.oid = to_regclass(%s)",
        (f"{held.table}_near",),
    )
    return "ivf" if method == "ivfflat" else "hnsw"


# Building


def build(connections: Connections, held: Held, exact_below: int, progress: Progress | None) -> None:
    """Bring the index into the state that the rows ask for, beside readers and writers."""
    with connections.outside() as connection:
        run(
            connection,
            "SELECT pg_advisory_lock(hashtextextended(%s, 0))",
            (f"{connections.address.schema} {held.table}",),
        )
        do(connection, f"VACUUM (ANALYZE) {held.table}")
        total = catalogue.count(connection, held)
        family = family_of(held, total, exact_below)
        if progress:
            progress(0, total)
        if family is None:
            do(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {held.table}_near")
        elif not held.has_index or _is_worn(connection, held, family, total):
            _build(connection, held, family, total)
        if progress:
            progress(total, total)


def _is_worn(connection: Connection, held: Held, family: str, total: int) -> bool:
    """So much has gone that a new index is better than the old one, or its lists no longer fit the rows."""
    indexed = held.indexed_rows or 0
    (left,) = one(connection, f"SELECT count(*) FROM {held.table} WHERE seq <= %s", (held.indexed_seq or 0,))
    return indexed - left > _REBUILT_SHARE * indexed or (family == "ivf" and total > 2 * indexed)


def _build(connection: Connection, held: Held, family: str, total: int) -> None:
    column, cast = as_indexed(held)
    kind = cast.split("(")[0]
    params = dict(held.spec.params)
    if family == "ivf":
        params.setdefault("lists", max(1, round(total / 1000 if total <= 1_000_000 else math.sqrt(total))))
    options = (
        f"WITH ({', '.join(f'{name} = {int(value)}' for name, value in sorted(params.items()))})" if params else ""
    )
    (last,) = one(connection, f"SELECT coalesce(max(seq), 0) FROM {held.table}")
    method = "ivfflat" if family == "ivf" else "hnsw"
    do(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {held.table}_near_new")
    do(
        connection,
        f"CREATE INDEX CONCURRENTLY {held.table}_near_new ON {held.table} "
        f"USING {method} ({column} {kind}_{_CLASSES[held.metric]}_ops) {options}",
    )
    do(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {held.table}_near")
    do(connection, f"ALTER INDEX {held.table}_near_new RENAME TO {held.table}_near")
    run(connection, "DELETE FROM measured WHERE collection = %s", (held.key,))
    run(
        connection,
        "UPDATE collections SET indexed_rows = %s, indexed_seq = %s WHERE key = %s", (total, last, held.key),
    )  # fmt: skip


def every_dial(connection: Connection, held: Held) -> list[Dial]:
    """From the cheapest to the dearest."""
    family = family_built(connection, held)
    if family == "hnsw":
        return [Dial(family, value) for value in _EF]
    (options,) = one(
        connection, "SELECT array_to_string(reloptions, ',') FROM pg_class WHERE oid = to_regclass(%s)", (f"{held.table}_near",)
    )  # fmt: skip
    lists = int(dict(pair.split("=") for pair in (options or "lists=100").split(","))["lists"])
    return [Dial(family, value) for value in sorted({min(lists, 2**n) for n in range(lists.bit_length() + 1)})]
