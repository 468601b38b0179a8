"""How long a fresh process takes to open a collection of 200,000 rows and answer, imports aside.

Word vectors (benchmarks/peers/datasets.py) with a text and metadata each, loaded and optimised once; then 7 fresh processes,
each with queries of its own. The files are in the system's cache, as they are on the second start of the day.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from peers.datasets import Dataset, dataset
from stored import environment, nearest, recall_at_10, store

ROWS = 200_000
PROCESSES = 7
ASK = """
import json, sys, time
began = time.perf_counter()
import numpy as np, adjoin, adjoin.database, adjoin.store.embedded, adjoin.query.hits
imported = time.perf_counter()
queries = np.load(sys.argv[2])[int(sys.argv[3]) :: 7][:20]
ready = time.perf_counter()
with adjoin.open(sys.argv[1]) as database:
    rows = database.collection("c")
    opened = time.perf_counter()
    first = rows.search(queries[0])
    answered = time.perf_counter()
    filtered = rows.search(queries[1], where={"number": {"$lt": int(sys.argv[4])}})
    then = time.perf_counter()
    rest, ms = [], []
    for query in queries[1:]:
        asked = time.perf_counter()
        rest.append(rows.search(query))
        ms.append((time.perf_counter() - asked) * 1000)
print(json.dumps({"import": imported - began, "open": opened - ready, "first": answered - opened, "both": answered - ready,
    "filtered": then - answered, "later": sorted(ms)[len(ms) // 2] / 1000,
    "filtered_ids": [[int(hit.id[1:]) for hit in filtered]],
    "ids": [[int(hit.id[1:]) for hit in hits] for hits in (first, *rest)]}))
"""


def main() -> None:
    data = dataset("words")
    with tempfile.TemporaryDirectory() as folder:
        place = store(Path(folder), data, ROWS)
        told = [_ask(place, data.folder / "queries.npy", number) for number in range(PROCESSES)]
    plain, filtered = _recalls(data, told)
    print(
        f"{data.what}, with texts and metadata; {PROCESSES} fresh processes; recall@10 {plain:.3f} without a filter, "
        f"{filtered:.3f} with it\n"
    )
    print("| | median ms | least | most |\n|---|---|---|---|")
    for key, title in ROWS_OF_TABLE.items():
        ms = [one[key] * 1000 for one in told]
        print(f"| {title} | {statistics.median(ms):.1f} | {min(ms):.1f} | {max(ms):.1f} |")


def _recalls(data: Dataset, told: list[dict[str, Any]]) -> tuple[float, float]:
    everything, matching = nearest(data), nearest(data, ROWS // 100)
    asked = [range(number, 1_000, PROCESSES) for number in range(PROCESSES)]
    plain = [recall_at_10(everything, queries, one["ids"]) for queries, one in zip(asked, told, strict=True)]
    filtered = [
        recall_at_10(matching, queries[1:], one["filtered_ids"]) for queries, one in zip(asked, told, strict=True)
    ]
    return statistics.mean(plain), statistics.mean(filtered)


ROWS_OF_TABLE = {
    "import": "`import numpy, adjoin`",
    "open": "`adjoin.open`, `collection`",
    "first": "the first `search`",
    "both": "**open and answer one query**",
    "filtered": "the first with a filter (1 %), right after",
    "later": "one of the next 19, p50",
}


def _ask(place: Path, queries: Path, number: int) -> dict[str, Any]:
    command = [sys.executable, "-c", ASK, place, queries, str(number), str(ROWS // 100)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    told: dict[str, Any] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    main()
