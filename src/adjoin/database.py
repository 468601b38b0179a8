"""Opening a database, by path or URL, and the collections in it."""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from adjoin.collection import Collection
from adjoin.engine import CollectionSpec, Engine
from adjoin.errors import IdentityMismatch, InvalidOption, Unsupported
from adjoin.strict import strict
from adjoin.types import METRICS, Metric

if TYPE_CHECKING:
    from adjoin.embed import Embedder

KEEP: Final = "(as stored)"
"""What an option says when it is not given: the collection's own, or the usual one for a new collection."""

_LONGEST_WAIT_S: Final = 1e6  # what a lock and SQLite can count in

EngineOpener = Callable[..., Engine]


@strict
def open(  # noqa: A001  # `adjoin.open`, as in `gzip.open`
    target: str | os.PathLike[str], *, create: bool = True, write_timeout_s: float = 30.0
) -> Database:
    """Open a database: a folder by its path, `memory://`, or an engine by its URL.

    create: make the folder if it is not there. write_timeout_s: how long a write waits for another process's.
    Raises NotFound, NotAStore, NewerFormat or StoreCorrupted, with nothing changed, and Unsupported for a scheme
    that no installed engine serves.
    """
    if isinstance(write_timeout_s, bool) or not isinstance(write_timeout_s, int | float) or not write_timeout_s >= 0:
        raise InvalidOption(f"write_timeout_s is a number of seconds, 0 or more, not {write_timeout_s!r}.")
    write_timeout_s = min(write_timeout_s, _LONGEST_WAIT_S)
    place = os.fspath(target) if isinstance(target, str | os.PathLike) else None
    if not isinstance(place, str) or not place.strip() or "\0" in place or _has_surrogate(place):
        raise InvalidOption(f"open() takes a path or a URL, not {target!r}.")
    scheme, separator, _ = place.partition("://")
    if separator and scheme != "memory":
        return Database(_engine_of(scheme)(place, write_timeout_s=write_timeout_s))
    from adjoin.store.embedded import EmbeddedEngine

    return Database(EmbeddedEngine(None if separator else place, create=create, write_timeout_s=write_timeout_s))


_OWN_ENGINES: Final = {
    "postgresql": "adjoin.engines.postgres:PostgresEngine",
    "postgres": "adjoin.engines.postgres:PostgresEngine",
}
"""Those in this package, as pyproject.toml registers them: a source checkout knows them without being installed anew."""


def _engine_of(scheme: str) -> EngineOpener:
    """The opener that an installed package registered for the scheme in the group `adjoin.engines`, or our own."""
    known = entry_points(group="adjoin.engines")
    own = [EntryPoint(name, value, "adjoin.engines") for name, value in _OWN_ENGINES.items()]
    for point in (*known.select(name=scheme), *(point for point in own if point.name == scheme)):
        opener: EngineOpener = point.load()
        return opener
    schemes = sorted({"memory", *_OWN_ENGINES, *(point.name for point in known)})
    raise Unsupported(
        f"no installed engine opens {scheme}://. Known: {', '.join(name + '://' for name in schemes)}, and a folder's path."
    )


class Database:
    """Collections in one place. A context manager; `close` ends it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def location(self) -> str:
        return self._engine.location

    def collections(self) -> list[str]:
        """The names, sorted."""
        return [spec.name for spec in self._engine.collections()]

    @strict
    def collection(
        self,
        name: str,
        embedder: str | Embedder | None = KEEP,
        metric: Metric | Literal["(as stored)"] = KEEP,
        index: str = KEEP,
    ) -> Collection:
        """The collection of that name, made on first use.

        embedder: a name, an object with `identity`, `dim` and `embed`, or None where the user brings the vectors;
        for a new collection "default". metric: for a new collection "cosine". index: "auto", "flat", or another that
        the engine has.
        Raises IdentityMismatch if the embedder is not the one that the stored vectors came from, and InvalidOption
        if the metric or the index is another than stored.
        """
        name = _checked_name(name)
        stored = self._engine.spec(name)
        if stored is None:
            stored, get_embedder = self._create(name, embedder, metric, index)
        else:
            get_embedder = _matching(stored, embedder)
        _refuse_other(stored, "metric", stored.metric, metric)
        _refuse_other(stored, "index", stored.index, index)
        return Collection(self._engine, stored, get_embedder)

    def _create(self, name: str, embedder: Any, metric: str, index: str) -> tuple[CollectionSpec, Callable[[], Any]]:
        metric = "cosine" if metric == KEEP else metric
        index = "auto" if index == KEEP else index
        if not isinstance(metric, str) or metric not in self._engine.abilities.metrics:
            raise InvalidOption.unknown(
                "metric", metric, [known for known in METRICS if known in self._engine.abilities.metrics]
            )
        if index not in self._engine.abilities.indexes:
            raise InvalidOption.unknown("index", index, sorted(self._engine.abilities.indexes))
        embedder = "default" if isinstance(embedder, str) and embedder == KEEP else embedder
        if embedder is None:
            spec = CollectionSpec(name, metric, index=index)
            return self._engine.create(spec), lambda: None
        from adjoin.embed import embedder as find
        from adjoin.embed import with_canaries

        model = find(embedder)
        spec = CollectionSpec(
            name,
            metric,
            model.dim,
            _reopening_name(embedder),
            with_canaries(model).to_json(),
            index,
        )
        stored = self._engine.create(spec)
        return stored, _matching(stored, model)

    @strict
    def drop(self, name: str) -> None:
        """Remove a collection and all its rows. Raises NotFound if there is none of that name."""
        self._engine.drop(_checked_name(name))

    def close(self) -> None:
        """Let go of the files. What was acknowledged is on disk already. Closing twice does no harm."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Database({self.location!r})"


def _checked_name(name: object) -> str:
    """NFC, because a shell and a source file may spell the same Hangul differently."""
    if not isinstance(name, str) or not name.strip() or len(name) > 200 or _has_surrogate(name):
        raise InvalidOption(f"a collection's name is a text of 1 to 200 characters, not {name!r:.60}.")
    return unicodedata.normalize("NFC", name)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _refuse_other(spec: CollectionSpec, what: str, stored: str, given: str) -> None:
    if given not in (KEEP, stored):
        raise InvalidOption(
            f"collection {spec.name!r} has {what} {stored!r}, not {given!r}. Leave {what}= out, or make another collection."
        )


def _reopening_name(embedder: str | os.PathLike[str] | Embedder) -> str:
    """What finds the embedder again from any folder: a name, a model's path in full, or a note that only its owner can."""
    if not isinstance(embedder, str | os.PathLike):
        return f"object:{type(embedder).__qualname__}"
    text = os.fspath(embedder)
    is_name = text == "default" or text.startswith("hf:")
    return text if is_name else os.path.abspath(os.path.expanduser(text))


def _matching(spec: CollectionSpec, given: str | Embedder | None) -> Callable[[], Embedder | None]:
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
        return _Checked(spec, lambda: find(given), now=True)
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
