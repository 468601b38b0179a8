"""What every embedder is, and the checks on what goes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, get_args, runtime_checkable

from adjoin.errors import InvalidContent, InvalidOption
from adjoin.types import Content, Kind

if TYPE_CHECKING:
    from adjoin.embed.identity import Identity
    from adjoin.types import Floats

KINDS: tuple[Kind, ...] = get_args(Kind)


@runtime_checkable
class Embedder(Protocol):
    """Items in, one vector each out.

    Text embedders of this package also have `max_tokens`, `count_tokens(texts)`, `is_cut(texts)` and `truncated`.
    """

    @property
    def identity(self) -> Identity: ...

    @property
    def dim(self) -> int: ...

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors in the items' order, float32 of shape (len(items), dim)."""
        ...


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
        try:
            item.encode()
        except UnicodeEncodeError as exc:
            raise InvalidContent(
                f"item {position} has a lone surrogate {item[exc.start]!a} at character {exc.start}, which is not text. "
                'Decode its bytes again, or write item.encode("utf-8", "replace").decode().'
            ) from exc
        texts.append(item)
    return texts
