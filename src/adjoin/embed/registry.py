"""Finds an embedder by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from adjoin.embed.base import Embedder
from adjoin.errors import InvalidOption

KNOWN = ("default", "an object with identity, dim and embed")


def embedder(name: str | Path | Embedder, **options: Any) -> Embedder:
    """The embedder of that name; its model is loaded by its first `embed`.

    name: `default`, or any object with `identity` (an Identity, or a str that names the model and changes with it), `dim` and `embed`.
    options: `default` takes correction=, workers=.
    Raises InvalidOption for an unknown name or option.
    """
    if not isinstance(name, str | Path):
        from adjoin.embed.checked import checked

        _refuse(options, ())
        return checked(name)
    text = str(name)
    if text == "default":
        from adjoin.embed.default import default_embedder

        return _made(default_embedder, options, ("correction", "workers"))
    raise InvalidOption.unknown("embedder", text, KNOWN)


def _made(make: Callable[..., Embedder], options: dict[str, Any], known: tuple[str, ...], *args: object) -> Embedder:
    _refuse(options, known)
    return make(*args, **options)


def _refuse(options: dict[str, Any], known: tuple[str, ...]) -> None:
    for option in options:
        if option not in known:
            raise InvalidOption.unknown("embedder option", option, known or ("none for an object",))
