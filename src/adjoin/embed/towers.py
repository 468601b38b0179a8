"""Texts and pictures in one space: a text finds the pictures that it describes, where two towers were trained together.

CLIP is such a model (Radford et al., ICML 2021). It is run from ONNX as the hub has it, or by PyTorch through transformers, or
as any two embedders.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.base import Embedder, check_kind, renumbered
from adjoin.embed.identity import CANARY_TEXTS, Identity
from adjoin.errors import InvalidOption, NotFound
from adjoin.hashing import hash_text
from adjoin.types import Content, Kind

if TYPE_CHECKING:
    from adjoin.types import Floats

_READS, _SEES, _WHERE = "text_model.onnx", "vision_model.onnx", ("", "onnx/")
_TORCH: Final = "transformers:"


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


def joint(
    text: Embedder | str | Path | None = None,
    image: Embedder | str | Path | None = None,
    *,
    model: str | Path | None = None,
) -> JointEmbedder:
    """Two towers that were trained together, as one embedder.

    model: a folder with both in ONNX, as the hub has them (`text_model.onnx` and `vision_model.onnx`, there or in `onnx/`,
    `tokenizer.json`, `config.json`, `preprocessor_config.json`); `hf:ORG/NAME` for such a one; `transformers:NAME`, or
    `transformers:` and a folder, for one that PyTorch runs. Or text, image: embedders, or what `adjoin.embedder` finds them by.
    Raises NotFound, Unsupported, MissingExtra for a model, InvalidOption for towers that do not go together.
    """
    from adjoin.embed.registry import embedder

    if (model is None) == (text is None and image is None):
        raise InvalidOption("joint takes model=, or text= and image=.")
    if model is not None:
        made = JointEmbedder(*_towers(model))
        named = {
            "model": str(model) if str(model).startswith(("hf:", _TORCH)) else str(Path(model).expanduser().absolute())
        }
        made.reopened_by = _written(named)
        return made
    if text is None or image is None:
        raise InvalidOption("joint takes both text= and image=.")
    made = JointEmbedder(embedder(text), embedder(image))
    names = [getattr(part, "reopened_by", None) for part in (made._text, made._image)]
    if None not in names:
        made.reopened_by = _written(dict(zip(("text", "image"), names, strict=True)))
    return made


def joint_embedder(
    *,
    text: Embedder | str | Path | None = None,
    image: Embedder | str | Path | None = None,
    model: str | Path | None = None,
) -> JointEmbedder:
    """`joint` by name."""
    return joint(text, image, model=model)


def _written(options: dict[str, Any]) -> str:
    return f"joint {json.dumps(options, ensure_ascii=False)}"


def _towers(model: str | Path) -> tuple[Embedder, Embedder]:
    if str(model).startswith(_TORCH):
        from adjoin.embed.torch_towers import torch_towers

        return torch_towers(str(model).removeprefix(_TORCH))
    if str(model).startswith("hf:"):
        from adjoin.embed.hub import hub_folder

        folder = hub_folder(str(model), tuple(f"{where}{name}*" for where in _WHERE for name in (_READS, _SEES)))
    else:
        folder = Path(model).expanduser()
    from adjoin.embed.folder import text_tower
    from adjoin.embed.images.network import image_embedder

    for where in _WHERE:
        reads, sees = folder / where / _READS, folder / where / _SEES
        if reads.is_file() and sees.is_file():
            return text_tower(folder, reads, str(model)), image_embedder(path=sees, output="image_embeds")
    raise NotFound(
        f"{folder} has no {_READS} and {_SEES}, there or in onnx/. For a model of PyTorch write transformers:NAME."
    )


def _is_text(item: Any) -> bool:
    return isinstance(item, str) and not (
        len(item) < 4096 and "\0" not in item and os.path.isfile(os.path.expanduser(item))
    )
