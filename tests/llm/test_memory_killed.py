"""The drill of killing over `chat`: nothing acknowledged is lost, and no half of an exchange is ever seen."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import adjoin
from adjoin.llm.memory import Memory
from adjoin.testing import TinyEmbedder
from tests.support.stores import ROOT

ROUNDS = 80

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the worker forks")


@pytest.mark.slow
def test_killed_at_any_instant_chat_loses_nothing_acknowledged_and_leaves_no_half_exchange(tmp_path: Path) -> None:
    folder = tmp_path / "chat.adjoin"
    pick = random.Random(11)
    acknowledged: dict[str, list[tuple[int, list[str]]]] = {}
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.support.said", str(folder)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        for number in range(ROUNDS):
            worker.stdin.write(f"{number}\n")
            worker.stdin.flush()
            pid = json.loads(worker.stdout.readline())["pid"]
            time.sleep(pick.random() * pick.choice([0.03, 0.4]))
            os.kill(pid, signal.SIGKILL)
            last = None
            for line in worker.stdout:
                # The child may die over a line; what it said of it was not heard.
                if line.endswith('{"ended": true}\n'):
                    break
                last = json.loads(line)
                acknowledged.setdefault(last["user"], []).append((last["number"], last["ids"]))
            if number % 10 == 9:
                # A worker may die between the store's word and its own; it dies once.
                assert 0 <= _check(folder, acknowledged) <= number + 1
    finally:
        worker.stdin.close()
        worker.wait()
        worker.stdout.close()
    assert sum(map(len, acknowledged.values())) > ROUNDS, "the drill killed before anything was said"
    with adjoin.open(folder) as db:
        assert db.doctor().healthy


def _check(folder: Path, acknowledged: dict[str, list[tuple[int, list[str]]]]) -> int:
    """How many exchanges are there that no one was told of."""
    more = 0
    with adjoin.open(folder) as db:
        memory = Memory(db.collection("memory", embedder=TinyEmbedder()))
        memory.tidy()
        for user in memory.users():
            records = {one.id: one for one in memory.list(user)}
            exchanges: dict[str | None, list[str]] = {}
            for one in sorted(records.values(), key=lambda one: one.n):
                exchanges.setdefault(one.exchange, []).append(one.role)
            assert None not in exchanges
            assert all(roles == ["user", "assistant"] for roles in exchanges.values()), "half an exchange"
            numbers = [one.n for one in records.values()]
            assert len(set(numbers)) == len(numbers)
            for number, ids in acknowledged.get(user, ()):
                asked, answer = (records[id_] for id_ in ids)
                assert asked.text == f"My lucky number is {number}."
                assert answer.text == f"You said: {asked.text}"
            more += len(exchanges) - len(acknowledged.get(user, ()))
            # Of all that was said of the one number, only the last still holds.
            holding = [one for one in records.values() if one.role == "user" and one.state == "live"]
            assert [one.n for one in holding] == [max(one.n for one in records.values() if one.role == "user")]
    return more
