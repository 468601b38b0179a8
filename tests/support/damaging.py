"""The drill of damage: a store whose files are damaged in one place answers rightly or says so, and is made whole.

The store has collections of both kinds, brought vectors and texts with an embedder; segments with graphs, dead and
revised rows; a tail; and a log that its writer, killed, has left.
"""

from __future__ import annotations

import collections
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

import adjoin
from adjoin.database import doctor
from adjoin.distance import distance
from adjoin.errors import StoreError
from adjoin.store import planner
from adjoin.testing import TinyEmbedder
from tests.support.stores import contents, python

KINDS: Final = (
    "adjoin.db", "adjoin.db-wal", "vectors", "vectors.blocks", "vectors.parity", "seqs", "figures", "columns", "index",
)  # fmt: skip
DERIVED: Final = ("vectors.blocks", "vectors.parity", "seqs", "figures", "columns", "index")
Contents = dict[str, dict[Any, Any]]

_MAKE = """
import os, sys
import adjoin
from adjoin.store import planner
from adjoin.testing import TinyEmbedder
from tests.support.busy_writer import small_thresholds
from tests.support.stores import vector
small_thresholds()
db = adjoin.open(sys.argv[1])
db._engine._keeper._maintain = False
def brought(first, last):
    for n in range(first, last):
        yield adjoin.Item(f"row {n}, " + "긴 글 " * (3000 if n % 50 == 7 else 9), n, {"n": n, "even": n % 2 == 0}, vector(n))
rows = db.collection("brought", embedder=None, metric="euclidean", index="graph")
rows.add(list(brought(0, 260)))
rows.optimize()
texts = db.collection("texts", embedder=TinyEmbedder())
texts.add([f"the text of number {n}" for n in range(150)], ids=[f"t{n}" for n in range(150)])
texts.optimize()
from adjoin.store import keeper
keeper.most_rows = lambda now: 100  # so that there are two segments
rows.add(list(brought(260, 460)))
rows.optimize()
rows.delete([3, 5, 300, 301])
rows.update([10, 400], {"n": "changed"})
rows.add(list(brought(460, 490)))
for n in range(490, 500):
    rows.add(list(brought(n, n + 1)))
print(rows.stats()["segments"], rows.stats()["tail"])
os._exit(0)  # as if killed: the log stays
"""


def make(folder: Path) -> Contents:
    """A store, and what it holds."""
    assert python(_MAKE, folder) == "2 40\n"
    copy = folder.with_name("copy-to-look")
    shutil.copytree(folder, copy)
    held = all_contents(copy)
    shutil.rmtree(copy)
    assert (len(held["brought"]), len(held["texts"])) == (496, 150)
    return held


def all_contents(folder: Path) -> Contents:
    with adjoin.open(folder, create=False) as db:
        return {name: contents(collection(db, name)) for name in db.collections()}


def collection(db: adjoin.Database, name: str) -> adjoin.Collection:
    return db.collection(name, embedder=TinyEmbedder() if name == "texts" else None)


def files_of(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.rglob(kind))


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@dataclass(slots=True)
class Asked:
    """What came of questions: right, refused with an error, or wrong without a word."""

    right: int = 0
    refused: int = 0
    by_index: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def comparing_is_dear() -> Iterator[None]:
    """So few rows are otherwise compared rather than looked for in an index."""

    def dear(*args: Any) -> planner.Way:
        way = exact_way(*args)
        return replace(way, cost_ns=way.cost_ns * 1e6)

    exact_way = planner.exact_way
    with patch.object(planner, "exact_way", dear):
        yield


def ask(folder: Path, held: Contents, seed: int) -> Asked:
    """Every kind of question, to each collection; through the index where recall below 1 is asked for."""
    with comparing_is_dear():
        return _ask(folder, held, seed)


def _ask(folder: Path, held: Contents, seed: int) -> Asked:
    asked = Asked()
    try:
        db = adjoin.open(folder, create=False)
    except StoreError:
        asked.refused += 1
        return asked
    with db:
        for name, rows in held.items():
            for what, question in _questions(db, name, rows, random.Random(seed)):
                try:
                    right, by_index = question()
                except StoreError:
                    asked.refused += 1
                    continue
                asked.by_index += by_index
                if right:
                    asked.right += 1
                else:
                    asked.wrong.append(f"{what} of {name}")
    return asked


def _questions(
    db: adjoin.Database, name: str, rows: dict[Any, Any], pick: random.Random
) -> Iterator[tuple[str, Callable[[], tuple[bool, bool]]]]:
    ids = sorted(rows)
    some = pick.sample(ids, 20)
    matrix = np.stack([np.frombuffer(rows[id_][2], np.float32) for id_ in ids])
    metric: Any = "euclidean" if name == "brought" else "cosine"
    even = {id_ for id_ in ids if rows[id_][1].get("even")}

    def is_true(hits: adjoin.Hits, query: Any, k: int, among: set[Any] | None = None) -> bool:
        """Rows that there are, with their own content and distance, as many as asked."""
        away = dict(zip(ids, np.ravel(distance(matrix, query, metric)).tolist(), strict=True))
        wanted = among if among is not None else set(ids)
        return len({hit.id for hit in hits}) == len(hits) == min(k, len(wanted)) and all(
            hit.id in wanted
            and abs(hit.distance - away[hit.id]) < 1e-4
            and (hit.content, hit.metadata) == rows[hit.id][:2]
            for hit in hits
        )

    def search(k: int, recall: float, where: Any = None, among: set[Any] | None = None) -> tuple[bool, bool]:
        by_index = False
        for id_ in some[:8]:
            query = np.frombuffer(rows[id_][2], np.float32)
            hits = collection(db, name).search(query, k=k, recall=recall, where=where)
            truth = np.sort(np.ravel(distance(matrix, query, metric)))[:k]
            by_index = by_index or any(part.strategy == "graph" for part in hits.plan.segments)
            if not is_true(hits, query, k, among):
                return False, by_index
            if recall == 1 and among is None and not np.allclose([hit.distance for hit in hits], truth, atol=1e-4):
                return False, by_index
        return True, by_index

    def scanned() -> tuple[bool, bool]:
        return contents(collection(db, name)) == rows, False

    def got() -> tuple[bool, bool]:
        found = collection(db, name).get(some, vectors=True)
        return [(d.content, d.metadata, d.vector.tobytes()) for d in found] == [rows[id_] for id_ in some], False  # type: ignore[union-attr]

    yield "search", lambda: search(3, 0.9)
    yield "exact search", lambda: search(5, 1.0)
    yield "filtered search", lambda: search(3, 0.9, {"even": True}, even)
    yield "all in a search", lambda: search(10_000, 1.0)
    yield "get", got
    yield "scan", scanned
    yield "count", lambda: (collection(db, name).count() == len(rows), False)
    yield "filtered count", lambda: (collection(db, name).count({"even": True}) == len(even), False)


@dataclass(slots=True)
class Flips:
    """rounds, and by kind of file: how many damaged stores refused something, were named, and were made whole."""

    rounds: collections.Counter[str] = field(default_factory=collections.Counter)
    refused: collections.Counter[str] = field(default_factory=collections.Counter)
    named: collections.Counter[str] = field(default_factory=collections.Counter)
    whole: collections.Counter[str] = field(default_factory=collections.Counter)
    left: list[str] = field(default_factory=list)


def flip_and_compare(folder: Path, rounds: int, seed: int) -> Flips:
    """Turn one bit a round. Raises AssertionError for a wrong answer, damage not named, or derived data not made again."""
    held = make(folder / "store")
    tally = Flips()
    pick = random.Random(seed)
    for number in range(rounds):
        kind = KINDS[number % len(KINDS)]
        copy = folder / "copy"
        shutil.copytree(folder / "store", copy)
        path = pick.choice(files_of(copy, kind))
        bit = pick.randrange(path.stat().st_size * 8)
        flip(path, bit)
        where = f"bit {bit} of {path.relative_to(copy)}"
        _round(copy, held, kind, where, number, tally)
        shutil.rmtree(copy)
    return tally


def _round(copy: Path, held: Contents, kind: str, where: str, seed: int, tally: Flips) -> None:
    untouched = copy.with_name("untouched")
    shutil.copytree(copy, untouched)
    asked = ask(copy, held, seed)
    assert not asked.wrong, f"{where}: {asked.wrong}"
    tally.rounds[kind] += 1
    tally.refused[kind] += bool(asked.refused)
    shutil.rmtree(copy)
    untouched.rename(copy)  # asking may have moved the log, or closed it
    found = doctor(copy)
    assert not found.healthy, f"{where} is not named"
    tally.named[kind] += 1
    repaired = doctor(copy, repair=True)
    after = doctor(copy)
    if repaired.healthy or after.healthy:
        assert after.healthy, f"{where}: {after}"
        assert repaired.healthy, f"{where}: {repaired}"
        assert all_contents(copy) == held, where
        again = ask(copy, held, seed)
        assert not again.wrong, where
        assert not again.refused, where
        tally.whole[kind] += 1
    else:
        assert kind in ("adjoin.db", "adjoin.db-wal"), f"{where}: {repaired}"
        tally.left.append(f"{where}: {[str(one) for one in after.findings]}")
