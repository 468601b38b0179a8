"""Exact search of 20,000 sentence embeddings against the least it could cost: one matrix product and one argpartition.

Two levels: the index alone (`index/flat.py`), and `collection.search` on a store on disk, from a query vector to ten hits
with content and metadata. Calls are interleaved, so that a busy machine slows both alike. The queries are embeddings of
sentences that are in the set, moved a little.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray

import adjoin
from adjoin.index.flat import Flat
from adjoin.types import Metric
from data import documents

ROWS, K, ROUNDS, SEED = 20_000, 10, 201, 1
METRICS: tuple[Metric, ...] = ("cosine", "dot", "euclidean")

Search = Callable[[NDArray[np.float32]], object]


def main() -> None:
    texts, matrix = documents(ROWS)
    random = np.random.default_rng(SEED)
    chosen = matrix[random.choice(ROWS, ROUNDS, replace=False)]
    queries = (chosen + random.normal(0, 0.02, chosen.shape)).astype(np.float32)
    print(
        f"{ROWS:,} × {matrix.shape[1]} sentence embeddings, k = {K}, medians of {ROUNDS} interleaved calls, seed {SEED}\n"
    )
    print("| | milliseconds | product and argpartition | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, adjoin.open(f"{folder}/s.adjoin") as db:
        for metric in METRICS:
            flat = Flat(matrix.shape[1], metric)
            flat.append(matrix)
            tell(f"index, {metric}", lambda query, flat=flat: flat.search(query, K), matrix, queries)
            collection = db.collection(metric, embedder=None, metric=metric)
            collection.add(texts, vectors=matrix, metadata=[{"n": n} for n in range(ROWS)])
            collection.search(queries[0], k=K)
            tell(f"`collection.search`, {metric}", lambda query, c=collection: c.search(query, k=K), matrix, queries)


def tell(what: str, search: Search, matrix: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
    ours, least = [], []
    for query in queries:
        least.append(timed(lambda q: np.argpartition(matrix @ q, -K)[-K:], query))
        ours.append(timed(search, query))
    ratio = median(a / b for a, b in zip(ours, least, strict=True))
    print(f"| {what} | {median(ours):.2f} | {median(least):.2f} | {ratio:.2f} × |")


def timed(search: Search, query: NDArray[np.float32]) -> float:
    began = time.perf_counter()
    search(query)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
