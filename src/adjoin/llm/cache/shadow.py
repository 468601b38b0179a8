"""A share of the hits is also sent to the model, behind the caller's back, to see whether its answer is the one that was given."""

from __future__ import annotations

import logging
import os
import queue
import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from adjoin.embed import Embedder

_log = logging.getLogger(__name__)

Judge = Callable[[str, str, str], bool]
"""(question, the cached answer, the fresh one) → whether they say the same."""

_WORDS: Final = re.compile(r"[^\W_]+")
_NUMBERS: Final = re.compile(r"\d+(?:[.,]\d+)*")


def overlap(one: str, other: str) -> float:
    """F1 of the words of two texts, of pairs of letters where a text is Korean, in [0, 1]."""
    left, right = _parts(one), _parts(other)
    shared = sum((left & right).values())
    return 2 * shared / (sum(left.values()) + sum(right.values())) if shared else 0.0


def _parts(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for word in _WORDS.findall(text.casefold()):
        if "가" <= word[0] <= "힣" and len(word) > 1:
            found.update(word[at : at + 2] for at in range(len(word) - 1))  # so that particles do not make words differ
        else:
            found[word] += 1
    return found


def same_answer(cached: str, fresh: str, embedder: Embedder | None) -> bool:
    """Whether two answers support each other: enough words in common, or near in meaning with some; and not other figures."""
    share = overlap(cached, fresh)
    if share == 1.0:
        return True
    figures = [set(_NUMBERS.findall(text)) for text in (cached, fresh)]
    if all(figures) and not figures[0] & figures[1]:
        return False
    denied = [len(_DENIED.findall(text)) % 2 for text in (cached, fresh)]
    if denied[0] != denied[1] and len(cached) + len(fresh) < 200:
        return False
    if share >= 0.6:
        return True
    if share < 0.25 or embedder is None:
        return False
    one, other = embedder.embed([cached, fresh], "document")
    return float(one @ other) >= 0.93


_DENIED: Final = re.compile(r"\b(?:not|no|never|cannot|without)\b|n't\b|않|없|아니|못\s", re.I)


class Background:
    """One thread that does what is put in, one after the other; what does not fit into its queue is left undone."""

    def __init__(self, most: int = 100) -> None:
        self._most = most
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._queue: queue.Queue[Callable[[], None]] = queue.Queue(self._most)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, work: Callable[[], None]) -> bool:
        """False where the queue is full."""
        if self._process != os.getpid():  # a forked child has no such thread
            self._start()
        try:
            self._queue.put_nowait(work)
        except queue.Full:
            return False
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="adjoin-cache-verify", daemon=True)
                self._thread.start()
        return True

    def _run(self) -> None:
        while True:
            work = self._queue.get()
            try:
                work()
            except (
                Exception
            ):  # whatever a model or a judge raises: the hit stays unverified, and the caller is long gone
                _log.debug("a hit could not be verified", exc_info=True)
            finally:
                self._queue.task_done()

    def wait(self) -> None:
        """Until all that was put in is done."""
        if self._process == os.getpid():
            self._queue.join()
