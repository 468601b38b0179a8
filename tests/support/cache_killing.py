"""The drill of killing a cache: a worker asks in many threads, some of its calls fail, and it is killed at a random instant.

As a module it is the worker: it asks questions of numbers that come on standard input's line, and says what was answered.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import adjoin
from adjoin.errors import ModelUnavailable
from adjoin.llm.cache import SemanticCache
from adjoin.testing import TinyEmbedder
from tests.support.stores import ROOT

THREADS = 4


def question(number: int) -> str:
    return f"What is the story of number {number}?"


def answer(number: int) -> str:
    return f"The story of {number} is {number * 7919 % 10007}."


def fails(number: int) -> bool:
    return number % 3 == 0


@dataclass(slots=True)
class Tally:
    acknowledged: int = 0
    failed: int = 0
    shared: int = 0


def work(folder: Path, seed: int) -> None:
    """Ask for ever, saying each answer after it was given and each failure after it was seen. All threads ask the same numbers."""
    say = threading.Lock()
    with adjoin.open(folder) as db:
        cache = SemanticCache(db.collection("cache", embedder=TinyEmbedder()), verify=0.5)

        def model(asked: str) -> str:
            number = int(asked.split()[-1].rstrip("?"))
            time.sleep(0.003)
            if fails(number):
                raise ModelUnavailable(f"no story of {number}")
            return answer(number)

        def ask() -> None:
            for step in range(10**6):
                number = seed * 1000 + step
                try:
                    answered = cache.ask(question(number), model)
                    line = {
                        "number": number,
                        "text": answered.text,
                        "stored": answered.stored,
                        "shared": answered.shared,
                    }
                except ModelUnavailable:
                    line = {"number": number, "failed": True}
                with say:
                    os.write(1, json.dumps(line).encode() + b"\n")

        with say:
            os.write(1, b'{"ready": true}\n')
        threads = [threading.Thread(target=ask) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def kill_and_compare(folder: Path, rounds: int, seed: int) -> Tally:
    """Raises AssertionError for an answer lost or changed, for one of a failed call, and for any damage."""
    pick = random.Random(seed)
    tally = Tally()
    known: dict[int, str] = {}
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.support.cache_killing", str(folder / "db")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    failed: set[int] = set()
    try:
        for number in range(rounds):
            parent.stdin.write(f"{seed * 100 + number}\n".encode())
            parent.stdin.flush()
            first = json.loads(parent.stdout.readline()) | json.loads(parent.stdout.readline())  # in either order
            assert first.keys() == {"pid", "ready"}, first
            child = first["pid"]
            time.sleep(pick.choice([0.05, 0.3, 0.6]) * pick.random())
            os.kill(child, signal.SIGKILL)
            for raw in iter(parent.stdout.readline, b""):
                if raw.endswith(b'{"ended": true}\n'):
                    break
                line = json.loads(raw)
                if "failed" in line:
                    failed.add(line["number"])
                    continue
                assert line["stored"]
                known[line["number"]] = line["text"]
                tally.shared += line["shared"]
            _compare(folder / "db", known, number, pick)
    finally:
        parent.stdin.close()
        parent.wait()
        parent.stdout.close()
    tally.acknowledged, tally.failed = len(known), len(failed)
    assert all(fails(number) for number in failed)
    return tally


def _compare(folder: Path, known: dict[int, str], round_: int, pick: random.Random) -> None:
    with adjoin.open(folder) as db:
        assert round_ % 5 or db.doctor().healthy, f"round {round_}"
        collection = db.collection("cache", embedder=TinyEmbedder())
        cache = SemanticCache(collection)
        kept = {
            int(str(row.content).split()[-1].rstrip("?")): row.metadata["answer"]
            for row in collection.scan({"cache": "answer"})
        }
        lost = {number: text for number, text in known.items() if kept.get(number) != text}
        assert not lost, f"round {round_}: {lost}"
        wrong = {number: text for number, text in kept.items() if text != answer(number) or fails(number)}
        assert not wrong, f"round {round_}: {wrong}"
        for number in pick.sample(sorted(known), min(3, len(known))):
            hit = cache.lookup(question(number))
            assert hit is not None
            assert hit.answer == answer(number)
        assert cache.report().entries == len(kept)


def main() -> None:
    """Fork a worker for each line: starting Python again for each would be most of the time."""
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                work(folder, int(line))
            finally:
                os._exit(1)
        os.write(1, json.dumps({"pid": child}).encode() + b"\n")
        os.waitpid(child, 0)
        os.write(1, b'{"ended": true}\n')


if __name__ == "__main__":
    main()
