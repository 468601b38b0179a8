"""What `recall` and `doctor` look at."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from adjoin.engine import SearchRequest
from adjoin.engines.postgres import catalogue, rows
from adjoin.engines.postgres.catalogue import Held
from adjoin.engines.postgres.facts import facts
from adjoin.engines.postgres.searching import Searcher
from adjoin.engines.postgres.statements import do, one, run
from adjoin.errors import StoreCorrupted
from adjoin.types import Finding, RecallLine, RecallReport, Where

if TYPE_CHECKING:
    from adjoin.engines.postgres.connections import Connection
    from adjoin.types import Floats

_KEPT = 512
_RANGES = ((0.0, 0.01), (0.01, 0.1), (0.1, 0.5), (0.5, 1.0))


@dataclass(frozen=True, slots=True)
class Asked:
    """A live query. vector: shape (dim,)."""

    vector: Floats
    where: Where | None
    recall: float


class Sampled:
    """A fair sample of the live queries of each collection, of bounded size. Kept in this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, list[Asked]] = {}
        self._seen: dict[int, int] = {}
        self._random = random.Random(0)

    def add(self, key: int, request: SearchRequest) -> None:
        with self._lock:
            kept = self._kept.setdefault(key, [])
            for vector in request.vectors:
                seen = self._seen[key] = self._seen.get(key, 0) + 1
                asked = Asked(vector.copy(), request.where, request.recall)
                if len(kept) < _KEPT:
                    kept.append(asked)
                elif (place := self._random.randrange(seen)) < _KEPT:
                    kept[place] = asked

    def of(self, key: int) -> list[Asked]:
        """In random order."""
        with self._lock:
            kept = list(self._kept.get(key, ()))
            self._random.shuffle(kept)
            return kept


def measure(
    connection: Connection, held: Held, asked: list[Asked], k: int, budget_s: float, exact_below: int
) -> RecallReport:
    """Each of the queries again, as it was asked and exactly, until the time is up."""
    began = time.perf_counter()
    measured: list[tuple[float, int, int]] = []  # selectivity, right, wanted
    for query in asked:
        if measured and time.perf_counter() - began > budget_s:
            break
        if len(query.vector) == held.spec.dim:
            measured.append(_measure_one(connection, held, query, k, exact_below))
    lines = [_line((0.0, 1.0), measured)] if measured else []
    for low, high in _RANGES:
        within = [one for one in measured if low < one[0] <= high]
        if within and len(within) < len(measured):
            lines.append(_line((low, high), within))
    recall = min((query.recall for query in asked), default=0.95)
    return RecallReport(recall, tuple(lines), time.perf_counter() - began)


def _measure_one(connection: Connection, held: Held, query: Asked, k: int, exact_below: int) -> tuple[float, int, int]:
    searcher = Searcher(connection, held, query.where, exact_below)
    choice = searcher.choose(k, query.recall)
    truth = searcher.exact(query.vector[None, :], k)[0]
    found = truth
    dial = choice.curve.reaching(query.recall) if choice.curve else None
    if dial is not None and searcher.can_ask_index(query.vector):
        by_index = searcher.by_index(query.vector, k, dial)
        found = by_index if len(by_index) >= len(truth) else truth  # a short answer is never given
        searcher.unbind()
    reach = truth[-1].distance if truth else 0.0
    matching = choice.matching if choice.matching is not None else searcher.count()
    share = matching / max(1, choice.rows)
    return share, sum(one.distance <= reach for one in found[: len(truth)]), len(truth)


def _line(selectivity: tuple[float, float], measured: list[tuple[float, int, int]]) -> RecallLine:
    right, wanted = sum(one[1] for one in measured), sum(one[2] for one in measured)
    recall = right / wanted if wanted else 1.0
    low, high = _wilson(recall, wanted)
    return RecallLine(selectivity, len(measured), right, wanted, recall, low, high)


def _wilson(share: float, count: int) -> tuple[float, float]:
    """The interval of Wilson (1927) at 95 %."""
    if not count:
        return 0.0, 1.0
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


# doctor


def examine(connection: Connection, held: Held, location: str, *, repair: bool) -> Iterator[Finding]:
    """Every row against its hash and its facts, the count, and the indexes. Rows are truth; the rest follows from them."""
    counted, stale, damaged = 0, [], []
    for row in _rows(connection, held):
        counted += 1
        try:
            document = rows.decode(row[:-3], location, held.storage, with_vector=True)
        except StoreCorrupted as exc:
            damaged.append((row[0], str(exc)))
            continue
        tokens, orders = facts(document.metadata)
        if (
            [token.bytes for token in row[-3]] != tokens
            or row[-2] != orders
            or row[-1] != _is_odd(document.vector, held)
        ):
            stale.append((row[0], tokens, orders, _is_odd(document.vector, held)))
    for seq, said in damaged:
        yield Finding(f"{held.name!r}, row {seq}", said)
    if stale:
        if repair:
            _write_facts(connection, held, stale)
        yield Finding(
            f"collection {held.name!r}",
            f"what filters look at is wrong in {len(stale):,} rows",
            repairable=True,
            repaired=repair,
        )
    total = catalogue.count(connection, held)
    if total != counted:
        if repair:
            run(connection, "DELETE FROM counts WHERE collection = %s", (held.key,))
            catalogue.add_to_count(connection, held, counted)
        yield Finding(
            f"collection {held.name!r}",
            f"{total:,} rows are noted, and {counted:,} are there",
            repairable=True,
            repaired=repair,
        )


def _rows(connection: Connection, held: Held) -> Iterator[tuple[Any, ...]]:
    """DOCUMENT_COLUMNS, tokens, orders, odd."""
    with connection.cursor(name="adjoin_doctor") as cursor:
        sql = f"SELECT {rows.DOCUMENT_COLUMNS}, tokens, orders, odd FROM {held.table} ORDER BY seq"
        cursor.execute(sql.encode(), binary=True)
        while block := cursor.fetchmany(500):
            yield from block


def _is_odd(vector: Floats | None, held: Held) -> bool:
    assert vector is not None
    return rows.odd_ones(vector[None, :], held.metric)[0]


def _write_facts(connection: Connection, held: Held, stale: list[tuple[int, list[bytes], list[bytes], bool]]) -> None:
    connection.cursor().executemany(
        f"UPDATE {held.table} SET tokens = %s::uuid[], orders = %s::bytea[], odd = %s WHERE seq = %s".encode(),
        [([UUID(bytes=token) for token in tokens], orders, odd, seq) for seq, tokens, orders, odd in stale],
    )


def examine_indexes(connection: Connection, held: Held, *, repair: bool) -> Iterator[Finding]:
    """Outside a transaction: indexes that are not whole, and with amcheck those that do not fit their table."""
    invalid = [
        name
        for (name,) in run(
            connection,
            "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE i.indrelid = to_regclass(%s) AND NOT i.indisvalid",
            (held.table,),
        )
    ]
    broken = (
        []
        if not has_amcheck(connection)
        else [name for name in _trees(connection, held) if not _fits(connection, name)]
    )
    for name in [*invalid, *broken]:
        left_over = name.endswith("_near_new")
        if repair:
            do(connection, f"DROP INDEX CONCURRENTLY {name}" if left_over else f"REINDEX INDEX {name}")
        what = "was not built to its end" if name in invalid else "does not fit the rows"
        yield Finding(f"index {name}", what, repairable=True, repaired=repair)


def has_amcheck(connection: Connection) -> bool:
    return bool(one(connection, "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'")[0])


def _trees(connection: Connection, held: Held) -> list[str]:
    return [
        name
        for (name,) in run(
            connection,
            "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam "
            "WHERE i.indrelid = to_regclass(%s) AND a.amname = 'btree' AND i.indisvalid",
            (held.table,),
        )
    ]


def _fits(connection: Connection, index: str) -> bool:
    (schema,) = one(
        connection,
        "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'amcheck'",
    )
    import psycopg

    try:
        run(connection, f"SELECT {schema}.bt_index_check(to_regclass(%s), true)", (index,))
    except psycopg.errors.IndexCorrupted:
        return False
    return True


def server_findings(connection: Connection) -> Iterator[Finding]:
    """Settings by which the server may lose what it acknowledged."""
    for setting in ("fsync", "full_page_writes"):
        if one(connection, f"SHOW {setting}")[0] == "off":
            yield Finding("server", f"{setting} is off: a crash may lose or damage what was acknowledged", level="note")
