"""Processes that share a store: writers that seal, merge, delete and erase all the time, and readers that check each answer.

`python -m tests.support.fleet reader|writer FOLDER NAME SECONDS`. Rows `stable-0` … `stable-199` are there from the
beginning and stay. A writer owns the rows that begin with its name. Once a deletion is acknowledged its ids are
appended to `FOLDER.gone`, which a reader reads before it searches: none of them may come back.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

import adjoin
from tests.support.busy_writer import small_thresholds
from tests.support.damaging import comparing_is_dear
from tests.support.stores import vector

STABLE: Final = 200


def prepare(folder: Path) -> None:
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add(item(f"stable-{n}", {"stable": True, "n": n}) for n in range(STABLE))
    gone_of(folder).touch()


def gone_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.gone")


def item(id_: str, metadata: dict[str, Any]) -> adjoin.Item:
    return adjoin.Item(f"content of {id_}", id_, metadata, vector(id_))


def write(folder: Path, name: str, seconds: float) -> None:
    pick = random.Random(name)
    held: set[str] = set()
    number = itertools.count()
    latest = time.monotonic() + seconds
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None)
        while time.monotonic() < latest:
            kind = pick.choice(["add", "add", "add", "delete", "erase", "optimize", "upsert", "update", "pause"])
            some = pick.sample(sorted(held), min(len(held), pick.choice([1, 30, 200])))
            if kind == "add":
                new = [f"{name}-{next(number)}" for _ in range(pick.choice([1, 50, 200]))]
                rows.add([item(id_, {"by": name}) for id_ in new])
                held |= set(new)
            elif kind in ("delete", "erase") and some:
                some = some if kind == "delete" else some[:20]
                assert int(getattr(rows, kind)(some)) == len(some)
                held -= set(some)
                with gone_of(folder).open("a") as file:
                    file.write("".join(f"{id_}\n" for id_ in some))
            elif kind == "optimize":
                rows.optimize()
            elif kind == "upsert":
                rows.upsert([item(id_, {"by": name, "again": True}) for id_ in some])
            elif kind == "update" and some:
                rows.update(some, {"seen": next(number)})
            elif kind == "pause":
                time.sleep(0.2)
            mine = {document.id for document in rows.scan({"by": name})}
            assert mine == held, (name, kind, len(mine), len(held))
    print(len(held), flush=True)


def read(folder: Path, name: str, seconds: float) -> None:
    pick = random.Random(name)
    looks = by_index = 0
    latest = time.monotonic() + seconds
    with adjoin.open(folder) as db, comparing_is_dear():
        rows = db.collection("rows", embedder=None)
        while time.monotonic() < latest:
            gone = set(gone_of(folder).read_text().split())
            n = pick.randrange(STABLE)
            for recall in (0.9, 1.0):
                hits = rows.search(vector(f"stable-{n}"), k=3, recall=recall)
                ids = [str(hit.id) for hit in hits]
                assert len(set(ids)) == 3, ids
                assert not gone & set(ids), gone & set(ids)
                assert recall < 1 or ids[0] == f"stable-{n}", ids
                assert all(hit.content == f"content of {hit.id}" for hit in hits)
                away = [float(((vector(str(hit.id)) - vector(f"stable-{n}")) ** 2).sum()) for hit in hits]
                assert np.allclose([hit.distance for hit in hits], away, atol=1e-3) or np.allclose(
                    [hit.distance for hit in hits], np.sqrt(away), atol=1e-3
                )
                by_index += any(part.strategy == "graph" for part in hits.plan.segments)
            filtered = rows.search(vector("anything"), k=1000, where={"stable": True}).ids
            assert sorted(map(str, filtered)) == sorted(f"stable-{i}" for i in range(STABLE))
            some = rows.search(vector("anything"), k=7, where={"n": {"$lt": 40}}).ids
            assert len(set(some)) == 7
            assert rows.count({"stable": True}) == STABLE
            everything = rows.search(vector("anything"), k=100_000, recall=1.0)
            ids = [str(hit.id) for hit in everything]
            assert len(set(ids)) == len(ids) == everything.plan.rows
            assert not gone & set(ids)
            scanned = [str(document.id) for document in rows.scan(vectors=True)]
            assert len(set(scanned)) == len(scanned)
            assert not gone & set(scanned)
            assert len(rows.get([f"stable-{i}" for i in range(0, STABLE, 9)])) == len(range(0, STABLE, 9))
            looks += 1
    print(looks, by_index, flush=True)


if __name__ == "__main__":
    small_thresholds()
    role, place, own, duration = sys.argv[1:]
    {"reader": read, "writer": write}[role](Path(place), own, float(duration))
