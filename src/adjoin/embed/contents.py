"""What pictures and sounds have in common: an item is a path, the bytes of a file, or something in memory."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar
from weakref import WeakSet

from adjoin.embed.base import Identified, check_kind
from adjoin.embed.workers import Workers
from adjoin.errors import AdjoinError, InvalidContent, UnreadableFile

if TYPE_CHECKING:
    from adjoin.embed.identity import Identity
    from adjoin.types import Content, Floats, Kind

HASH_BYTES: Final = 16
_BLOCK: Final = 1 << 20
T = TypeVar("T")


def path_of(item: object) -> Path | None:
    """The path that an item names; None for another kind of item."""
    return Path(item).expanduser() if isinstance(item, str | os.PathLike) else None


def refuse_no_file(path: Path, what: str) -> None:
    """Raises UnreadableFile unless there is a file. what: `picture`, `sound`."""
    try:
        there, is_folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):  # a name that no file system takes: too long, or with a null in it
        there, is_folder = False, False
    if not there:
        why = "is a folder" if is_folder else "is not there"
        raise UnreadableFile(
            f"the {what} {_shown(path)} {why}. A str is taken as a path; pass bytes for a file's content."
        )


def hash_of_file(path: Path, what: str, extra: object = None) -> bytes:
    """16 bytes of BLAKE2b over a file's content, and over `extra`, plain JSON, where it is not None."""
    refuse_no_file(path, what)
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as exc:
        raise UnreadableFile(f"the {what} {_shown(path)} cannot be read: {exc.strerror or exc}.") from exc
    if extra is not None:
        digest.update(json.dumps(extra, sort_keys=True).encode())
    return digest.digest()


def hash_of_parts(*parts: object) -> bytes:
    """16 bytes of BLAKE2b over bytes-like parts; what is no bytes counts by its repr."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for part in parts:
        data = part if isinstance(part, bytes | bytearray | memoryview) else repr(part).encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


def check_list(items: Sequence[Any], what: str) -> list[Any]:
    """The items as a list; one item that was not put in a list is refused. what: `pictures`, `sounds`."""
    one = what.removesuffix("s")
    if isinstance(items, str | bytes | bytearray | os.PathLike | dict) or hasattr(items, "__array_interface__"):
        raise InvalidContent(f"embed() takes a list of {what}, not one {type(items).__name__}. Write embed([{one}]).")
    try:
        return list(items)
    except TypeError as exc:
        raise InvalidContent(
            f"embed() takes a list of {what}, not {type(items).__name__}. Write embed([{one}])."
        ) from exc


def each(workers: Workers, items: Sequence[Any], function: Callable[[int, Any], None]) -> None:
    """Call function(place, item) for all, several at once. Raises what the first bad item raised, with its place in front."""
    failed: dict[int, AdjoinError] = {}

    def one(place: int) -> None:
        try:
            function(place, items[place])
        except (InvalidContent, UnreadableFile) as error:
            failed[place] = error
            raise

    try:
        workers.run(one, range(len(items)))
    except (InvalidContent, UnreadableFile):
        place = min(failed)
        error = failed[place]
        raise type(error)(f"item {place}: {error} Nothing of the call was embedded.") from error


def _shown(path: Path) -> str:
    text = str(path)
    return repr(text if len(text) <= 200 else text[:199] + "…")


class Lazy(Generic[T]):
    """Something that is loaded when it is first needed: once, whoever asks, and anew in a forked child."""

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._held: T | None = None
        self._lock = threading.Lock()
        _living.add(self)

    def get(self) -> T:
        with self._lock:
            if self._held is None:
                self._held = self._load()
            return self._held

    def forget(self) -> None:
        self._held = None
        self._lock = threading.Lock()  # the old one may be held by a thread that a forked child does not have


_living: WeakSet[Lazy[Any]] = WeakSet()


def _after_fork() -> None:
    for lazy in list(_living):
        lazy.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Described(Identified):
    """An embedder that reads one item a call and describes it; many items at once.

    what: the items in a message, many of them. not_finite: what is said of a vector with NaN or infinity.
    """

    what: ClassVar[str]
    not_finite: ClassVar[str]

    def __init__(
        self,
        identity: Identity | Callable[[], Identity],
        load: Callable[[], Callable[[Any], Floats]],
        workers: int | None,
    ) -> None:
        """load: brings the describer into memory, by the first `embed`. workers: items at once; the cores if None."""
        super().__init__(identity)
        self._describe = Lazy(load)
        self._workers = Workers(workers)

    def _read(self, item: Any) -> Any:
        """The item as the describer takes it. Raises InvalidContent or UnreadableFile."""
        raise NotImplementedError

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors in the items' order, float32 of shape (len(items), dim).

        Raises UnreadableFile or InvalidContent naming the first item that cannot be read; then none is embedded.
        Memory: the result, and a decoded picture or some blocks of a clip a worker, however long it is.
        """
        import numpy as np

        check_kind(kind)
        given = check_list(items, self.what)
        vectors = np.empty((len(given), self.dim), np.float32)
        if not given:
            return vectors
        describe = self._describe.get()

        def one(place: int, item: Any) -> None:
            vector = describe(self._read(item))
            if not np.isfinite(vector).all():
                raise InvalidContent(self.not_finite)
            vectors[place] = vector

        each(self._workers, given, one)
        return vectors

    def close(self) -> None:
        """Let go of the network and the threads. A later call loads them again."""
        self._describe.forget()
        self._workers.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity})"
