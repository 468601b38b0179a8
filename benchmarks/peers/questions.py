"""What is asked of every peer, and what is right: kinds of filter, and exact search to judge the answers by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import SEED, Dataset, metadata

K = 10


@dataclass(frozen=True)
class Class:
    """A kind of search: the share of the rows that match, whether every query has a filter of its own, and which queries."""

    title: str
    share: float | None
    unseen: bool = True
    queries: str = "queries"


CLASSES = (
    Class("no filter", None), Class("50 %", 0.5), Class("10 % unseen", 0.1), Class("10 % repeated", 0.1, False),
    Class("1 %", 0.01), Class("0.1 %", 0.001),
)  # fmt: skip
ELSEWHERE = Class("no filter, queries from elsewhere", None, queries="queries_ood")


@dataclass
class Questions:
    """The queries of one kind of search, a filter for each, and what is right."""

    file: Path
    asked: np.ndarray[Any, Any]
    bounds: list[list[int] | None]
    right: np.ndarray[Any, Any]  # how many rows match, at most k; (queries,)
    scores: np.ndarray[Any, Any]  # of the k-th right row, which rises with likeness; (queries,)
    base: np.ndarray[Any, Any]
    numbers: np.ndarray[Any, Any]

    def recall(self, ids: list[list[int]], rows: list[int]) -> tuple[float, int, int]:
        """Share of the true neighbours found, answers with too few rows, and answers with rows that are wrong.

        A row as near as the last true one counts as true, so that ties are nobody's fault.
        """
        hits = most = short = wrong = 0
        for found, query in zip(ids, rows, strict=True):
            want, limits = int(self.right[query]), self.bounds[query]
            most += want
            short += len(found) < want
            unique = sorted(set(found))
            fits = limits is None or all(limits[0] <= self.numbers[row] < limits[1] for row in unique)
            wrong += not fits or len(unique) != len(found) or len(found) > K
            if unique and fits:
                vectors = self.base[unique]
                scores = vectors @ self.asked[query] - (vectors * vectors).sum(1) / 2
                last = self.scores[query]
                hits += min(int((scores >= last - 2e-6 * max(1.0, abs(last))).sum()), want)
        return hits / max(most, 1), short, wrong


def questions(data: Dataset, rows: int, folder: Path) -> dict[Class, Questions]:
    base = np.array(data.vectors[:rows], np.float32)
    if data.metric == "cosine":  # is Euclidean on unit vectors
        base /= np.linalg.norm(base, axis=1, keepdims=True)
    numbers = np.array([one["number"] for one in metadata(rows)])
    order = np.argsort(numbers)
    found: dict[Class, Questions] = {}
    for name in ("queries", "queries_ood"):
        if not (data.folder / f"{name}.npy").exists():
            continue
        asked = data.queries(name).astype(np.float32)
        file = folder / f"{name}.npy"
        np.save(file, asked)
        if data.metric == "cosine":
            asked = asked / np.linalg.norm(asked, axis=1, keepdims=True)
        own = {
            kind: Questions(file, asked, _bounds(kind, rows, len(asked)), *np.zeros((2, len(asked))), base, numbers)
            for kind in (*CLASSES, ELSEWHERE)
            if kind.queries == name
        }
        _answer(own, base[order])
        found |= own
    return found


def _bounds(kind: Class, rows: int, count: int) -> list[list[int] | None]:
    if kind.share is None:
        return [None] * count
    width = round(rows * kind.share)
    random = np.random.default_rng([SEED, round(1 / kind.share)])
    lows = random.integers(0, rows - width + 1, count) if kind.unseen else [rows // 3] * count
    return [[int(low), int(low) + width] for low in lows]


def _answer(kinds: dict[Class, Questions], by_number: np.ndarray[Any, Any]) -> None:
    """Fill in what is right, by exact search. by_number: the rows in the order of `number`, so that a filter is a slice."""
    asked = next(iter(kinds.values())).asked
    half = (by_number * by_number).sum(1) / 2
    for start in range(0, len(asked), 64):
        for query, line in enumerate(asked[start : start + 64] @ by_number.T - half, start):
            for one in kinds.values():
                limits = one.bounds[query]
                matching = line if limits is None else line[limits[0] : limits[1]]
                want = min(K, len(matching))
                one.right[query] = want
                one.scores[query] = np.partition(matching, -want)[-want] if want else 0
