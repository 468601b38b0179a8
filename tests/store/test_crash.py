"""What was acknowledged survives SIGKILL at any instant, and nothing is stored by halves."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import adjoin
from tests.support.busy_writer import State, content, metadata, states
from tests.support.stores import ROOT, contents, vector

ROUNDS = int(os.environ.get("ADJOIN_CRASH_ROUNDS", "25"))


def expected(state: State) -> dict[Any, Any]:
    return {
        id_: (content(id_, version), metadata(id_, version), vector(id_, version).tobytes())
        for id_, version in state.items()
    }


def killed_writer(folder: Path, seed: int, lifetime_s: float) -> list[dict[str, Any]]:
    """What the writer said in its life."""
    command = [sys.executable, "-m", "tests.support.busy_writer", str(folder), str(seed)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(lifetime_s)
    process.send_signal(signal.SIGKILL)
    said = first + process.stdout.read()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return [json.loads(line) for line in said.splitlines(keepends=True) if line.endswith(b"\n")]


def kill_and_compare(folder: Path, rounds: int, seed: int) -> tuple[int, int]:
    """How many calls were acknowledged, and how many were under way when the process was killed."""
    pick = random.Random(seed)
    state: State = {}
    acknowledged = interrupted = 0
    for number in range(rounds):
        under_way = None
        for line in killed_writer(folder, seed * 1000 + number, pick.choice([0.02, 0.2, 0.6]) * pick.random()):
            if "op" in line:
                under_way = line
            elif "done" in line:
                assert under_way is not None
                state, under_way = states(state, under_way)[-1], None
                acknowledged += 1
        with adjoin.open(folder) as db:
            rows = db.collection("rows", embedder=None)
            found = contents(rows)
            possible = [state] if under_way is None else states(state, under_way)
            matching = [each for each in possible if each.keys() == found.keys() and expected(each) == found]
            assert matching, f"round {number}: {len(found)} rows, {[len(each) for each in possible]} possible"
            assert rows.count() == len(found)
            if found:
                id_ = pick.choice(sorted(found))
                assert rows.search(vector(id_, matching[0][id_]), k=1).ids == [id_]
        interrupted += under_way is not None
        state = matching[0]
    return acknowledged, interrupted


def test_killed_at_any_instant_the_store_holds_what_was_acknowledged(tmp_path: Path) -> None:
    acknowledged, interrupted = kill_and_compare(tmp_path / "s.adjoin", ROUNDS, seed=1)
    assert acknowledged > ROUNDS / 2
    assert interrupted > ROUNDS / 5


@pytest.mark.slow
def test_killed_sixty_times_the_store_holds_what_was_acknowledged(tmp_path: Path) -> None:
    acknowledged, _ = kill_and_compare(tmp_path / "s.adjoin", 60, seed=2)
    assert acknowledged > 30


def test_killed_while_the_store_is_being_made_it_is_made_by_the_next(tmp_path: Path) -> None:
    code = "import adjoin, sys; print('x', flush=True); adjoin.open(sys.argv[1]).collection('c', embedder=None)"
    for number in range(8):
        folder = tmp_path / f"{number}.adjoin"
        process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.25 * number / 8)
        process.kill()
        process.stdout.close()
        process.wait()
        with adjoin.open(folder) as db:
            assert db.collection("c", embedder=None).add(vectors=[[1.0, 2.0]], ids=["a"]) == ["a"]
