"""A function as a language model: from a text or messages to a text, at once, piece by piece, or awaited."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import CellType, CodeType
from typing import Any, Final, Literal

from adjoin.errors import AdjoinError, AnswerCutOff, InvalidOption, ModelError, ModelUnavailable
from adjoin.llm.base import Message, Reply
from adjoin.llm.bridges import awaited, drawn, stepped
from adjoin.llm.tokens import Tokenizer, count_messages, counter

Takes = Literal["text", "messages"]
TAKES: Final[tuple[Takes, ...]] = ("text", "messages")
_OPTIONS: Final = ("max_tokens", "temperature", "stop")
_OF_MESSAGES: Final = ("messages", "message", "history", "conversation", "chat", "turns", "dialogue")


class CallableModel:
    """A model that is a function of the user's.

    >>> from adjoin.llm.base import Message
    >>> model = CallableModel(lambda prompt: prompt.upper(), name="shouting")
    >>> model.generate([Message("user", "hello")]).text
    'HELLO'
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        takes: Takes | None = None,
        context_tokens: int | None = None,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        """function: gives a str or a Reply, an iterable of str (a generator, say), or something to be awaited or iterated
        asynchronously that does. Those of max_tokens, temperature and stop that it has as parameters are passed to it.
        name: what tells it from others; made of its own name and code where there is none. Give one where a closure or a
        file changes what it answers.
        takes: "text" or "messages" (a list of `Message`); by the first parameter's annotation or name where it is not said:
        `messages`, `history`, `chat` and the like, or an annotation that is not str, mean messages.
        tokenizer: see `adjoin.llm.tokens.counter`.
        """
        if not callable(function):
            raise InvalidOption(f"a model is made of a function, not of {type(function).__name__}.")
        if takes is not None and takes not in TAKES:
            raise InvalidOption.unknown("takes=", takes, TAKES)
        self._function = function
        self._takes: Takes = takes or _guessed(function)
        self._options = _accepted(function)
        self._count = counter(tokenizer)
        self._name = name or named_by_code(function)
        self._context_tokens = context_tokens

    @property
    def name(self) -> str:
        return self._name

    @property
    def context_tokens(self) -> int | None:
        return self._context_tokens

    def __repr__(self) -> str:
        return f"CallableModel({self._name!r}, takes={self._takes!r})"

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return count_messages(self._count, messages)

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
        answer = _Answer(self._name, messages, self.count_tokens, self._count)
        with answer.failing():
            found = self._call(messages, max_tokens, temperature, stop)
            if inspect.isawaitable(found):
                found = awaited(found)
        yield from answer.dressed(drawn(found) if isinstance(found, AsyncIterator) else found)

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
        answer = _Answer(self._name, messages, self.count_tokens, self._count)
        with answer.failing():
            if inspect.iscoroutinefunction(self._function) or inspect.isasyncgenfunction(self._function):
                found = self._call(messages, max_tokens, temperature, stop)
            else:
                found = await asyncio.to_thread(self._call, messages, max_tokens, temperature, stop)
            if inspect.isawaitable(found):
                found = await found
        if not isinstance(found, AsyncIterator):
            async for piece in stepped(answer.dressed(found)):
                yield piece
            return
        try:
            while True:
                with answer.failing():
                    try:
                        piece = answer.taken(await anext(found))
                    except StopAsyncIteration:
                        break
                yield piece
        finally:
            if (aclose := getattr(found, "aclose", None)) is not None:
                await aclose()
        yield answer.whole()

    def _call(
        self, messages: Sequence[Message], max_tokens: int | None, temperature: float, stop: Sequence[str]
    ) -> Any:
        options = {"max_tokens": max_tokens, "temperature": temperature, "stop": stop}
        given = as_text(messages) if self._takes == "text" else list(messages)
        return self._function(given, **{name: options[name] for name in self._options})


class _Answer:
    """One answer in the making: its pieces, its clock, and what its failing means."""

    def __init__(
        self, name: str, messages: Sequence[Message], of_prompt: Callable[..., int], of_text: Callable[[str], int]
    ) -> None:
        self._name = name
        self._messages = messages
        self._of_prompt, self._of_text = of_prompt, of_text
        self._began = time.perf_counter()
        self._pieces: list[str] = []

    @contextmanager
    def failing(self) -> Iterator[None]:
        try:
            yield
        except AdjoinError:
            raise
        except Exception as exc:
            told = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
            if self._pieces:
                raise AnswerCutOff(
                    f"the model {self._name!r} broke off after {len(self._pieces)} pieces of its answer ({told})."
                ) from exc
            kind = ModelUnavailable if isinstance(exc, OSError | asyncio.TimeoutError) else ModelError
            raise kind(f"the model {self._name!r} did not answer ({told}).") from exc

    def taken(self, piece: Any) -> str:
        if not isinstance(piece, str):
            raise AnswerCutOff(
                f"the model {self._name!r} gave {type(piece).__name__} where its answer's text was expected. "
                "Have the function return a str, or give pieces that are str."
            )
        self._pieces.append(piece)
        return piece

    def dressed(self, found: Any) -> Iterator[str | Reply]:
        if isinstance(found, Reply):
            yield from (found.text, found)
            return
        if isinstance(found, str) or not isinstance(found, Iterable) or isinstance(found, bytes | dict):
            found = (found,)
        pieces = iter(found)
        try:
            while True:
                with self.failing():
                    try:
                        piece = self.taken(next(pieces))
                    except StopIteration:
                        break
                yield piece
        finally:
            if (close := getattr(pieces, "close", None)) is not None:
                close()
        yield self.whole()

    def whole(self) -> Reply:
        text = "".join(self._pieces)
        return Reply(
            text, self._name, prompt_tokens=self._of_prompt(self._messages), completion_tokens=self._of_text(text),
            seconds=time.perf_counter() - self._began,
        )  # fmt: skip


def as_text(messages: Sequence[Message]) -> str:
    """Messages as one text: a single one is its content; others have their role before them, and the answer's turn begins."""
    if len(messages) == 1:
        return messages[0].content
    names = {"system": "", "user": "User: ", "assistant": "Assistant: "}
    return "\n\n".join([*(names[message.role] + message.content for message in messages), "Assistant:"])


def named_by_code(function: Callable[..., Any]) -> str:
    """`callable:module.name#…`: the function's name, and a fingerprint of its code, so that another is not taken for it.

    The fingerprint has in it the plain values that the function was made with (defaults, arguments of a `partial`, what a
    closure holds); what it reads elsewhere it cannot see.
    """
    made_with: list[Any] = []
    inner: Any = function
    while isinstance(inner, functools.partial):
        made_with += [*inner.args, *sorted(inner.keywords.items())]
        inner = inner.func
    inner = getattr(inner, "__func__", inner)
    called = inner if hasattr(inner, "__code__") else getattr(type(inner), "__call__", None)  # noqa: B004
    made_with += [
        *(getattr(called, "__defaults__", None) or ()),
        *(getattr(called, "__kwdefaults__", None) or {}).items(),
    ]
    made_with += [_held(cell) for cell in getattr(called, "__closure__", None) or ()]
    where = getattr(inner, "__module__", None) or type(inner).__module__
    what = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    code = getattr(called, "__code__", None)
    return f"callable:{where}.{what}" + (f"#{_fingerprint(code, made_with)}" if code is not None else "")


def _held(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _fingerprint(code: CodeType, made_with: Sequence[Any]) -> str:
    digest = hashlib.blake2b(digest_size=4)

    def feed(one: CodeType) -> None:
        digest.update(one.co_code)
        digest.update(repr(one.co_names).encode())
        for constant in one.co_consts:
            if isinstance(constant, CodeType):
                feed(constant)
            else:
                digest.update(repr(constant).encode())

    feed(code)
    for value in made_with:
        if isinstance(value, str | bytes | int | float | tuple | None):
            digest.update(repr(value).encode())
    return digest.hexdigest()


def _guessed(function: Callable[..., Any]) -> Takes:
    try:
        first = next(iter(inspect.signature(function, eval_str=True).parameters.values()), None)
    except (TypeError, ValueError, NameError):
        return "text"
    if first is None:
        return "text"
    if first.annotation not in (first.empty, Any):
        return "text" if first.annotation is str else "messages"
    return "messages" if first.name.lower() in _OF_MESSAGES else "text"


def _accepted(function: Callable[..., Any]) -> tuple[str, ...]:
    """Which of the options the function has as parameters."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return _OPTIONS
    named = {
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }
    return tuple(name for name in _OPTIONS if name in named)
