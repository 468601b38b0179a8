"""A process that works on a store until it is killed, and says before and after each call what it does.

Run as `python -m tests.support.busy_writer FOLDER`: it forks a worker for each seed that it reads, a line each, and says
when that worker has ended. Each line it prints is JSON: {"pid": …} is a worker that is ready, {"op": …} is about to be
done, {"done": n} was acknowledged, {"ended": status} is the worker's end. `states` tells what a store may hold after an
operation, for the parent to compare with.

Thresholds are small here, so that segments with real indexes are sealed, merged and compacted all the time.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import adjoin
from adjoin.sync import COMMIT_ROWS
from tests.support.stores import vector

State = dict[str, tuple[int, int]]
"""id → version and mark: the row's content and vector follow from id and version, its metadata from all three."""

BLOCK = COMMIT_ROWS
STILL: Final = frozenset({"optimize", "backup", "pause"})  # what changes nothing that can be read
_MOST_ROWS: Final = 2500


def states(before: State, op: dict[str, Any]) -> list[State]:
    """The state before an operation, those in between that it may commit, and the state after it, last."""
    kind, ids, version = op["op"], op["ids"], op["version"]
    if kind in STILL:
        return [before]
    if kind in ("delete", "erase"):
        gone = set(ids)
        return [before, {id_: held for id_, held in before.items() if id_ not in gone}]
    if kind == "delete_where":
        return [before, {id_: held for id_, held in before.items() if held[0] != version}]
    if kind == "update":
        return [before, before | {id_: (before[id_][0], version) for id_ in ids}]
    step = BLOCK if kind == "index_items" else len(ids)
    found = [before]
    for start in range(0, len(ids), step):
        found.append(found[-1] | dict.fromkeys(ids[start : start + step], (version, 0)))
    return found


def metadata(id_: str, version: int, mark: int) -> dict[str, Any]:
    return {"version": version, "of": id_} | ({"mark": mark} if mark else {})


def content(id_: str, version: int) -> str:
    long = id_.endswith("7") and version % 3 == 0  # some span several pages
    return f"{id_} as of {version}, " + "그리고 또, and so on. " * (1500 if long else 12)


def small_thresholds(patch: Any = setattr) -> None:
    """Have a few hundred rows be enough for a segment with a graph. patch: takes an object, a name and a value."""
    from adjoin.index import base
    from adjoin.store import keeper, sealing

    patch(keeper, "_full", lambda now: 250)
    patch(keeper, "QUIET_S", 0.05)
    patch(keeper, "_FEW_DEAD", 30)
    patch(keeper, "_SPARE_PAGES", 32)
    patch(sealing, "FLAT_BELOW", 150)
    patch(base, "MOST_ROWS", 100)


def work(folder: Path, seed: int) -> None:
    pick = random.Random(seed)
    db = adjoin.open(folder)
    rows = db.collection("rows", embedder=None, metric="euclidean")
    held: State = {
        document.id: (document.metadata["version"], document.metadata.get("mark", 0))  # type: ignore[misc]
        for document in rows.scan()
    }
    say({"pid": os.getpid()})
    for number in range(10_000):
        op = choose(pick, held, seed * 10_000 + number)
        say(op)
        act(db, rows, op, pick)
        held = states(held, op)[-1]
        say({"done": number})


def choose(pick: random.Random, held: State, version: int) -> dict[str, Any]:
    old = sorted(held)
    if len(old) < 200:
        kinds = ["add", "add", "index_items"]
    else:
        kinds = [
            *("add", "upsert", "delete", "delete_where", "index_items", "update", "update"),
            *("optimize", "optimize", "erase", "backup", "pause", "pause"),
        ]
    kind = pick.choice(kinds)
    most = 3 if len(old) > _MOST_ROWS else 700
    new = [f"{version}-{n}" for n in range(min(most, pick.choice([1, 3, 40, 300, 700])))]
    ids: list[str] = []
    if kind == "add":
        ids = new
    elif kind in ("upsert", "index_items"):
        ids = new + pick.sample(old, min(len(old), 100))
    elif kind in ("delete", "update"):
        ids = pick.sample(old, min(len(old), pick.choice([1, 50, 400, 800])))
    elif kind == "erase":
        ids = pick.sample(old, pick.choice([1, 20]))
    elif kind == "delete_where":
        version = held[pick.choice(old)][0]
    return {"op": kind, "ids": ids, "version": version}


def act(db: adjoin.Database, rows: adjoin.Collection, op: dict[str, Any], pick: random.Random) -> None:
    kind, ids, version = op["op"], op["ids"], op["version"]
    match kind:
        case "delete":
            rows.delete(ids)
        case "delete_where":
            rows.delete(where={"version": version})
        case "update":
            rows.update(ids, {"mark": version})
        case "optimize":
            rows.optimize()
        case "erase":
            rows.erase(ids)
        case "backup":
            db.backup(copy_of(Path(db.location), version))
        case "pause":
            time.sleep(pick.random() * 0.4)  # for the background
        case "index_items":
            rows.index_items(items(ids, version))
        case _:
            given = items(ids, version)
            getattr(rows, kind)(
                given if pick.random() < 0.5 else list(given)
            )  # a stream comes in small blocks, and spools


def copy_of(folder: Path, version: int) -> Path:
    return folder.with_name(f"{folder.name}.copy-{version}")


def items(ids: list[str], version: int) -> Iterator[adjoin.Item]:
    for id_ in ids:
        yield adjoin.Item(content(id_, version), id_, metadata(id_, version, 0), vector(id_, version))


def say(what: dict[str, Any]) -> None:
    os.write(1, (json.dumps(what) + "\n").encode())


def main(folder: Path) -> None:
    """Fork rather than start anew, so that a life costs what is done in it."""
    import rabitqlib  # noqa: F401  # loaded once for all

    from adjoin import ingest

    ingest.GIVEN_ROWS = 64  # so that a generator of a few hundred rows comes in several batches
    small_thresholds()
    for seed in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                work(folder, int(seed))
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        say({"ended": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
