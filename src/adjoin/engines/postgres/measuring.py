"""What recall each setting of an index reaches: measured on held-out rows when it is built, and on live queries after.

Rows are not what people search for. An index that finds 97 % of the neighbours of its own rows may find 40 % of those of
a question, and a filter that bars what is near changes it again. So the first live queries of each kind are answered
exactly, and what every setting would have answered is noted; from then on a setting is taken that was seen to reach the
recall asked for, and one query in so many goes on being measured.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from adjoin.engines.postgres import rows
from adjoin.engines.postgres.catalogue import Held
from adjoin.engines.postgres.nearby import Dial, every_dial
from adjoin.engines.postgres.statements import one, run

if TYPE_CHECKING:
    from adjoin.engines.postgres.connections import Connection
    from adjoin.engines.postgres.searching import Searcher
    from adjoin.types import Floats

KS: Final = (10, 100)  # how many neighbours recall is measured for
_FIRST: Final = 20  # live queries of a kind that are measured before its settings are trusted
_ENOUGH: Final = 300  # after so many it is settled that no setting reaches what is asked
_ONE_IN: Final = 64
_REMEMBERED: Final = 1000  # queries; older ones count for less and less
_HELD_OUT: Final = 32


class Kind(NamedTuple):
    """What sort of query: filtered or not, for up to how many neighbours."""

    filtered: bool
    k: int

    @classmethod
    def of(cls, k: int, *, filtered: bool) -> Kind | None:
        """None for more neighbours than are measured."""
        most = next((known for known in KS if k <= known), None)
        return None if most is None else cls(filtered, most)


@dataclass(slots=True)
class Shares:
    """Of many queries: how many, the sum of the shares found, and of their squares."""

    queries: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def add(self, share: float) -> None:
        self.queries += 1
        self.total += share
        self.squares += share * share

    @property
    def recall(self) -> float:
        return self.total / self.queries if self.queries else 0.0

    def low(self) -> float:
        """The lower bound of the recall at 99 %, by queries: neighbours of one query are found or missed together.

        One query more is counted than there was, that found half: twenty without a miss do not show that there is none.
        """
        queries = self.queries + 1
        mean = (self.total + 0.5) / queries
        spread = max(0.0, (self.squares + 0.25) / queries - mean * mean)
        return max(0.0, mean - 2.33 * math.sqrt(spread / queries))


@dataclass
class Curve:
    """What one kind of live query got from each setting, cheapest first, and what was measured since it was read."""

    kind: Kind
    dials: list[Dial]
    shares: dict[Dial, Shares]
    fresh: list[tuple[Dial, float]] = field(default_factory=list)

    @property
    def queries(self) -> int:
        return int(min((self.shares[dial].queries for dial in self.dials), default=0))

    def reaching(self, recall: float) -> Dial | None:
        """The cheapest setting whose lower bound is so high."""
        if self.queries < _FIRST:
            return None
        return next((dial for dial in self.dials if self.shares[dial].low() >= recall), None)

    def wants(self, recall: float) -> bool:
        """Whether the next query should be measured."""
        unsettled = self.queries < _ENOUGH and self.reaching(recall) is None
        return unsettled or random.random() < 1 / _ONE_IN

    def add(self, dial: Dial, share: float) -> None:
        self.shares[dial].add(share)
        self.fresh.append((dial, share))

    def told(self, dial: Dial) -> str:
        return f"{dial} reached a recall of {self.shares[dial].recall:.4f} over {self.queries:,} live queries"

    def low(self, dial: Dial) -> float:
        return self.shares[dial].low()


def load(connection: Connection, held: Held, kind: Kind) -> Curve:
    """What is known so far. Settings that held-out rows showed to find less than half are left out."""
    found = run(
        connection,
        "SELECT live, dial, queries, total, squares FROM measured "
        "WHERE collection = %s AND k = %s AND (filtered = %s OR NOT live) ORDER BY dial", (held.key, kind.k, kind.filtered),
    ).fetchall()  # fmt: skip
    hopeless = {dial for live, dial, *shares in found if not live and Shares(*shares).recall < 0.5}
    dials = [dial for dial in every_dial(connection, held) if dial.value not in hopeless]
    shares = {dial: Shares() for dial in dials}
    for live, value, *known in found:
        dial = Dial(dials[0].family, value) if dials else None
        if live and dial in shares:
            shares[dial] = Shares(*known)
    return Curve(kind, dials, shares)


def measure(searcher: Searcher, point: Floats, curve: Curve) -> list[Any]:
    """The exact neighbours of a query, and on the curve how many of them each setting would have found."""
    k = curve.kind.k
    truth = searcher.exact(point[None, :], k)[0]
    for dial in curve.dials:
        found = searcher.by_index(point, k, dial)
        # A short answer is never given: it is made good by exact search.
        curve.add(dial, 1.0 if len(found) < len(truth) else _share(found, truth))
    searcher.unbind()
    return truth


def _share(found: Iterable[Any], truth: list[Any]) -> float:
    reach = truth[-1].distance if truth else 0.0
    right = sum(1 for one in found if one.distance <= reach)
    return min(1.0, right / max(1, len(truth)))


def keep(connection: Connection, held: Held, curve: Curve, *, live: bool = True) -> None:
    """Add what was measured to what is known; what is old fades."""
    lines = [
        (held.key, live, curve.kind.filtered, curve.kind.k, dial.value, share, share * share)
        for dial, share in sorted(curve.fresh)
    ]
    faded = f"least(1, {_REMEMBERED} / measured.queries)"
    connection.cursor().executemany(
        "INSERT INTO measured VALUES (%s, %s, %s, %s, %s, 1, %s, %s) ON CONFLICT (collection, live, filtered, k, dial) DO UPDATE "
        f"SET queries = measured.queries * {faded} + 1, total = measured.total * {faded} + excluded.total, "
        f"squares = measured.squares * {faded} + excluded.squares".encode(),
        lines,
    )


# Held-out rows


def on_held_out_rows(searcher: Searcher) -> list[Curve]:
    """Curves of rows that are searched for without finding themselves, every second one moved off its place."""
    queries, own = _queries(searcher.connection, searcher.held)
    dials = every_dial(searcher.connection, searcher.held)
    curves = [Curve(Kind(False, k), dials, {dial: Shares() for dial in dials}) for k in KS]
    if not len(queries):
        return curves
    truths = searcher.exact(queries, max(KS) + 1)
    for curve in curves:
        for dial in dials:
            for point, truth, id_ in zip(queries, truths, own, strict=True):
                wanted = [one for one in truth if one.id != id_][: curve.kind.k]
                found = [one for one in searcher.by_index(point, curve.kind.k + 1, dial) if one.id != id_]
                curve.add(dial, _share(found[: curve.kind.k], wanted))
            if curve.shares[dial].recall >= 1:
                break
    searcher.unbind()
    return curves


def _queries(connection: Connection, held: Held) -> tuple[Floats, list[Any]]:
    """Rows from anywhere in the order of storing, and the id of each that is not moved."""
    first, last = one(connection, f"SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM {held.table}")
    rng = np.random.default_rng(held.key)
    places = np.unique(rng.integers(first, last + 1, 2 * _HELD_OUT)).tolist()
    found = run(
        connection,
        f"SELECT DISTINCT ON (r.seq) r.id_int, r.id_text, r.vector FROM unnest(%s::bigint[]) p CROSS JOIN LATERAL "
        f"(SELECT * FROM {held.table} WHERE seq >= p AND NOT odd ORDER BY seq LIMIT 1) r ORDER BY r.seq",
        (places,),
    ).fetchall()
    if not found:
        return np.empty((0, held.spec.dim or 1), np.float32), []
    found = [found[i] for i in rng.permutation(len(found))[:_HELD_OUT]]
    matrix = rows.vectors_of([row[2] for row in found], held.storage)
    spread = np.linalg.norm(matrix, axis=1, keepdims=True) / math.sqrt(matrix.shape[1])
    noise = rng.standard_normal(matrix.shape, dtype=np.float32) * spread * np.float32(0.3)
    noise[::2] = 0
    own = [rows.id_of(row[0], row[1]) if n % 2 == 0 else None for n, row in enumerate(found)]
    return matrix + noise, own
