"""A collection of real vectors to ask, made through the public interface, for the benchmarks that need no peer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import adjoin
from peers.datasets import ROOT, Dataset, exact, metadata

METRICS = {"cosine": "cosine", "l2": "euclidean"}


def store(folder: Path, data: Dataset, rows: int) -> Path:
    """Add the first rows of a data set as d0, d1, … to the collection c, bring its index up to date, and tell its place."""
    place = folder / "rows.adjoin"
    began = time.perf_counter()
    with adjoin.open(place) as database:
        collection = database.collection("c", embedder=None, metric=METRICS[data.metric])
        ids = [f"d{row}" for row in range(rows)]
        collection.add(data.texts[:rows], ids=ids, metadata=metadata(rows), vectors=np.array(data.vectors[:rows]))
        if hasattr(collection, "optimize"):
            collection.optimize()
    print(f"{rows:,} rows stored and indexed in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return place


def nearest(data: Dataset, below: int | None = None) -> np.ndarray[Any, Any]:
    """The 10 exact neighbours of every query among all rows, or among those whose `number` is below that."""
    if below is None:
        return np.load(data.folder / "truth.npy")[:, :10]
    matching = np.flatnonzero([one["number"] < below for one in metadata(len(data.vectors))])
    found: np.ndarray[Any, Any] = matching[exact(data.vectors[matching], data.queries(), 10, data.metric)]
    return found


def recall_at_10(truth: np.ndarray[Any, Any], queries: Iterable[int], ids: list[list[int]]) -> float:
    pairs = zip(queries, ids, strict=False)
    return float(np.mean([len({*truth[query].tolist()} & {*found}) / 10 for query, found in pairs]))


def environment() -> dict[str, str]:
    """For a process that imports this checkout's adjoin, with NumPy as it is installed elsewhere."""
    away = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    return {**{name: value for name, value in os.environ.items() if name not in away}, "PYTHONPATH": str(ROOT / "src")}
