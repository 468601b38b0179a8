"""pgvector's indexes: which a collection can have, how it is built, and what recall each setting of it reaches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin.engines.postgres import catalogue, rows
from adjoin.engines.postgres.catalogue import INDEXED_METRICS, Held
from adjoin.engines.postgres.statements import do, one, run
from adjoin.types import Metric, Progress

if TYPE_CHECKING:
    from adjoin.engines.postgres.connections import Connection, Connections
    from adjoin.types import Floats

OPERATORS: Final[dict[Metric, str]] = {"cosine": "<=>", "euclidean": "<->", "dot": "<#>", "manhattan": "<+>"}
_CLASSES: Final[dict[Metric, str]] = {"cosine": "cosine", "euclidean": "l2", "dot": "ip", "manhattan": "l1"}
_MOST_FULL_DIM, _MOST_HALF_DIM = 2000, 4000  # pgvector's own, for an index over vector and over halfvec

_EF = (16, 32, 64, 128, 256, 512, 1000)  # hnsw.ef_search, of which pgvector allows 1000
_KS = (10, 100)  # how many neighbours recall is measured for
_QUERIES = 100
_ENOUGH = 0.999
_SCANNED = 40_000  # rows that a filtered search looks at in the index before it is done exactly
_REBUILT_SHARE = 0.2  # of the rows that were indexed: when so many have gone, building anew beats repairing
_STALE_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class Dial:
    """A setting of an index, with the recall that was measured with it and its lower bound at 95 %."""

    family: str
    value: int
    recall: float
    low: float

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


def dials(connection: Connection, held: Held, total: int, k: int, recall: float) -> tuple[Dial | None, tuple[str, ...]]:
    """The cheapest setting whose recall was at least so high, and notes; or None, with the reason first."""
    found = run(
        connection, "SELECT k, dial, recall, low FROM calibration WHERE collection = %s", (held.key,)
    ).fetchall()
    family = _family_built(connection, held)
    measured = min((known for known, *_ in found if known >= k), default=None)
    if measured is None:
        why = f"recall was measured for up to {max(_KS)} neighbours" if found else "the index has not been measured yet"
        return None, (f"{why}, so every row that matches is compared",)
    able = sorted(
        (Dial(family, dial, *rest) for known, dial, *rest in found if known == measured), key=lambda d: d.value
    )
    reaching = [dial for dial in able if dial.low >= recall]
    if not reaching:
        best = max(dial.low for dial in able)
        return None, (
            f"no setting of the index surely reaches a recall of {recall:g} (the best {best:.4f}): compared one by one",
        )
    grown = total / max(1, held.indexed_rows or 1)
    if grown > _STALE_GROWTH:
        note = f"measured when there were {held.indexed_rows:,} rows; a larger setting is taken until optimize()"
        return reaching[min(1, len(reaching) - 1)], (note,)
    return reaching[0], ()


def _family_built(connection: Connection, held: Held) -> str:
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
    run(
        connection,
        "UPDATE collections SET indexed_rows = %s, indexed_seq = %s WHERE key = %s", (total, last, held.key),
    )  # fmt: skip


# Measuring

Compare = Callable[["Floats", int], list[list[Any]]]
ByIndex = Callable[["Floats", int, Dial], list[Any]]


def calibrate(connection: Connection, held: Held, exact: Compare, by_index: ByIndex) -> list[tuple[int, Dial]]:
    """The recall of each setting for 10 and for 100 neighbours, against exact search.

    Queries are rows held out (none finds itself), every second one moved off its place, for real queries are not rows.
    """
    queries, own = _queries(connection, held)
    if not len(queries):
        return []
    truths = exact(queries, max(_KS) + 1)
    family = _family_built(connection, held)
    measured = []
    for k in _KS:
        for value in _values(connection, held, family):
            if family == "hnsw" and value < k:
                continue
            shares = []
            for point, truth, id_ in zip(queries, truths, own, strict=True):
                wanted = [one for one in truth if one.id != id_][:k]
                found = [one for one in by_index(point, k + 1, Dial(family, value, 0, 0)) if one.id != id_][:k]
                reach = wanted[-1].distance if wanted else 0.0
                shares.append(sum(one.distance <= reach for one in found) / max(1, len(wanted)))
            recall = float(np.mean(shares))
            low = recall - 1.645 * float(np.std(shares)) / math.sqrt(len(shares))
            low = max(0.0, min(low, 1 - 1 / (k * len(shares))))
            measured.append((k, Dial(family, value, recall, low)))
            if low >= _ENOUGH - 1 / (k * len(shares)):
                break
    return measured


def _values(connection: Connection, held: Held, family: str) -> list[int]:
    if family == "hnsw":
        return list(_EF)
    (options,) = one(
        connection, "SELECT array_to_string(reloptions, ',') FROM pg_class WHERE oid = to_regclass(%s)", (f"{held.table}_near",)
    )  # fmt: skip
    lists = int(dict(pair.split("=") for pair in (options or "lists=100").split(","))["lists"])
    return sorted({min(lists, 2**n) for n in range(lists.bit_length() + 1)})


def _queries(connection: Connection, held: Held) -> tuple[Floats, list[Any]]:
    """Rows from anywhere in the order of storing, and the id of each that is not moved."""
    first, last = one(connection, f"SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM {held.table}")
    rng = np.random.default_rng(held.key)
    places = np.unique(rng.integers(first, last + 1, 2 * _QUERIES)).tolist()
    found = run(
        connection,
        f"SELECT DISTINCT ON (r.seq) r.id_int, r.id_text, r.vector FROM unnest(%s::bigint[]) p CROSS JOIN LATERAL "
        f"(SELECT * FROM {held.table} WHERE seq >= p AND NOT odd ORDER BY seq LIMIT 1) r ORDER BY r.seq",
        (places,),
    ).fetchall()
    if not found:
        return np.empty((0, held.spec.dim or 1), np.float32), []
    found = [found[i] for i in rng.permutation(len(found))[:_QUERIES]]
    matrix = rows.vectors_of([row[2] for row in found], held.storage)
    spread = np.linalg.norm(matrix, axis=1, keepdims=True) / math.sqrt(matrix.shape[1])
    noise = rng.standard_normal(matrix.shape, dtype=np.float32) * spread * np.float32(0.3)
    noise[::2] = 0
    own = [rows.id_of(row[0], row[1]) if n % 2 == 0 else None for n, row in enumerate(found)]
    return matrix + noise, own


def keep(connection: Connection, held: Held, measured: list[tuple[int, Dial]]) -> None:
    run(connection, "DELETE FROM calibration WHERE collection = %s", (held.key,))
    lines = [(held.key, k, dial.value, dial.recall, dial.low) for k, dial in measured]
    connection.cursor().executemany("INSERT INTO calibration VALUES (%s, %s, %s, %s, %s)", lines)
