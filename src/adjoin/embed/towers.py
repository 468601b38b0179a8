"""Texts and pictures in one space: a text finds the pictures that it describes, where two towers were trained together.

Of such a model, CLIP for one (Radford et al., 2021), export each tower to ONNX: the texts' with its projection as
`sentence_embedding`, the pictures' as any network that `image` takes with `path=`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adjoin.embed.base import Embedder, check_kind, renumbered
from adjoin.embed.identity import CANARY_TEXTS, Identity
from adjoin.errors import InvalidOption
from adjoin.hashing import hash_text
from adjoin.types import Content, Kind

if TYPE_CHECKING:
    from adjoin.types import Floats


class JointEmbedder:
    """Texts by one embedder and pictures by another, whose vectors are comparable.

    A str is a picture when it is the path of a file that is there, and else a text; paths, bytes, PIL images and arrays are
    pictures.
    """

    takes = "image"
    takes_arrays = True

    def __init__(self, text: Embedder, image: Embedder) -> None:
        """Raises InvalidOption for towers of different dimensions, or what takes other things."""
        if getattr(text, "takes", "text") != "text" or getattr(image, "takes", "") != "image":
            raise InvalidOption("joint takes text=, an embedder of texts, and image=, one of pictures.")
        if text.dim != image.dim:
            raise InvalidOption(
                f"the texts' vectors have {text.dim} dimensions and the pictures' {image.dim}: these towers were not trained "
                "together."
            )
        self._text, self._image = text, image
        self.reopened_by: str | None = None

    @property
    def dim(self) -> int:
        return self._image.dim

    @property
    def identity(self) -> Identity:
        parts = {"text": self._text.identity, "image": self._image.identity}
        return Identity(
            self.reopened_by or "joint", f"joint({parts['text'].model}, {parts['image'].model})", self.dim, normalize=False,
            settings={name: part.fingerprint for name, part in parts.items()},
        )  # fmt: skip

    @property
    def canary_items(self) -> tuple[Any, ...]:
        return (*CANARY_TEXTS[:1], *getattr(self._image, "canary_items", ()))

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors in the items' order, float32 of shape (len(items), dim). Raises what the two raise, by the item's place."""
        import numpy as np

        from adjoin.embed.contents import check_list

        check_kind(kind)
        given = check_list(items, "texts and pictures")
        vectors = np.empty((len(given), self.dim), np.float32)
        texts = [place for place, item in enumerate(given) if _is_text(item)]
        pictures = [place for place, item in enumerate(given) if not _is_text(item)]
        for tower, places in ((self._text, texts), (self._image, pictures)):
            if places:
                with renumbered(places):
                    vectors[places] = tower.embed([given[place] for place in places], kind)
        return vectors

    def kept(self, item: Any) -> Any:
        """What a collection stores: a text as it is, a picture as its embedder says."""
        keep = getattr(self._image, "kept", None)
        return item if _is_text(item) or keep is None else keep(item)

    def hash_of(self, item: Any) -> bytes | None:
        """16 bytes, equal for equal content."""
        if _is_text(item):
            return hash_text(item)
        own = getattr(self._image, "hash_of", None)
        return own(item) if own is not None else None

    def __repr__(self) -> str:
        return f"JointEmbedder({self._text!r}, {self._image!r})"


def joint(text: Embedder | str | Path, image: Embedder | str | Path) -> JointEmbedder:
    """Two towers as one embedder. text, image: embedders, or what `adjoin.embedder` finds them by."""
    from adjoin.embed.registry import embedder

    made = JointEmbedder(embedder(text), embedder(image))
    names = [getattr(part, "reopened_by", None) for part in (made._text, made._image)]
    if None not in names:
        import json

        made.reopened_by = f"joint {json.dumps(dict(zip(('text', 'image'), names, strict=True)), ensure_ascii=False)}"
    return made


def joint_embedder(*, text: Embedder | str | Path, image: Embedder | str | Path) -> JointEmbedder:
    """`joint` by name."""
    return joint(text, image)


def _is_text(item: Any) -> bool:
    return isinstance(item, str) and not (
        len(item) < 4096 and "\0" not in item and os.path.isfile(os.path.expanduser(item))
    )
