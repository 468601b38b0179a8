"""The embedder of a collection: found by what the collection remembers of it, and refused when it is another one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adjoin.engine import CollectionSpec
from adjoin.errors import IdentityMismatch
from adjoin.forks import renew_in_child

if TYPE_CHECKING:
    from adjoin.embed import Embedder

KEEP: Final = "(as stored)"
"""What an option says when it is not given: the collection's own, or the usual one for a new collection."""


def reopening_name(embedder: str | os.PathLike[str] | Embedder) -> str:
    """What finds the embedder again from any folder: a name, a model's path in full, or a note that only its owner can."""
    if not isinstance(embedder, str | os.PathLike):
        return getattr(embedder, "reopened_by", None) or f"object:{type(embedder).__qualname__}"
    from adjoin.embed import is_name

    text = os.fspath(embedder)
    return text if isinstance(embedder, str) and is_name(text) else os.path.abspath(os.path.expanduser(text))


def matching(spec: CollectionSpec, given: str | os.PathLike[str] | Embedder | None) -> Callable[[], Embedder | None]:
    """A loader of the collection's embedder, whose identity is checked here, and its canaries on first use."""
    if given is None or (spec.embedder is None and given == KEEP):
        return lambda: None
    if spec.embedder is None or spec.identity is None:
        raise IdentityMismatch(
            f"collection {spec.name!r} holds vectors that the user brought; it has no embedder. Open it with embedder=None, "
            "or make another collection for this model."
        )
    from adjoin.embed import embedder as find

    if not isinstance(given, str):
        return _Checked(spec, lambda: find(Path(given) if isinstance(given, os.PathLike) else given), now=True)
    name = spec.embedder if given == KEEP else given
    if name.startswith("object:"):
        return _needs_object(spec)
    return _Checked(spec, lambda: find(name), now=not name.startswith("hf:"))


def _needs_object(spec: CollectionSpec) -> Callable[[], Embedder]:
    def refuse() -> Embedder:
        raise IdentityMismatch(
            f"collection {spec.name!r} was embedded by an object of the class {(spec.embedder or '')[7:]!r}, which a name "
            "cannot bring back. Pass it: db.collection(name, embedder=YOUR_OBJECT)."
        )

    return refuse


class _Checked:
    """Finds the embedder once, and refuses another one than the collection's."""

    def __init__(self, spec: CollectionSpec, find: Callable[[], Embedder], *, now: bool) -> None:
        self._spec = spec
        self._find = find
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")
        self._model: Embedder | None = None
        self._trusted = False
        if now:
            self._load()

    def __call__(self) -> Embedder:
        from adjoin.embed import Identity, verify_canaries

        with self._lock:
            model = self._load()
            if not self._trusted:
                verify_canaries(model, Identity.from_json(self._spec.identity or ""))
                self._trusted = True
            return model

    def _load(self) -> Embedder:
        from adjoin.embed import Identity, check_identity

        if self._model is None:
            model = self._find()
            check_identity(Identity.from_json(self._spec.identity or ""), model)
            self._model = model
        return self._model
