"""The rows that a cache keeps: answers, labelled pairs, counters; and the scope that keeps strangers' answers apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adjoin.errors import InvalidInput, InvalidOption
from adjoin.llm.cache.reading import read
from adjoin.types import Document, Id

KIND: Final = "cache"  # the metadata key that says what a row is: "answer", "label", "counts"
FIELDS: Final = ("tenant", "system", "context")
_LONGEST: Final = 200


def digest(value: Any) -> str:
    """32 hexadecimal digits of a value's JSON, the same in every process. Raises InvalidOption for what JSON cannot hold."""
    try:
        spelt = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise InvalidOption(f"a scope is made of texts, numbers, lists and dicts of them: {exc}.") from exc
    return hashlib.blake2b(spelt.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose question it is. An answer is found only under an equal scope.

    fields: tenant, system, context and a user's own. model: None for an answer that serves every model. parameters: of the
    model's call, where they are not the usual ones.
    """

    fields: Mapping[str, Any]
    model: str | None = None
    parameters: Mapping[str, Any] | None = None

    @property
    def base(self) -> str:
        """Without the model."""
        return digest(["base", dict(self.fields)])

    @property
    def key(self) -> str:
        return digest(["scope", dict(self.fields), self.model, dict(self.parameters or {})])

    @property
    def plain(self) -> dict[str, Any]:
        """As metadata that can be filtered: a text that is long stands as its hash."""
        known = {name: self.fields.get(name) for name in FIELDS}
        own = {f"scope.{name}": value for name, value in self.fields.items() if name not in FIELDS}
        shown = {name: _short(value) for name, value in {**known, **own}.items() if value is not None}
        return shown | ({"model": self.model} if self.model is not None else {})

    def for_every_model(self) -> Scope:
        return Scope(self.fields)


def _short(value: Any) -> Any:
    if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _LONGEST):
        return value
    return f"blake2b:{digest(value)}"


def entry_id(scope: Scope, question: str) -> str:
    """The id under which the answer to this question, or to one that is the same but for case and spaces, is kept."""
    return f"cache:{digest([scope.key, read(question).exact])}"


def check_question(question: object) -> str:
    if not isinstance(question, str):
        raise InvalidInput(f"a question is a text, not {type(question).__name__}.")
    if not question.strip():
        raise InvalidInput("the question is empty. Nothing was looked up or stored.")
    return question


def content_hash(document: Document) -> str:
    """Of a passage's content, to see later whether it changed."""
    content = document.content
    if isinstance(content, bytes):
        return hashlib.blake2b(content, digest_size=16).hexdigest()
    if isinstance(content, Mapping):
        return digest(json.loads(json.dumps(content, default=str)))
    return digest(content)


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer with all that is known of it."""

    scope: Scope
    question: str
    answer: str
    at: float
    ttl_s: float | None
    cites: Sequence[Id]
    hashes: Sequence[str]
    model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float

    @property
    def id(self) -> str:
        return entry_id(self.scope, self.question)

    @property
    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            KIND: "answer", "scope": self.scope.key, "base": self.scope.base, **self.scope.plain, "answer": self.answer,
            "at": self.at, "seconds": self.seconds,
        }  # fmt: skip
        if self.ttl_s is not None:
            found["expires"] = self.at + self.ttl_s
        if self.cites:
            found["cites"], found["cite_hashes"] = list(self.cites), list(self.hashes)
        if self.model is not None:
            found["answered_by"] = self.model
        if self.prompt_tokens is not None:
            found["prompt_tokens"] = self.prompt_tokens
        if self.completion_tokens is not None:
            found["completion_tokens"] = self.completion_tokens
        return found
