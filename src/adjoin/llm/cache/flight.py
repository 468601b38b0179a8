"""Single flight: of many callers who ask the same at once, one does the work and all have its result."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

from adjoin.forks import renew_in_child

T = TypeVar("T")

_AGAIN: Final = object()  # the one who did the work was stopped, not refused: another begins anew


class SingleFlight(Generic[T]):
    """Threads and tasks of all event loops share one flight for each key. A failure is everyone's; nothing is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")
        self._flights: dict[str, tuple[Future[Any], int]] = {}
        self._process = os.getpid()

    def run(self, key: str, work: Callable[[], T]) -> tuple[T, bool]:
        """The result, and whether another caller's work gave it. Raises what the work raised.

        Work that asks for its own key again, in the same thread, does it itself instead of waiting for ever; so does a call in
        an event loop's thread where a task leads, which could not go on meanwhile.
        """
        while True:
            flight, leads = self._board(key, in_loop=_in_loop())
            if flight is None:
                return work(), False
            if not leads:
                result = flight.result()
                if result is not _AGAIN:
                    return result, True
                continue
            try:
                result = work()
            except BaseException as error:
                self._land(key, flight, error)
                raise
            self._land(key, flight, None, result)
            return result, False

    async def arun(self, key: str, work: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """`run` for a task. If the task that works is cancelled, another one of those that wait does the work."""
        while True:
            flight, leads = self._board(key, threads=False)
            assert flight is not None
            if not leads:
                # shielded: a waiting task that is cancelled must not cancel the others' flight
                result = await asyncio.shield(asyncio.wrap_future(flight))
                if result is not _AGAIN:
                    return result, True
                continue
            try:
                result = await work()
            except BaseException as error:
                self._land(key, flight, error)
                raise
            self._land(key, flight, None, result)
            return result, False

    def _board(self, key: str, *, threads: bool = True, in_loop: bool = False) -> tuple[Future[Any] | None, bool]:
        """The flight and whether this caller leads it; None for a thread that leads it already, or would block who does."""
        here = threading.get_ident() if threads else 0
        with self._lock:
            if self._process != os.getpid():  # a forked child: who led is not here
                self._flights, self._process = {}, os.getpid()
            known = self._flights.get(key)
            if known is None:
                flight: Future[Any] = Future()
                flight.set_running_or_notify_cancel()  # from now on no waiter can cancel it
                self._flights[key] = flight, here
                return flight, True
            blocking = known[1] == here or (in_loop and known[1] == 0)
            return (None, False) if threads and blocking else (known[0], False)

    def _land(self, key: str, flight: Future[Any], error: BaseException | None, result: Any = None) -> None:
        with self._lock:
            self._flights.pop(key, None)
        if error is None:
            flight.set_result(result)
        elif isinstance(error, Exception):
            flight.set_exception(error)
        else:
            flight.set_result(_AGAIN)


def _in_loop() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
