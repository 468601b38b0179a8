"""Work of several threads that leaves nothing behind in the thread that asked for it.

OpenMP keeps a pool of threads for whoever ran a parallel region. A process forked from that thread inherits the pool
without its threads, and hangs in its next parallel region. So every such region runs in a thread of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from adjoin.index.measure import Rows
    from adjoin.types import Floats

T = TypeVar("T")


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def apart(work: Callable[[], T]) -> T:
    """The result of work done in a thread that ends with it; its exception is raised here."""
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as exc:  # handed over, whatever it is
            failure.append(exc)

    thread = threading.Thread(target=run, name="adjoin-index")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def spread(search: Callable[[Floats], Rows], queries: Floats, threads: int) -> Rows:
    """The answers to all queries, shared out among that many threads of our own; one is the caller's."""
    if threads < 2 or len(queries) < 2:
        return search(queries)
    parts = np.array_split(queries, min(len(queries), threads))
    with ThreadPoolExecutor(len(parts)) as pool:
        return np.concatenate(list(pool.map(search, parts)))
