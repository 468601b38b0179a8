"""From a request and the rows in memory to neighbours and the plan that found them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from adjoin.engine import Found, Neighbour, SearchRequest
from adjoin.index.flat import Neighbours
from adjoin.store.tail import Loaded
from adjoin.types import Document, Id, Plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

Fetch = Callable[[list[int]], dict[int, Document]]
FetchIds = Callable[[list[int]], dict[int, Id]]
_FEW_TIES = 100


def search(request: SearchRequest, loaded: Loaded, fetch: Fetch, fetch_ids: FetchIds, load_ms: float) -> list[Found]:
    """The neighbours of every query, found exactly.

    fetch, fetch_ids: give documents and ids by seq, on the same snapshot as `loaded`.
    """
    began = time.perf_counter()
    if loaded.flat is None or not loaded.count:
        results = [Neighbours(np.empty(0, np.int64), np.empty(0))] * len(request.vectors)
    else:
        results = loaded.flat.search_many(
            request.vectors, request.k, rows=len(loaded.seqs), mask=loaded.mask, max_distance=request.max_distance
        )
    compare_ms = (time.perf_counter() - began) * 1000 / max(1, len(results))
    return [
        _found(request, loaded, rows, distances, fetch, fetch_ids, load_ms, compare_ms) for rows, distances in results
    ]


def _found(
    request: SearchRequest,
    loaded: Loaded,
    rows: NDArray[np.int64],
    distances: NDArray[np.float64],
    fetch: Fetch,
    fetch_ids: FetchIds,
    load_ms: float,
    compare_ms: float,
) -> Found:
    began = time.perf_counter()
    near = list(zip(loaded.seqs[rows].tolist(), distances.tolist(), strict=True))
    if len(near) > request.k + _FEW_TIES:  # a thousand equal rows: their ids say which of them are wanted
        ids = fetch_ids([seq for seq, _ in near])
        near = sorted(near, key=lambda pair: (pair[1], id_order(ids[pair[0]])))[: request.k]
    documents = fetch([seq for seq, _ in near])
    neighbours = [Neighbour(documents[seq], distance) for seq, distance in near]
    neighbours.sort(key=lambda neighbour: (neighbour.distance, id_order(neighbour.document.id)))
    fetch_ms = (time.perf_counter() - began) * 1000
    return Found(
        neighbours[: request.k], _plan(request, loaded, {"load": load_ms, "compare": compare_ms, "fetch": fetch_ms})
    )


def id_order(id_: Id) -> tuple[bool, Id]:
    """Numbers before texts, each in its own order: how equal distances are ranked."""
    return isinstance(id_, str), id_


def _plan(request: SearchRequest, loaded: Loaded, stages_ms: dict[str, float]) -> Plan:
    filtered = request.where is not None
    return Plan(
        strategy="exact",
        reason="the rows that match the filter are compared one by one" if filtered else "every row is compared",
        rows=loaded.rows,
        matching=loaded.count,
        candidates=loaded.count,
        recall_asked=request.recall,
        recall_promised=1.0,
        stages_ms=stages_ms,
    )
