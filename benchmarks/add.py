"""20,000 short documents with given vectors: how fast they are stored, beside Chroma, each in its own process, in turn.

Chroma is installed into an environment of its own below .cache/. Both write to a new folder on the same disk. Each
process says how long its calls took, imports aside, and which `synchronous` its SQLite runs with.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

from data import CACHE, documents

ROWS = 20_000
ROUNDS = 5
CHROMA = "chromadb==1.5.9"

ADJOIN_SIDE = """
import json, sys, time
import numpy as np, adjoin
texts = json.load(open(sys.argv[1])); vectors = np.load(sys.argv[2])
ids = [f"d{n}" for n in range(len(texts))]; metadata = [{"n": n} for n in range(len(texts))]
began = time.perf_counter()
collection = adjoin.open(sys.argv[3] + "/s.adjoin").collection("c", embedder=None)
collection.add(texts, ids=ids, metadata=metadata, vectors=vectors)
print(json.dumps({"seconds": time.perf_counter() - began, "rows": collection.count(), "batch": len(texts)}))
"""
CHROMA_SIDE = """
import json, sys, time
import numpy as np, chromadb
from chromadb.config import Settings
texts = json.load(open(sys.argv[1])); vectors = np.load(sys.argv[2])
ids = [f"d{n}" for n in range(len(texts))]; metadata = [{"n": n} for n in range(len(texts))]
began = time.perf_counter()
client = chromadb.PersistentClient(sys.argv[3], settings=Settings(anonymized_telemetry=False))
collection = client.create_collection("documents", metadata={"hnsw:space": "cosine"}, embedding_function=None)
most = client.get_max_batch_size()
for start in range(0, len(texts), most):
    part = slice(start, start + most)
    collection.add(ids=ids[part], documents=texts[part], metadatas=metadata[part], embeddings=vectors[part])
print(json.dumps({"seconds": time.perf_counter() - began, "rows": collection.count(), "batch": most}))
"""


def main() -> None:
    texts, vectors = documents(ROWS)
    chroma = _chroma()
    sides = {"adjoin": (sys.executable, ADJOIN_SIDE), CHROMA.replace("==", " "): (chroma, CHROMA_SIDE)}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        np.save(work / "vectors.npy", vectors)
        for number in range(ROUNDS):
            for name, (python, code) in sides.items():
                place = work / f"{name.split()[0]}-{number}"
                place.mkdir()
                command = [python, "-c", code, str(work / "texts.json"), str(work / "vectors.npy"), str(place)]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                result = json.loads(told.strip().splitlines()[-1])
                assert result["rows"] == ROWS
                seconds[name].append(result["seconds"])
    ours = statistics.median(seconds["adjoin"])
    print(
        f"{ROWS:,} documents of real text with 384-dimensional vectors, stored in a new folder; {ROUNDS} rounds in turn\n"
    )
    print("| | seconds, median | rows a second | to adjoin |\n|---|---|---|---|")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"| {name} | {median:.2f} | {ROWS / median:,.0f} | {median / ours:.1f} × |")
    print(
        "\nadjoin commits the call once, synced to disk (`synchronous=FULL`), and searches exactly; Chroma also builds its graph."
    )


def _chroma() -> str:
    folder = CACHE / "chroma-venv"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        print(f"installing {CHROMA} once …", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", CHROMA], check=True)
        (folder / "done").touch()
    return str(python)


if __name__ == "__main__":
    main()
