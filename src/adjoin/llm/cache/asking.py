"""A question on its way to a model, or to any function that answers."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adjoin.errors import AnswerCutOff, InvalidOption
from adjoin.llm.base import Message, Reply
from adjoin.llm.cache.entries import Scope


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way to a model."""

    question: str
    llm: Any
    messages: list[Message]
    options: Mapping[str, Any]
    scope: Scope

    def call(self) -> Reply:
        if hasattr(self.llm, "generate"):
            reply: Reply = self.llm.generate(self.messages, **self.options)
            return reply
        began = time.perf_counter()
        return as_reply(self.llm(self.question), time.perf_counter() - began)

    async def acall(self) -> Reply:
        if hasattr(self.llm, "agenerate"):
            reply: Reply = await self.llm.agenerate(self.messages, **self.options)
            return reply
        began = time.perf_counter()
        if inspect.iscoroutinefunction(self.llm):
            answer = await self.llm(self.question)
        else:
            answer = await asyncio.to_thread(self.llm, self.question)
            if inspect.isawaitable(answer):  # a lambda around a coroutine function
                answer = await answer
        return as_reply(answer, time.perf_counter() - began)


def as_reply(answer: object, seconds: float) -> Reply:
    if isinstance(answer, Reply):
        return answer
    if not isinstance(answer, str):
        raise AnswerCutOff(f"the model gave {type(answer).__name__}, not a text. Nothing was stored.")
    return Reply(answer, model="", seconds=seconds)


def as_scope(value: Any) -> Any:
    """An argument as part of a scope. Raises InvalidOption for what would look the same where it is not."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [as_scope(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): as_scope(one) for key, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    raise InvalidOption(
        f"an argument of type {type(value).__name__} cannot be told apart in a later process. Cached functions take texts, numbers, "
        "and lists and dicts of them; bind other things beforehand, with functools.partial or a closure."
    )
