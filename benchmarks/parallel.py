"""Searches a second of one thread, of two threads, and of two processes on one collection of 200,000, in turn.

Every reader asks the same held-out queries, one by one, beginning at another place. The processes stay open through all
rounds; who does not read waits. Without an index and on a small machine NumPy already uses both cores for one query, and
there is nothing to win.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from peers.datasets import dataset
from stored import environment, nearest, recall_at_10, store

ROWS = 200_000
ROUNDS = 7
SECONDS = 2.0
FILTERS: dict[str, dict[str, Any] | None] = {"no filter": None, "10 %": {"number": {"$lt": ROWS // 10}}}
READER = """
import json, sys, threading, time
import numpy as np, adjoin
rows = adjoin.open(sys.argv[1]).collection("c")
queries = np.load(sys.argv[2])
def read(start, seconds, where, asked, found):
    until = time.perf_counter() + seconds
    at = start
    while time.perf_counter() < until:
        hits = rows.search(queries[at], where=where)
        asked.append(at); found.append([int(hit.id[1:]) for hit in hits])
        at = (at + 1) % len(queries)
print("ready", flush=True)
for line in sys.stdin:
    do = json.loads(line)
    results = [([], []) for _ in range(do["threads"])]
    threads = [
        threading.Thread(target=read, args=(do["start"] + 500 * n, do["seconds"], do["where"], *result))
        for n, result in enumerate(results)
    ]
    began = time.perf_counter()
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    seconds = time.perf_counter() - began
    print(json.dumps({"rate": sum(len(asked) for asked, _ in results) / seconds, "asked": sum((a for a, _ in results), []),
        "found": sum((f for _, f in results), [])}), flush=True)
"""


class Reader:
    def __init__(self, place: Path, queries: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER, place, queries], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )  # fmt: skip
        assert self._line() == "ready"

    def begin(self, **values: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(values) + "\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        return json.loads(self._line())

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    data = dataset("words")
    with tempfile.TemporaryDirectory() as folder:
        place = store(Path(folder), data, ROWS)
        readers = [Reader(place, data.folder / "queries.npy") for _ in range(2)]
        ways = {"one thread": (1, 1), "two threads": (1, 2), "two processes": (2, 1)}
        truths = {"no filter": nearest(data), "10 %": nearest(data, ROWS // 10)}
        rates: dict[tuple[str, str], list[float]] = {}
        recalls: dict[tuple[str, str], list[float]] = {}
        for number in range(-1, ROUNDS):  # the first is for warming up
            for title, where in FILTERS.items():
                for way, (processes, threads) in ways.items():
                    told = _read(readers[:processes], threads, where, SECONDS if number >= 0 else 0.5)
                    if number >= 0:
                        rates.setdefault((title, way), []).append(sum(one["rate"] for one in told))
                        found = [recall_at_10(truths[title], one["asked"], one["found"]) for one in told]
                        recalls.setdefault((title, way), []).append(statistics.mean(found))
        for reader in readers:
            reader.close()
    print(
        f"{data.what}, with texts and metadata; {ROUNDS} rounds of {SECONDS:.0f} s in turn; k = 10, recall promised .95\n"
    )
    print("| | searches a second, median | to one thread | recall@10 measured |\n|---|---|---|---|")
    for (title, way), several in rates.items():
        median = statistics.median(several)
        ratio = median / statistics.median(rates[title, "one thread"])
        print(f"| {title}, {way} | {median:,.0f} | {ratio:.2f} × | {statistics.mean(recalls[title, way]):.3f} |")


def _read(readers: list[Reader], threads: int, where: Any, seconds: float) -> list[dict[str, Any]]:
    for number, reader in enumerate(readers):
        reader.begin(threads=threads, start=250 * number, where=where, seconds=seconds)
    return [reader.end() for reader in readers]


if __name__ == "__main__":
    main()
