"""Calls one function on many inputs, as many at once as there are cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from weakref import WeakSet

from adjoin.errors import InvalidOption


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """A pool of threads that is made on first use, and made anew in a forked child.

    Inputs are taken one by one as a thread becomes free, so the longest should come first. When one call fails, or the
    caller is interrupted, no further input is taken, and `run` leaves once the calls under way have ended.
    """

    def __init__(self, count: int | None = None) -> None:
        if count is not None and count < 1:
            raise InvalidOption(f"workers must be at least 1, not {count}.")
        self.count = count or usable_cores()
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        _living.add(self)

    def run(self, function: Callable[[int], None], inputs: Iterable[int]) -> None:
        """Call function(i) for each i of inputs; the first exception is raised."""
        pending = list(inputs)
        if self.count == 1 or len(pending) < 2:
            for value in pending:
                function(value)
            return
        stop = threading.Event()
        source, source_lock = iter(pending), threading.Lock()

        def work() -> None:
            while not stop.is_set():
                with source_lock:
                    value = next(source, None)
                if value is None:
                    return
                try:
                    function(value)
                except BaseException:
                    stop.set()
                    raise

        futures: list[Future[None]] = []
        try:
            futures += [self._started().submit(work) for _ in range(min(self.count, len(pending)))]
            for future in futures:
                future.result()
        finally:
            stop.set()
            for future in futures:
                future.cancel()
            wait(futures)

    def close(self) -> None:
        """End the threads. The next `run` starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

    def _started(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="adjoin-embed")
            return self._pool

    def forget(self) -> None:
        """Drop what a forked child inherited: the threads are not there, and the lock may be held for ever."""
        self._lock = threading.Lock()
        self._pool = None


_living: WeakSet[Workers] = WeakSet()


def _after_fork() -> None:
    for workers in list(_living):
        workers.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
