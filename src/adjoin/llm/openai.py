"""Models behind an endpoint of OpenAI's shape: OpenAI's own, and llama.cpp, Ollama, vLLM and others that speak like it.

Nothing is sent before the first question, and then only to the endpoint that the user named.
"""

from __future__ import annotations

import os
import re
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from adjoin.errors import (
    AnswerCutOff,
    ContextTooLong,
    InvalidOption,
    MissingExtra,
    ModelError,
    ModelRefused,
    ModelUnavailable,
)
from adjoin.llm.base import Message, Reply
from adjoin.llm.tokens import Tokenizer, count_messages, counter

KEY: Final = "OPENAI_API_KEY"
_TOO_LONG: Final = re.compile(
    r"context.?(length|window|size)|maximum context|too many tokens|prompt is too long|input is too long"
    r"|exceed.{0,40}(context|maximum.{0,20}(length|tokens))",
    re.I,
)
_ADAPTABLE: Final = ("stream_options", "max_tokens", "temperature")


class OpenAIModel:
    """A model by its name at an endpoint. Safe to use from many threads, and in a process that was forked."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 2,
        context_tokens: int | None = None,
        tokenizer: Tokenizer | None = None,
        headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        """base_url: of the endpoint, such as `http://localhost:8080/v1`; OpenAI's own without it, or what OPENAI_BASE_URL
        says. api_key: from the environment's OPENAI_API_KEY without it; an endpoint that is named needs none.
        timeout_s: seconds to wait for a connection, and for each next piece. retries: how often what is transient is tried
        again (no connection, too slow, 408, 409, 429, 5xx), each time after a longer pause, or the one that Retry-After
        asks for. context_tokens: prompt and answer together, where you know it.
        tokenizer: counts the prompt's tokens: see `adjoin.llm.tokens.counter`; rather too many are estimated without it.
        extra_body: more fields of the request, such as {"seed": 1}.
        Raises MissingExtra without the package `openai`, InvalidOption for an empty name or numbers out of range.
        """
        if not isinstance(model, str) or not model.strip():
            raise InvalidOption(f"a model has a name, such as 'gpt-4o-mini', not {model!r}.")
        if not timeout_s > 0 or retries < 0:
            raise InvalidOption(
                f"timeout_s is a number of seconds above 0 and retries 0 or more, not {timeout_s!r} and {retries!r}."
            )
        try:
            import openai
        except ImportError as exc:
            raise MissingExtra.of("openai", "llm", f"the model 'openai:{model}'") from exc
        self._openai = openai
        self._model = model
        self._base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        self._key = api_key or os.environ.get(KEY) or None
        self._timeout_s = timeout_s
        self._retries = retries
        self._context_tokens = context_tokens
        self._count = counter(tokenizer)
        self._headers = dict(headers or {})
        self._extra_body = dict(extra_body or {})
        self._refused: frozenset[str] = frozenset()  # options that this endpoint has turned down
        self._lock = threading.Lock()
        self._client: tuple[int, Any] | None = None

    @property
    def name(self) -> str:
        asked = "".join(f" {key}={value!r}" for key, value in sorted(self._extra_body.items()))
        where = f"@{re.sub(r'//[^/@]*@', '//', self._base_url).rstrip('/')}" if self._base_url else ""
        return f"openai:{self._model}{where}{asked}"

    @property
    def context_tokens(self) -> int | None:
        return self._context_tokens

    def __repr__(self) -> str:
        return f"OpenAIModel({self.name!r})"

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
        began = time.perf_counter()
        with self._told():
            while True:
                try:
                    found = self._sync().chat.completions.create(
                        **self._request(messages, max_tokens, temperature, stop)
                    )
                    return self._reply(found, began)
                except self._openai.BadRequestError as exc:
                    self._adapt(exc)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Iterator[str | Reply]:
        answer = _Streamed(self.name, time.perf_counter())
        with self._told(answer):
            while True:
                try:
                    events = self._sync().chat.completions.create(
                        **self._request(messages, max_tokens, temperature, stop, stream=True)
                    )
                    break
                except self._openai.BadRequestError as exc:
                    self._adapt(exc)
            self._begin(answer, events)
            with events:
                for event in events:
                    if piece := answer.taken(event):
                        yield piece
        yield answer.whole()

    async def agenerate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Reply:
        began = time.perf_counter()
        with self._told():
            async with self._async() as client:
                while True:
                    try:
                        found = await client.chat.completions.create(
                            **self._request(messages, max_tokens, temperature, stop)
                        )
                        return self._reply(found, began)
                    except self._openai.BadRequestError as exc:
                        self._adapt(exc)

    async def astream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> AsyncIterator[str | Reply]:
        answer = _Streamed(self.name, time.perf_counter())
        with self._told(answer):
            async with self._async() as client:
                while True:
                    try:
                        events = await client.chat.completions.create(
                            **self._request(messages, max_tokens, temperature, stop, stream=True)
                        )
                        break
                    except self._openai.BadRequestError as exc:
                        self._adapt(exc)
                self._begin(answer, events)
                async with events:
                    async for event in events:
                        if piece := answer.taken(event):
                            yield piece
        yield answer.whole()

    def _request(
        self,
        messages: Sequence[Message],
        max_tokens: int | None,
        temperature: float,
        stop: Sequence[str],
        stream: bool = False,
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": _sendable(message.content)} for message in messages],
        }
        if "temperature" not in self._refused:
            request["temperature"] = temperature
        if max_tokens is not None:
            request["max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"] = max_tokens
        if stop:
            request["stop"] = list(stop)
        if stream:
            request["stream"] = True
            if "stream_options" not in self._refused:
                request["stream_options"] = {"include_usage": True}
        if self._extra_body:
            request["extra_body"] = self._extra_body
        return request

    def _adapt(self, refused: Any) -> None:
        """Leave out, from now on, an option that newer or simpler endpoints turn down; raise what is no such refusal.

        OpenAI's reasoning models take no temperature, and max_completion_tokens for max_tokens; some servers do not know
        stream_options.
        """
        told = f"{getattr(refused, 'param', None) or ''} {refused}"
        for option in _ADAPTABLE:
            if option in told and option not in self._refused and not _is_too_long(refused):
                self._refused |= {option}
                return
        raise refused

    def _options(self) -> dict[str, Any]:
        if self._key is None and self._base_url is None:
            raise ModelRefused(
                f"the model {self.name!r} needs a key: set {KEY} in the environment, or give api_key=. For an endpoint of "
                "your own give base_url=, such as http://localhost:8080/v1."
            )
        return {
            "api_key": self._key or "none",
            "base_url": self._base_url,
            "timeout": self._timeout_s,
            "max_retries": self._retries,
            "default_headers": self._headers or None,
        }

    def _sync(self) -> Any:
        with self._lock:
            pid, client = self._client or (0, None)
            if pid != os.getpid():  # a forked child must not share connections
                client = self._openai.OpenAI(**self._options())
                self._client = (os.getpid(), client)
                weakref.finalize(self, _close, os.getpid(), client)
            return client

    def _async(self) -> Any:
        # One for each call: a connection belongs to the loop that opened it, and the next call may come from another.
        return self._openai.AsyncOpenAI(**self._options())

    def _reply(self, found: Any, began: float) -> Reply:
        choices = getattr(found, "choices", None)
        message = getattr(choices[0], "message", None) if choices else None
        if message is None or not choices:
            raise AnswerCutOff(f"what {self.name!r} sent is no answer: {_short(found)}")
        finish = choices[0].finish_reason or "stop"
        _refuse_withheld(self.name, finish, getattr(message, "refusal", None))
        if not isinstance(message.content, str):
            raise AnswerCutOff(f"what {self.name!r} sent has no text: it ended with {finish!r}.")
        return _replied(self.name, message.content, finish, found, began)

    def _begin(self, answer: _Streamed, events: Any) -> None:
        if not hasattr(events, "response"):
            raise AnswerCutOff(f"what {self.name!r} sent is no stream: {_short(events)}")
        answer.begun = True

    @contextmanager
    def _told(self, answer: _Streamed | None = None) -> Iterator[None]:
        """What the client raises, in adjoin's errors, with the key cut out of what is said."""
        try:
            yield
        except (ModelError, GeneratorExit):
            raise
        except self._openai.OpenAIError as exc:
            raise self._meaning(exc, answer) from exc
        except _transport_errors() as exc:
            raise AnswerCutOff(f"{self.name!r} broke off its answer{_after(answer)} ({_named(exc)}).") from exc
        except (ValueError, TypeError, AttributeError, KeyError) as exc:  # JSON that is none, or of another shape
            raise AnswerCutOff(f"what {self.name!r} sent cannot be read{_after(answer)} ({_named(exc)}).") from exc

    def _meaning(self, exc: Exception, answer: _Streamed | None) -> ModelError:
        openai, name = self._openai, self.name
        said = self._without_key(_said(exc))
        tried = f" It was tried {self._retries + 1} times." if self._retries else ""
        status = getattr(exc, "status_code", None)
        if answer is not None and answer.begun:
            cause = _named(exc.__cause__) if exc.__cause__ else said
            return AnswerCutOff(f"{name!r} broke off its answer{_after(answer)}: {cause}")
        if isinstance(exc, openai.APITimeoutError):
            return ModelUnavailable(
                f"{name!r} did not answer within {self._timeout_s:g} s.{tried} Give timeout_s= a larger number, or ask less."
            )
        if isinstance(exc, openai.APIResponseValidationError):
            return AnswerCutOff(f"what {name!r} sent cannot be read: {said}")
        if isinstance(exc, openai.APIConnectionError):
            cause = _named(exc.__cause__) if exc.__cause__ else said
            return ModelUnavailable(
                f"{name!r} cannot be reached ({cause}).{tried} Is it running, and the address right?"
            )
        if status is None:
            return AnswerCutOff(f"what {name!r} sent cannot be read: {said}")
        if status == 413 or (status in (400, 422) and _is_too_long(exc)):
            return ContextTooLong(
                f"the prompt is longer than {name!r} reads: {said} Give less context, or a model that reads more."
            )
        if status == 401:
            return ModelRefused(f"{name!r} does not take the key: {said} Set {KEY}, or give api_key=.")
        if status == 403:
            return ModelRefused(f"the key may not use {name!r}: {said}")
        if status == 404:
            return ModelRefused(f"there is no {name!r}: {said} Check the model's name and base_url=.")
        if status == 429 and getattr(exc, "code", None) != "insufficient_quota":
            return ModelUnavailable(f"{name!r} takes no more questions now: {said}{tried} Ask later, or less often.")
        if status in (408, 409) or status >= 500:
            return ModelUnavailable(f"{name!r} failed with status {status}: {said}{tried}")
        return ModelRefused(f"{name!r} does not take the request (status {status}): {said}")

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "…") if self._key and len(self._key) > 3 else text


class _Streamed:
    """An answer that comes in pieces."""

    def __init__(self, name: str, began: float) -> None:
        self._name, self._began = name, began
        self.pieces: list[str] = []
        self.begun = False
        self._finish: str | None = None
        self._usage: Any = None

    def taken(self, event: Any) -> str:
        self._usage = getattr(event, "usage", None) or self._usage
        if not getattr(event, "choices", None):
            if not hasattr(event, "choices"):
                raise AnswerCutOff(f"what {self._name!r} sent is no piece of an answer: {_short(event)}")
            return ""
        choice = event.choices[0]
        self._finish = choice.finish_reason or self._finish
        _refuse_withheld(self._name, self._finish, getattr(choice.delta, "refusal", None))
        piece = getattr(choice.delta, "content", None) or ""
        if piece:
            self.pieces.append(piece)
        return piece

    def whole(self) -> Reply:
        if self._finish is None:
            raise AnswerCutOff(
                f"{self._name!r} broke off its answer{_after(self)}: it ended without saying that it does."
            )
        if self._finish not in ("stop", "length"):
            raise AnswerCutOff(f"what {self._name!r} sent is no answer in words: it ended with {self._finish!r}.")
        return _replied(self._name, "".join(self.pieces), self._finish, self, self._began)

    @property
    def usage(self) -> Any:
        return self._usage


def _replied(name: str, text: str, finish: str, found: Any, began: float) -> Reply:
    usage = getattr(found, "usage", None)
    return Reply(
        text, name, finish, getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None),
        time.perf_counter() - began,
    )  # fmt: skip


def _refuse_withheld(name: str, finish: str | None, refusal: str | None) -> None:
    if refusal:
        raise ModelRefused(f"{name!r} declines to answer: {refusal}")
    if finish == "content_filter":
        raise ModelRefused(f"{name!r} withheld its answer: the provider's content filter stopped it.")


def _is_too_long(exc: Any) -> bool:
    return getattr(exc, "code", None) == "context_length_exceeded" or bool(_TOO_LONG.search(str(exc)))


def _said(exc: Exception) -> str:
    """What the endpoint says went wrong, on one line."""
    body = getattr(exc, "body", None)
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        told = inner.get("message") if isinstance(inner, Mapping) else inner
        if isinstance(told, str):
            return _short(told)
    return _short(str(exc))


def _close(pid: int, client: Any) -> None:
    if pid == os.getpid():  # what a parent opened is the parent's to close
        client.close()


def _sendable(text: str) -> str:
    """Without half surrogates, which no UTF-8 has and files with broken names bring."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _short(value: object, most: int = 300) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _named(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {_short(exc)}" if str(exc) else type(exc).__name__


def _after(answer: _Streamed | None) -> str:
    return f" after {len(answer.pieces)} pieces" if answer is not None and answer.pieces else ""


def _transport_errors() -> tuple[type[BaseException], ...]:
    """Those of whichever HTTP library the client uses; it does not wrap them while a stream is read."""
    found: list[type[BaseException]] = [OSError]
    for library in ("httpx2", "httpx"):
        try:
            found.append(__import__(library).HTTPError)
        except ImportError:
            continue
    return tuple(found)
