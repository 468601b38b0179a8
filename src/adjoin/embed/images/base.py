"""The embedder of pictures: decode, describe, one picture a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from adjoin.embed.contents import Described
from adjoin.embed.images import decode

if TYPE_CHECKING:
    from PIL.Image import Image

    from adjoin.embed.identity import Identity
    from adjoin.types import Floats, Metric

Describe: TypeAlias = "Callable[[Image], Floats]"
"""An RGB image to a vector (dim,); called from several threads."""


class ImageEmbedder(Described):
    """Pictures in, vectors out. A picture's vector is the same in any company, and for a document and a query.

    Items are paths, the bytes of files, PIL images, and arrays (height, width[, 3 | 4]).
    """

    takes = "image"
    what = "pictures"
    not_finite = "the network gave this picture a vector with NaN or infinity."
    takes_arrays = True

    def __init__(
        self, identity: Identity | Callable[[], Identity], load: Callable[[], Describe], *, about: int | None = None,
        metric: Metric = "cosine", workers: int | None = None,
    ) -> None:  # fmt: skip
        """load: brings the describer into memory, by the first `embed`. about: the side in pixels that it needs.
        workers: pictures at once; as many as there are cores if None."""
        super().__init__(identity, load, workers)
        self.metric: Metric = metric
        self._about = about

    @property
    def canary_items(self) -> tuple[Any, ...]:
        """A picture with slopes, edges and colours, always the same."""
        return (canary(),)

    def _read(self, item: Any) -> Any:
        return decode.rgb(item, about=self._about)

    def kept(self, item: Any) -> Any:
        """What a collection stores: a path as str, bytes as they are, pixels as a PNG."""
        return decode.kept(item)

    def hash_of(self, item: Any) -> bytes:
        """16 bytes, equal for equal content, wherever the file lies."""
        return decode.hash_of(item)


def canary() -> Any:
    """(96, 128, 3) of uint8, by whole-number arithmetic, so that it is the same on every machine."""
    import numpy as np

    y, x = np.mgrid[0:96, 0:128]
    red = x * 255 // 127
    green = y * 255 // 95
    blue = np.where((x // 16 + y // 16) % 2, 200, 40)
    disc = (x - 80) ** 2 + (y - 40) ** 2 < 25**2
    return np.stack([np.where(disc, 230, red), np.where(disc, 60, green), np.where(disc, 30, blue)], 2).astype(np.uint8)
