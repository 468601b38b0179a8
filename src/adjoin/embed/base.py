"""What every embedder is, and the checks on what goes in."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, get_args, runtime_checkable

from adjoin.errors import AdjoinError, InvalidContent, InvalidInput, InvalidOption, UnreadableFile
from adjoin.frames import frame_rows, is_frame
from adjoin.types import Content, Kind, Progress, shown

if TYPE_CHECKING:
    from adjoin.embed.identity import Identity
    from adjoin.types import Floats

KINDS: tuple[Kind, ...] = get_args(Kind)


@runtime_checkable
class Embedder(Protocol):
    """Items in, one vector each out.

    An embedder may also have
    `max_tokens`, `count_tokens(texts)`, `is_cut(texts)`, `truncated`: those of texts that are read up to a length;
    `metric`: what a collection compares its vectors by where none is named; "cosine" where it is not said;
    `takes`: what its items are, "text" where it is not said; "image", "sound", "record" …;
    `canary_items`: items whose vectors stand in its identity, where it does not take texts;
    `kept(item)`: what a collection stores of an item, where that is not the item: the path of a picture, its bytes;
    `hash_of(item)`: 16 bytes that are equal when two items are, by which a vector is found again instead of computed;
    `items_of(path)`: the items that a file is cut into, where it is not one: the windows of a clip;
    `takes_arrays`: True where an array of two or more dimensions is an item, such as a picture, and no vector;
    `reopened_by`: the name or path by which `adjoin.embedder` finds it again; None where only its owner can.
    """

    @property
    def identity(self) -> Identity: ...

    @property
    def dim(self) -> int: ...

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors in the items' order, float32 of shape (len(items), dim)."""
        ...


class Identified:
    """An embedder that finds its identity out when it is first asked for."""

    def __init__(self, identity: Identity | Callable[[], Identity]) -> None:
        self._identity = identity
        self.reopened_by: str | None = None

    @property
    def identity(self) -> Identity:
        if callable(self._identity):
            self._identity = self._identity()
        return self._identity

    @property
    def dim(self) -> int:
        return self.identity.dim


class Trainable(Embedder, Protocol):
    """An embedder that must see data first. Before `fit`, `embed` raises NotFitted."""

    def fit(
        self, items: Iterable[Content], labels: Sequence[Any] | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn from the items; returns itself."""
        ...

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder that `adjoin.embedder(path)` loads."""
        ...


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that could not be embedded. position: in the call, from 0."""

    position: int
    item: str
    error: AdjoinError

    def __str__(self) -> str:
        return f"item {self.position} ({self.item}): {self.error}"


def embed_all(
    embedder: Embedder, items: Sequence[Content], kind: Kind = "document"
) -> tuple[Floats, list[int], list[Refused]]:
    """Vectors of the items that can be embedded, (m, dim), their positions, and those refused by name.

    Cost: that of `embed`, and for each refused item some log2(n) further calls that find it.
    """
    import numpy as np

    items = list(frame_rows(items)) if is_frame(items) else items
    vectors: list[Floats] = []
    places: list[int] = []
    refused: list[Refused] = []

    def embed(start: int, end: int) -> None:
        try:
            vectors.append(embedder.embed(items[start:end], kind))
            places.extend(range(start, end))
        except (InvalidInput, UnreadableFile) as error:
            if end - start == 1:
                refused.append(Refused(start, shown(items[start], 60), error))
                return
            middle = (start + end) // 2
            embed(start, middle)
            embed(middle, end)

    if items:
        embed(0, len(items))
    empty = np.empty((0, embedder.dim), np.float32)
    return (np.concatenate(vectors) if vectors else empty), places, refused


_ITEM = re.compile(r"\bitem (\d+)\b")


@contextlib.contextmanager
def renumbered(places: Sequence[int]) -> Iterator[None]:
    """Where an error says `item N`, let N be that item's place outside: places[N]."""
    try:
        yield
    except (InvalidInput, UnreadableFile) as exc:
        if exc.args and isinstance(exc.args[0], str):
            number = _ITEM.search(exc.args[0])
            if number and int(number[1]) < len(places):
                said = exc.args[0]
                exc.args = (f"{said[: number.start(1)]}{places[int(number[1])]}{said[number.end(1) :]}", *exc.args[1:])
        raise


def check_kind(kind: str) -> None:
    """Raise InvalidOption unless the kind is one of KINDS."""
    if kind not in KINDS:
        raise InvalidOption.unknown("kind", kind, KINDS)


def check_texts(items: Sequence[Content]) -> list[str]:
    """The items as a list of str. Raises InvalidContent naming the first that is not well-formed text.

    A lone str is refused: as a sequence of characters it would embed each of them.
    """
    if isinstance(items, str | bytes):
        raise InvalidContent(f"embed() takes a list of texts, not one {type(items).__name__}. Write embed([text]).")
    texts: list[str] = []
    for position, item in enumerate(items):
        if not isinstance(item, str):
            raise InvalidContent(
                f"item {position} is {type(item).__name__}, and this embedder takes str. Nothing of the call was embedded."
            )
        check_well_formed(item, position)
        texts.append(item)
    return texts


def check_well_formed(text: str, position: int) -> None:
    """Raise InvalidContent, naming the item by its position, for a lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidContent(
            f"item {position} has a lone surrogate {text[exc.start]!a} at character {exc.start}, which is not text. "
            'Decode its bytes again, or write item.encode("utf-8", "replace").decode().'
        ) from exc
