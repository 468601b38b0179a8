"""A user's own embedder, its answers checked before they reach a collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from adjoin.embed.base import Embedder, check_kind
from adjoin.embed.identity import Identity
from adjoin.errors import DimensionMismatch, InvalidOption, InvalidVector
from adjoin.types import Content, Kind

if TYPE_CHECKING:
    from adjoin.types import Floats


def checked(given: Any) -> Embedder:
    """The object itself if it is one of this package's, else wrapped.

    Raises InvalidOption naming what it lacks.
    """
    if isinstance(given, CheckedEmbedder) or type(given).__module__.startswith("adjoin.embed."):
        return cast("Embedder", given)
    missing = [name for name in ("identity", "dim", "embed") if not hasattr(given, name)]
    if missing or not callable(given.embed):
        raise InvalidOption(
            f"{type(given).__name__} is no embedder: it lacks {', '.join(missing) or 'a method embed'}. "
            "An embedder has `identity`, `dim` and `embed(items, kind)`."
        )
    return CheckedEmbedder(given)


class CheckedEmbedder:
    """Passes items on, and refuses an answer that is no finite float matrix of the promised shape.

    A str as `identity` stands for all parts; its canary vectors show when the model changed and the str did not.
    """

    def __init__(self, given: Any) -> None:
        dim, identity = given.dim, given.identity
        if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
            raise InvalidOption(f"{type(given).__name__}.dim must be a whole number of at least 1, not {dim!r}.")
        if not isinstance(identity, Identity | str) or not identity:
            raise InvalidOption(
                f"{type(given).__name__}.identity must be an Identity or a str that is not empty, not {identity!r:.80}."
            )
        self._given = given
        self._dim = dim
        self._identity = (
            identity if isinstance(identity, Identity) else Identity(identity, identity, dim, normalize=False)
        )
        if self._identity.dim != dim:
            raise InvalidOption(f"{type(given).__name__} has dim {dim}, and its identity says {self._identity.dim}.")

    @property
    def identity(self) -> Identity:
        return self._identity

    @property
    def dim(self) -> int:
        return self._dim

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Raises DimensionMismatch or InvalidVector naming the item whose vector is wrong, and what `embed` raises."""
        import numpy as np

        check_kind(kind)
        items = list(items)
        if not items:
            return np.empty((0, self._dim), dtype=np.float32)
        answer = self._given.embed(items, kind)
        return vectors_of(answer, len(items), self._dim, self._identity.name)

    def __getattr__(self, name: str) -> Any:
        """What else the object has, such as `max_tokens` and `count_tokens`."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._given, name)

    def __repr__(self) -> str:
        return f"CheckedEmbedder({self._given!r})"


def vectors_of(answer: Any, count: int, dim: int, whose: str) -> Floats:
    """What another's code answered for so many items, float32 (count, dim), every number finite. whose: in messages.

    Raises InvalidVector, DimensionMismatch.
    """
    import numpy as np

    try:
        vectors: Floats = np.asarray(answer, dtype=np.float32)
    except (TypeError, ValueError) as exc:
        raise InvalidVector(f"{whose} answered what is no matrix of numbers: {exc}") from exc
    if vectors.shape != (count, dim):
        raise DimensionMismatch(
            f"{whose} answered {count} items with an array of shape {vectors.shape}; its dim of {dim} promises ({count}, {dim})."
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InvalidVector(f"{whose} gave item {int(finite.argmin())} a vector with NaN or infinity.")
    return vectors
