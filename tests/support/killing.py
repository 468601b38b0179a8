"""The drill of killing: a worker is killed at a random instant, and its store is compared with what it had said."""

from __future__ import annotations

import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import adjoin
from tests.support.busy_writer import State, content, copy_of, metadata, states
from tests.support.stores import ROOT, contents, vector


@dataclass(slots=True)
class Tally:
    """killed_in: how many workers died during each kind of call. drafts: builds that were under way."""

    acknowledged: int = 0
    killed_in: collections.Counter[str] = field(default_factory=collections.Counter)
    drafts: int = 0
    segments: int = 0
    copies: int = 0


class Workers:
    """Workers on one folder, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.busy_writer", str(folder)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def killed(self, seed: int, lifetime_s: float) -> list[dict[str, Any]]:
        """What a worker said in its life."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seed}\n")
        self._process.stdin.flush()
        first = json.loads(self._process.stdout.readline())
        assert "pid" in first, f"the worker ended before it was ready: {first}"
        time.sleep(lifetime_s)
        os.kill(first["pid"], signal.SIGKILL)
        said: list[dict[str, Any]] = []
        ended = json.dumps({"ended": -signal.SIGKILL}) + "\n"
        for line in self._process.stdout:
            if line.endswith(
                ended
            ):  # also behind a line that the worker died over: of what it says there, nothing was heard
                return said
            said.append(json.loads(line))
        raise AssertionError(f"the worker ended by itself; see its standard error: {said[-1:]}")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def expected(state: State) -> dict[Any, Any]:
    return {
        id_: (content(id_, version), metadata(id_, version, mark), vector(id_, version).tobytes())
        for id_, (version, mark) in state.items()
    }


def kill_and_compare(folder: Path, rounds: int, seed: int) -> Tally:
    """Kill as many workers as there are rounds. Raises AssertionError for a row lost, a ghost, or any damage."""
    pick = random.Random(seed)
    tally = Tally()
    state: State = {}
    workers = Workers(folder)
    try:
        for number in range(rounds):
            lifetime_s = pick.choice([0.02, 0.3, 1.0, 2.0]) * pick.random()
            said = workers.killed(seed * 1000 + number, lifetime_s)
            state = _compared(folder, number, state, said, pick, tally)
    finally:
        workers.close()
    return tally


def _compared(
    folder: Path, number: int, state: State, said: list[dict[str, Any]], pick: random.Random, tally: Tally
) -> State:
    under_way = None
    for line in said:
        if "op" in line:
            under_way = line
            continue
        assert under_way is not None
        state = states(state, under_way)[-1]
        if under_way["op"] == "backup":
            _check_copy(copy_of(folder, under_way["version"]), state, tally)
        under_way = None
        tally.acknowledged += 1
    possible = [state] if under_way is None else states(state, under_way)
    tally.killed_in[under_way["op"] if under_way else "nothing"] += 1
    with adjoin.open(folder) as db:
        found = db.doctor()
        damage = [str(one) for one in found.findings if one.level == "damage"]
        assert not damage, f"round {number}, in {under_way and under_way['op']}: {damage}"
        tally.drafts += sum("did not end" in one.what for one in found.findings)
        state = _check(db, f"round {number}", possible, pick)
        rows = db.collection("rows")
        tally.segments += rows.stats()["segments"]
        if number % 10 == 9:
            rows.optimize()
            kept = [part["id"] for part in rows.stats()["parts"]]
            assert sorted(os.listdir(folder / "segments")) == sorted(kept), "what a dead builder left is still there"
            _check(db, f"round {number}, optimized", [state], pick)
    for copy in folder.parent.glob(f"*{folder.name}.copy-*"):
        shutil.rmtree(copy)
    return state


def _check(db: adjoin.Database, when: str, possible: list[State], pick: random.Random) -> State:
    rows = db.collection("rows", embedder=None)
    found = contents(rows)
    matching = [each for each in possible if each.keys() == found.keys() and expected(each) == found]
    assert matching, f"{when}: {len(found)} rows, {[len(each) for each in possible]} possible"
    assert rows.count() == len(found)
    ids = pick.sample(sorted(found), min(20, len(found)))
    if ids:
        points = np.stack([vector(id_, matching[0][id_][0]) for id_ in ids])
        assert [hits.ids for hits in rows.search_many(points, k=1)] == [[id_] for id_ in ids], when
        version = matching[0][ids[0]][0]
        same = {id_ for id_, held in matching[0].items() if held[0] == version}
        assert set(rows.search(points[0], k=len(found), where={"version": version}).ids) == same, when
        assert rows.count({"version": version}) == len(same), when
    return matching[0]


def _check_copy(copy: Path, state: State, tally: Tally) -> None:
    with adjoin.open(copy, create=False) as db:
        rows = db.collection("rows", embedder=None)
        assert contents(rows) == expected(state), f"the copy {copy.name}"
        assert db.doctor().findings == ()
    tally.copies += 1
