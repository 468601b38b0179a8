"""From a model that blocks to one that is awaited, and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar, cast

from adjoin.llm.base import LanguageModel, Message, Reply

T = TypeVar("T")
_END: Final = object()


async def stepped(pieces: Iterator[T]) -> AsyncIterator[T]:
    """What an iterator that may block gives, without blocking the loop: each step is made in a thread.

    Closing it, or cancelling whoever waits for it, closes the iterator.
    """
    try:
        while (piece := await asyncio.to_thread(next, pieces, _END)) is not _END:
            yield cast(T, piece)
    finally:
        if (close := getattr(pieces, "close", None)) is not None:
            with contextlib.suppress(ValueError):  # a step that was cancelled is still running in its thread
                close()


def awaited(promised: Awaitable[T]) -> T:
    """The result of something to be awaited, from code that is not, whether or not a loop is running here.

    A notebook's cells run inside a loop, so the waiting is done in a thread of its own.
    """

    async def run() -> T:
        return await promised

    with ThreadPoolExecutor(1, "adjoin-awaited") as pool:
        return pool.submit(asyncio.run, run()).result()


def drawn(pieces: AsyncIterator[T]) -> Iterator[T]:
    """What an asynchronous iterator gives, from code that does not await; closing this closes that."""

    async def step() -> Any:
        return await anext(pieces, _END)

    async def close() -> None:
        if (aclose := getattr(pieces, "aclose", None)) is not None:
            await aclose()

    with ThreadPoolExecutor(1, "adjoin-drawn") as pool:
        runner = pool.submit(asyncio.Runner).result()
        try:
            while (piece := pool.submit(runner.run, step()).result()) is not _END:
                yield cast(T, piece)
        finally:
            pool.submit(runner.run, close()).result()
            pool.submit(runner.close).result()


class Threaded:
    """`agenerate` and `astream` for a model whose `generate` and `stream` block: they run in threads."""

    async def agenerate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Reply:
        model = cast(LanguageModel, self)
        return await asyncio.to_thread(
            model.generate, messages, max_tokens=max_tokens, temperature=temperature, stop=stop
        )

    def astream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> AsyncIterator[str | Reply]:
        model = cast(LanguageModel, self)
        return stepped(model.stream(messages, max_tokens=max_tokens, temperature=temperature, stop=stop))
