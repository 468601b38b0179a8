"""Finds an embedder by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from adjoin.embed.base import Embedder
from adjoin.errors import InvalidOption, NotFound

KNOWN = ("default", "a folder's path", "hf:ORG/NAME[@revision]", "an object with identity, dim and embed")


def embedder(name: str | Path | Embedder, **options: Any) -> Embedder:
    """The embedder of that name; its model is loaded by its first `embed`.

    name: `default`; the path of a folder with an encoder in the layout of Hugging Face; `hf:ORG/NAME[@revision]`; or
    any object with `identity` (an Identity, or a str that names the model and changes with it), `dim` and `embed`.
    options: `default` takes correction=, workers=; folders and hf: take pooling=, prompts=, max_tokens=, dim=, workers=.
    Raises InvalidOption for an unknown name or option, NotFound for a path that is not there.
    """
    if not isinstance(name, str | Path):
        from adjoin.embed.checked import checked

        _refuse(options, ())
        return checked(name)
    text = str(name)
    if text == "default":
        from adjoin.embed.default import default_embedder

        return _made(default_embedder, options, ("correction", "workers"))
    from adjoin.embed import folder as folders

    if text.startswith("hf:"):
        from adjoin.embed.hub import hub_embedder

        return _made(hub_embedder, options, folders.OPTIONS, text)
    path = Path(text).expanduser()
    if path.is_dir():
        return _made(folders.folder_embedder, options, folders.OPTIONS, path)
    if isinstance(name, Path) or "/" in text or "\\" in text:
        raise NotFound(
            f"there is no folder {text!r} to load an embedder from. A model on the hub is named hf:ORG/NAME."
        )
    raise InvalidOption.unknown("embedder", text, KNOWN)


def _made(make: Callable[..., Embedder], options: dict[str, Any], known: tuple[str, ...], *args: object) -> Embedder:
    _refuse(options, known)
    return make(*args, **options)


def _refuse(options: dict[str, Any], known: tuple[str, ...]) -> None:
    for option in options:
        if option not in known:
            raise InvalidOption.unknown("embedder option", option, known or ("none for an object",))
