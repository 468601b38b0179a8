"""What a language model is to adjoin: messages in, a reply out, at once or piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from adjoin.errors import InvalidOption

Role: TypeAlias = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    finish: "stop" for an answer that is whole, "length" for one cut at max_tokens. prompt_tokens, completion_tokens: by the
    model's own count, None where it does not say. seconds: from the call to the last piece.
    """

    text: str
    model: str
    finish: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return self.text


@runtime_checkable
class LanguageModel(Protocol):
    """A model that answers. All raise `ModelError` and its kin when it does not; a stream that breaks raises, too.

    name: what tells it from others, with all that changes its answers; the scope of a cached answer.
    context_tokens: prompt and answer together, None where it is not known.
    """

    @property
    def name(self) -> str: ...

    @property
    def context_tokens(self) -> int | None: ...

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Reply: ...

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Iterator[str | Reply]:
        """The pieces of the answer as they come, and at the end the whole `Reply`."""
        ...

    async def agenerate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Reply: ...

    def astream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> AsyncIterator[str | Reply]: ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Of a prompt, by the model's own tokenizer where it is at hand, and never less than that by more than a tenth."""
        ...


def as_messages(prompt: str | Message | Sequence[Message | tuple[str, str] | dict[str, str]]) -> list[Message]:
    """A prompt as messages: a str is one of the user. Raises InvalidOption naming a role that there is not."""
    if isinstance(prompt, str):
        return [Message("user", prompt)]
    if isinstance(prompt, Message):
        return [prompt]
    found = []
    for one in prompt:
        role, content = (one["role"], one["content"]) if isinstance(one, dict) else one
        if role not in ROLES:
            raise InvalidOption.unknown("role", role, ROLES)
        found.append(Message(role, content))
    return found
