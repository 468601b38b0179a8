"""Finds a language model by what is said of it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any, Final

from adjoin.errors import InvalidOption
from adjoin.llm.base import LanguageModel
from adjoin.llm.callables import CallableModel

KNOWN: Final = (
    "openai:NAME (with base_url= for any endpoint of that shape)",
    "a path to a .gguf file",
    "smollm2",
    "a function",
    "an object with generate, stream, agenerate, astream and count_tokens",
)


def model(spec: str | os.PathLike[str] | LanguageModel | Callable[..., Any], **options: Any) -> LanguageModel:
    """The model meant.

    spec: `openai:NAME`, at OpenAI's or with `base_url=` at any endpoint that speaks like it (`OpenAIModel`'s options);
    the path of a `.gguf` file, or `smollm2`, run here (`LocalModel`'s options); a function (`CallableModel`'s); or a
    `LanguageModel`, which is given back.
    Raises InvalidOption for another spec and for an option that the model does not have, MissingExtra, NotFound.

    >>> model(lambda prompt: prompt[::-1], name="backwards").name
    'backwards'
    """
    if isinstance(spec, str | os.PathLike):
        text = os.fspath(spec)
        if text.startswith("openai:"):
            from adjoin.llm.openai import OpenAIModel

            return _made(OpenAIModel, text.removeprefix("openai:"), options)
        if text == "smollm2":
            from adjoin.llm.local import smollm2

            return _made(smollm2, None, options)
        if text.lower().endswith(".gguf"):
            from adjoin.llm.local import LocalModel

            return _made(LocalModel, text, options)
        raise InvalidOption.unknown("model", text, KNOWN)
    if isinstance(spec, LanguageModel):
        if options:
            raise InvalidOption(f"a model that is made already takes no options ({', '.join(options)}).")
        return spec
    if callable(spec):
        return _made(CallableModel, spec, options)
    raise InvalidOption.unknown("model", type(spec).__name__, KNOWN)


def _made(make: Callable[..., LanguageModel], given: Any, options: dict[str, Any]) -> LanguageModel:
    known = [
        parameter.name
        for parameter in inspect.signature(make).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    for name in options:
        if name not in known:
            raise InvalidOption.unknown("option of this model", name, known)
    return make(**options) if given is None else make(given, **options)
