"""Text fields, by any embedder of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from adjoin.embed.records.kind import Kind, shown
from adjoin.errors import InvalidOption

if TYPE_CHECKING:
    from adjoin.embed.base import Embedder
    from adjoin.embed.records.kind import Array


class Text(Kind):
    """Words, embedded by meaning. embedder: a name that `adjoin.embedder` takes, or an embedder of texts."""

    name = "text"
    aliases = ("string", "words")

    def __init__(self, *, embedder: Any = "default") -> None:
        from adjoin.embed.registry import embedder as find

        self._embedder: Embedder = find(embedder)
        takes = getattr(self._embedder, "takes", "text")
        if takes != "text":
            raise InvalidOption(f"the embedder of a text field takes {takes}, not text.")
        self._name = embedder if isinstance(embedder, str) else None

    def again(self) -> Text:
        """Another field's, with the same embedder."""
        other = Text(embedder=self._embedder)
        other._name = self._name
        return other

    @property
    def embedder(self) -> Embedder:
        return self._embedder

    @property
    def options(self) -> dict[str, Any]:
        """Raises InvalidOption where the embedder cannot be found again by a name."""
        name = getattr(self._embedder, "reopened_by", None) or self._name
        if name is None:
            raise InvalidOption(
                "a text field's embedder is an object that no name finds again, so this cannot be saved. Save that embedder "
                "first, or give its name."
            )
        return {"embedder": name}

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} is {type(value).__name__}, not text")
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            raise ValueError(f"the text has a lone surrogate {value[exc.start]!a} at character {exc.start}") from None
        return value

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        if not len(values):
            return np.empty((0, self._embedder.dim))
        # Always as documents: a record that is asked for lies where the same record is kept.
        return np.asarray(self._embedder.embed(list(values), "document"), np.float64)

    def typical(self) -> Any:
        return "The river froze early that winter."
