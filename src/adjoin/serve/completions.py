"""Chat completions as OpenAI's interface spells them: what of a request tells its answer, and answers written in that shape."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from adjoin.llm.base import Reply

_NOT_TELLING: Final = frozenset(
    {
        "messages",
        "model",
        "stream",
        "stream_options",
        "user",
        "metadata",
        "store",
        "n",
        "safety_identifier",
        "prompt_cache_key",
        "service_tier",
    }
)
"""Parts of a request that are looked at by name, or that do not change the answer; every other one is part of the scope."""
_PASSED_BY: Final = (
    "tools",
    "functions",
    "tool_choice",
    "function_call",
    "modalities",
    "audio",
    "logprobs",
    "top_logprobs",
    "web_search_options",
    "prediction",
)


@dataclass(frozen=True, slots=True)
class Request:
    """question: the last message, of the user. system: all that the system says. context: the turns before, as they are."""

    model: str
    question: str
    system: str | None
    context: Sequence[Any] | None
    parameters: Mapping[str, Any]
    user: str | None
    streams: bool
    with_usage: bool


def parse(body: object, *, cache_sampled: bool) -> Request | str:
    """The request, or why the cache is passed by."""
    if not isinstance(body, Mapping) or not isinstance(body.get("messages"), list) or not body["messages"]:
        return "no messages"
    if not isinstance(body.get("model"), str):
        return "no model"
    for name in _PASSED_BY:
        if body.get(name):
            return name
    if body.get("n") not in (None, 1):
        return "n"
    temperature = body.get("temperature")
    if temperature and not cache_sampled:
        return "temperature"
    turns = []
    for message in body["messages"]:
        text = _text(message)
        if text is None:
            return "a message that is not text"
        turns.append((message["role"], text))
    if turns[-1][0] != "user" or not turns[-1][1].strip():
        return "the last message is not the user's"
    system = "\n\n".join(text for role, text in turns if role in ("system", "developer")) or None
    before = [list(turn) for turn in turns[:-1] if turn[0] not in ("system", "developer")] or None
    options = body.get("stream_options")
    return Request(
        body["model"], turns[-1][1], system, before,
        {
            name: value for name, value in body.items()
            if name not in _NOT_TELLING and value is not None and (name != "temperature" or value)
        },
        body.get("user") if isinstance(body.get("user"), str) else None,
        bool(body.get("stream")), bool(isinstance(options, Mapping) and options.get("include_usage")),
    )  # fmt: skip


def _text(message: object) -> str | None:
    """A message's text; None where it is more than text."""
    if not isinstance(message, Mapping) or message.get("role") not in ("system", "developer", "user", "assistant"):
        return None
    if message.get("tool_calls") or message.get("function_call") or message.get("audio"):
        return None
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(
        isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)
        for part in content
    ):
        return "\n".join(part["text"] for part in content)
    return None


def as_reply(raw: Mapping[str, Any], seconds: float) -> Reply:
    """A completion that came whole. finish is "stop" only for an answer of plain text that ended by itself."""
    choices = raw.get("choices")
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], Mapping) else {}
    message = choice.get("message")
    message = message if isinstance(message, Mapping) else {}
    text = message.get("content")
    finish = str(choice.get("finish_reason") or "unknown")
    if not isinstance(text, str) or any(
        value for name, value in message.items() if name not in ("role", "content", "annotations")
    ):
        finish = "other" if finish == "stop" else finish
    usage = raw.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    return Reply(
        text if isinstance(text, str) else "", str(raw.get("model") or ""), finish, usage.get("prompt_tokens"),
        usage.get("completion_tokens"), seconds, {"raw": raw},
    )  # fmt: skip


@dataclass(slots=True)
class Gathered:
    """A stream's events put together while they pass."""

    text: list[str] = field(default_factory=list)
    finish: str = "unknown"
    model: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    plain: bool = True
    ended: bool = False
    _rest: bytes = b""

    def feed(self, piece: bytes) -> None:
        """Any number of bytes, cut anywhere."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._line(line.strip())

    def _line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        data = line[5:].strip()
        if data == b"[DONE]":
            self.ended = True
            return
        try:
            event = json.loads(data)
        except ValueError:
            self.plain = False
            return
        if not isinstance(event, Mapping) or event.get("error"):
            self.plain = False
            return
        self.model = str(event.get("model") or self.model)
        self.usage = event.get("usage") or self.usage
        choices = event.get("choices") or []
        for choice in choices:
            delta = choice.get("delta") or {}
            if choice.get("index", 0) != 0 or any(
                value for name, value in delta.items() if name not in ("role", "content")
            ):
                self.plain = False
            if isinstance(delta.get("content"), str):
                self.text.append(delta["content"])
            self.finish = choice.get("finish_reason") or self.finish

    def reply(self, seconds: float) -> Reply:
        finish = self.finish if self.plain or self.finish != "stop" else "other"
        return Reply(
            "".join(self.text),
            self.model,
            finish,
            self.usage.get("prompt_tokens"),
            self.usage.get("completion_tokens"),
            seconds,
        )


def completion(text: str, model: str, usage: Mapping[str, int]) -> dict[str, Any]:
    """A whole completion of our own making."""
    return {
        "id": f"chatcmpl-adjoin-{uuid.uuid4().hex}", "object": "chat.completion", "created": int(time.time()), "model": model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text, "refusal": None}, "finish_reason": "stop",
             "logprobs": None}
        ],
        "usage": dict(usage),
    }  # fmt: skip


def events(text: str, model: str, usage: Mapping[str, int] | None) -> Iterator[bytes]:
    """The same as a stream: the text in one piece."""
    head = {
        "id": f"chatcmpl-adjoin-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
    }

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        return b"data: " + json.dumps(head | {"choices": choices} | more, ensure_ascii=False).encode() + b"\n\n"

    yield event([{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}])
    yield event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    if usage is not None:
        yield event([], usage=dict(usage))
    yield b"data: [DONE]\n\n"


def usage_of(metadata: Mapping[str, Any]) -> dict[str, int]:
    """What a kept answer had cost; nothing of it is charged again."""
    prompt, completion_ = int(metadata.get("prompt_tokens", 0)), int(metadata.get("completion_tokens", 0))
    return {"prompt_tokens": prompt, "completion_tokens": completion_, "total_tokens": prompt + completion_}


def failure(message: str, kind: str) -> bytes:
    """An error in OpenAI's shape."""
    return json.dumps(
        {"error": {"message": message, "type": kind, "param": None, "code": None}}, ensure_ascii=False
    ).encode()
