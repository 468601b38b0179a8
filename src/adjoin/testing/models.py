"""A language model that answers as it is told."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from adjoin.errors import AnswerCutOff, ModelUnavailable
from adjoin.llm.base import Message, Reply

Answer: TypeAlias = str | Reply | Exception
Script: TypeAlias = "Answer | Sequence[Answer] | Mapping[str, Answer] | Callable[[list[Message]], Answer]"

_TOKENS = re.compile(r"[가-힣\u1100-\u11ff\u3040-\u30ff\u4e00-\u9fff]|\w{1,6}|[^\w\s]")
_PIECES = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")


class Call(NamedTuple):
    """What a scripted model was asked."""

    messages: tuple[Message, ...]
    max_tokens: int | None
    temperature: float
    stop: tuple[str, ...]

    @property
    def question(self) -> str:
        """The last message."""
        return self.messages[-1].content if self.messages else ""


class ScriptedModel:
    """Answers by a rule or from a list, records what it was asked, and fails, dawdles or breaks off as it is told.

    `calls` has every `Call`, also those that failed. Safe to use from many threads at once.

    >>> model = ScriptedModel({"capital": "Seoul."})
    >>> model.generate([Message("user", "What is the capital of Korea?")]).text
    'Seoul.'
    >>> len(model.calls), model.calls[0].question
    (1, 'What is the capital of Korea?')
    """

    def __init__(
        self,
        script: Script = "I do not know.",
        *,
        name: str = "scripted",
        context_tokens: int | None = None,
        delay_s: float = 0.0,
        fail: Exception | None = None,
        break_after: int | None = None,
    ) -> None:
        """script: one answer for everything; a list, one answer a call, after which it is unavailable; a dict, whose first
        key that stands in the last message gives the answer; or a function of the messages. An exception is raised.
        delay_s: before the first piece. fail: raised by every call; set it to None to have it answer again.
        break_after: so many pieces come, and then the answer breaks off with AnswerCutOff. A piece is a word.
        """
        self._script = script
        self._name = name
        self._context_tokens = context_tokens
        self._lock = threading.Lock()
        self._told = 0
        self.delay_s = delay_s
        self.fail = fail
        self.break_after = break_after
        self.calls: list[Call] = []

    @property
    def name(self) -> str:
        return self._name

    @property
    def context_tokens(self) -> int | None:
        return self._context_tokens

    def __repr__(self) -> str:
        return f"ScriptedModel({self._name!r}, {len(self.calls)} calls)"

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Each syllable or character of Hangul and CJK, six letters of other words, each mark; four more a message."""
        return sum(count_text(message.content) + 4 for message in messages)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Reply:
        *_, reply = self.stream(messages, max_tokens=max_tokens, temperature=temperature, stop=stop)
        assert isinstance(reply, Reply)
        return reply

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Iterator[str | Reply]:
        began = time.perf_counter()
        call = self._record(messages, max_tokens, temperature, stop)
        if self.delay_s:
            time.sleep(self.delay_s)
        yield from self._answered(call, began)

    async def agenerate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Reply:
        *_, reply = [
            piece async for piece in self.astream(messages, max_tokens=max_tokens, temperature=temperature, stop=stop)
        ]
        assert isinstance(reply, Reply)
        return reply

    async def astream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> AsyncIterator[str | Reply]:
        began = time.perf_counter()
        call = self._record(messages, max_tokens, temperature, stop)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        for piece in self._answered(call, began):
            yield piece
            await asyncio.sleep(0)

    def _record(
        self, messages: Sequence[Message], max_tokens: int | None, temperature: float, stop: Sequence[str]
    ) -> Call:
        call = Call(tuple(messages), max_tokens, temperature, tuple(stop))
        with self._lock:
            self.calls.append(call)
        return call

    def _answered(self, call: Call, began: float) -> Iterator[str | Reply]:
        if self.fail is not None:
            raise self.fail
        answer = self._next(call)
        if isinstance(answer, Exception):
            raise answer
        whole = answer if isinstance(answer, Reply) else self._reply(call, answer, began)
        for number, piece in enumerate(_PIECES.findall(whole.text)):
            if self.break_after is not None and number >= self.break_after:
                raise AnswerCutOff(f"the model {self._name!r} broke off after {number} pieces, as it was told to.")
            yield piece
        yield whole

    def _next(self, call: Call) -> Answer:
        script = self._script
        if callable(script):
            return script(list(call.messages))
        if isinstance(script, Mapping):
            return next((answer for key, answer in script.items() if key in call.question), "I do not know.")
        if isinstance(script, str | Reply | Exception):
            return script
        with self._lock:
            number, self._told = self._told, self._told + 1
        if number >= len(script):
            raise ModelUnavailable(f"the model {self._name!r} has given all of its {len(script)} answers.")
        return script[number]

    def _reply(self, call: Call, text: str, began: float) -> Reply:
        for mark in call.stop:
            text = text.split(mark, 1)[0]
        finish = "stop"
        if call.max_tokens is not None and count_text(text) > call.max_tokens:
            ends = [match.end() for match in _TOKENS.finditer(text)]
            text, finish = text[: ends[call.max_tokens - 1]] if call.max_tokens else "", "length"
        return Reply(
            text, self._name, finish, self.count_tokens(call.messages), count_text(text), time.perf_counter() - began
        )


def count_text(text: str) -> int:
    """Tokens of a text, as a scripted model counts them."""
    return len(_TOKENS.findall(text))
