"""Exact search of an unsealed tail against the least it could cost: one matrix product and one argpartition.

    python benchmarks/tail.py [rows] [dim]

Prints, for each metric that one product can answer, the median times and their ratio. The vectors lie in a narrow
cone (mean cosine .84), as sentence embeddings do. Calls are interleaved, so that a busy machine slows both alike.
"""

import platform
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray

from adjoin.index.flat import Flat

ROUNDS = 201
K = 10


def cone(rows: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Unit vectors whose mean cosine is about .84."""
    random = np.random.default_rng(seed)
    axis = np.full(dim, 1.0)
    vectors = random.standard_normal((rows, dim)) * np.sqrt(0.16 / 0.84) + axis
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    rows, dim = (int(arg) for arg in (sys.argv[1:] or ["20000", "384"]))
    matrix, queries = cone(rows, dim, 1), cone(ROUNDS, dim, 2)
    print(f"{rows:,} x {dim} float32, k = {K}, numpy {np.__version__}, {platform.machine()}, {ROUNDS} rounds")
    for metric in ("cosine", "dot", "euclidean"):
        flat = Flat(dim, metric)
        flat.append(matrix)
        ours, least = [], []
        for query in queries:
            least.append(timed(lambda q=query: np.argpartition(matrix @ q, -K)[-K:]))
            ours.append(timed(lambda q=query, f=flat: f.search(q, K)))
        print(
            f"{metric:>10}: {median(ours):.3f} ms; product and argpartition {median(least):.3f} ms; "
            f"ratio {median(a / b for a, b in zip(ours, least, strict=True)):.2f}"
        )


if __name__ == "__main__":
    main()
