"""A process that writes until it is killed, and says before and after each call what it does.

Run as `python -m tests.support.busy_writer FOLDER SEED`. Each line is JSON: {"op": …} is about to be done, {"done": n}
was acknowledged. `states` tells what a store may hold after an operation, for the parent to compare with.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import adjoin
from adjoin.sync import COMMIT_ROWS
from tests.support.stores import vector

State = dict[str, int]
"""id → version: the row's content, metadata and vector follow from these two."""

BLOCK = COMMIT_ROWS


def states(before: State, op: dict[str, Any]) -> list[State]:
    """The state before an operation, those in between that it may commit, and the state after it, last."""
    kind, ids, version = op["op"], op["ids"], op["version"]
    if kind == "delete":
        return [before, {id_: held for id_, held in before.items() if id_ not in set(ids)}]
    if kind == "delete_where":
        return [before, {id_: held for id_, held in before.items() if held != version}]
    step = BLOCK if kind == "index_items" else len(ids)
    found = [before]
    for start in range(0, len(ids), step):
        found.append(found[-1] | dict.fromkeys(ids[start : start + step], version))
    return found


def metadata(id_: str, version: int) -> dict[str, Any]:
    return {"version": version, "of": id_}


def content(id_: str, version: int) -> str:
    return f"{id_} as of {version}, " + "and so on. " * 20


def main(folder: str, seed: int) -> None:
    pick = random.Random(seed)
    db = adjoin.open(folder)
    rows = db.collection("rows", embedder=None, metric="euclidean")
    held = {document.id: document.metadata["version"] for document in rows.scan()}
    say({"ready": True})
    for number in range(10_000):
        op = choose(pick, held, seed * 10_000 + number)
        say(op)
        act(rows, op, pick.random() < 0.5)
        held = states(held, op)[-1]
        say({"done": number})


def choose(pick: random.Random, held: State, version: int) -> dict[str, Any]:
    old = sorted(held)
    kinds = (
        ["add", "add", "index_items"] if len(old) < 200 else ["add", "upsert", "delete", "delete_where", "index_items"]
    )
    kind = pick.choice(kinds)
    new = [f"{version}-{n}" for n in range(pick.choice([1, 3, 40, 700]))]
    if kind == "add":
        ids = new
    elif kind in ("upsert", "index_items"):
        ids = new + pick.sample(old, min(len(old), 100))
    elif kind == "delete":
        ids = pick.sample(old, min(len(old), pick.choice([1, 50, 800])))
    else:
        ids, version = [], held[pick.choice(old)]
    return {"op": kind, "ids": ids, "version": version}


def act(rows: adjoin.Collection, op: dict[str, Any], stream: bool) -> None:
    kind, ids, version = op["op"], op["ids"], op["version"]
    if kind == "delete":
        rows.delete(ids)
    elif kind == "delete_where":
        rows.delete(where={"version": version})
    elif kind == "index_items":
        rows.index_items(items(ids, version))
    elif stream:  # small blocks make the call spool
        getattr(rows, kind)(items(ids, version))
    else:
        getattr(rows, kind)(list(items(ids, version)))


def items(ids: list[str], version: int) -> Iterator[adjoin.Item]:
    for id_ in ids:
        yield adjoin.Item(content(id_, version), id_, metadata(id_, version), vector(id_, version))


def say(what: dict[str, Any]) -> None:
    os.write(1, (json.dumps(what) + "\n").encode())


if __name__ == "__main__":
    from adjoin import ingest

    ingest.GIVEN_ROWS = 64  # so that a generator of a few hundred rows comes in several batches
    main(sys.argv[1], int(sys.argv[2]))
