"""The process that holds one peer: `python -P worker.py PEER`, commands in and answers out, one JSON object a line.

It runs in the peer's own environment, so that it needs nothing but NumPy and the peer.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))  # last, so that no file here hides a package
_answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # whatever a peer prints goes to the log


def main() -> None:
    began = time.perf_counter()
    adapter = importlib.import_module(f"adapters.{sys.argv[1]}")
    seconds = time.perf_counter() - began
    peer = adapter.Peer()
    _answer(
        {"name": adapter.NAME, "kind": adapter.KIND, "version": adapter.version(), "efforts": adapter.EFFORTS,
         "note": adapter.NOTE, "import_s": seconds}
    )  # fmt: skip
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        try:
            _answer({"load": load, "open": open_, "search": search, "memory": memory}[do](peer, **command))
        except Exception as exc:
            traceback.print_exc()
            _answer({"error": f"{type(exc).__name__}: {str(exc).strip()[:300]}"})


def _answer(values) -> None:
    _answers.write(json.dumps(values) + "\n")
    _answers.flush()


def load(peer, *, folder, data, dim, metric):
    """Make a new database of everything in `data`; the seconds until it can be searched, and until it is built."""
    import numpy as np

    vectors = np.load(f"{data}/vectors.npy")
    texts = json.loads(Path(data, "texts.json").read_text(encoding="utf-8"))
    metadata = json.loads(Path(data, "metadata.json").read_text(encoding="utf-8"))
    ids = list(range(len(texts)))
    before = memory(peer)["now"]
    began = time.perf_counter()
    peer.create(folder, dim, metric)
    peer.insert(vectors, ids, texts, metadata)
    searchable = time.perf_counter() - began
    peer.build()
    total = time.perf_counter() - began
    peer.close()
    return {"searchable_s": searchable, "total_s": total, "data_bytes": before, **memory(peer)}


def open_(peer, *, folder, dim, metric, queries, effort):
    """Open what is there and answer one query: the seconds of both together, since some read only when they are asked."""
    import numpy as np

    vector = np.ascontiguousarray(np.load(queries, mmap_mode="r")[0])
    began = time.perf_counter()
    peer.open(folder, dim, metric)
    peer.search(vector, 10, tuple(effort) if isinstance(effort, list) else effort, None)
    return {"seconds": time.perf_counter() - began}


def search(peer, *, queries, rows, bounds, k, effort, warm=0, limit_s=1e9, least=1, texts=False):
    """Ask the queries `rows` of a file, one by one: ids and milliseconds for as many as the time allows, `least` anyway."""
    import numpy as np

    if isinstance(effort, list):
        effort = tuple(effort)
    vectors = [np.ascontiguousarray(vector) for vector in np.load(queries, mmap_mode="r")[rows]]
    if hasattr(peer, "dial"):
        peer.dial(effort)
    for n in range(min(warm, len(rows))):
        peer.search(vectors[n], k, effort, bounds[n])
    ids, told, times, spent = [], [], [], 0.0
    for n in range(len(rows)):
        began = time.perf_counter()
        found, text = peer.search(vectors[n], k, effort, bounds[n])
        seconds = time.perf_counter() - began
        ids.append(found)
        told.append(text)
        times.append(seconds * 1000)
        spent += seconds
        if spent > limit_s and n + 1 >= least:
            break
    return {"ids": ids, "ms": times, **({"texts": told} if texts else {})}


def memory(peer):
    """The most that this process held in memory, and what it holds now, in bytes."""
    try:  # not ru_maxrss there: on Linux that begins with the parent's
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
        return {"peak": int(status["VmHWM"].split()[0]) * 1024, "now": int(status["VmRSS"].split()[0]) * 1024}
    except OSError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return {"peak": most, "now": most}


if __name__ == "__main__":
    main()
