"""The embedder of sounds: decode in blocks, describe, one clip a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from adjoin.embed.contents import Described
from adjoin.embed.sound import decode
from adjoin.types import Item, Origin

if TYPE_CHECKING:
    from adjoin.embed.identity import Identity
    from adjoin.embed.sound.decode import Clip
    from adjoin.types import Floats

LONGEST_WHOLE_S, WINDOW_S = 15.0, 10.0

Describe: TypeAlias = "Callable[[Clip], Floats]"
"""A clip to a vector (dim,); called from several threads."""


class SoundEmbedder(Described):
    """Sounds in, vectors out. A sound's vector is the same in any company, and for a document and a query.

    Items are paths, the bytes of files, (samples, rate), and windows of files {"path": …, "seconds": [start, end]}.
    """

    takes = "sound"
    what = "sounds"
    not_finite = "this sound's vector has NaN or infinity: are its samples far beyond 1?"

    def __init__(
        self, identity: Identity | Callable[[], Identity], load: Callable[[], Describe], *, workers: int | None = None
    ) -> None:
        """load: brings the describer into memory, by the first `embed`. workers: clips at once; the cores if None."""
        super().__init__(identity, load, workers)

    @property
    def canary_items(self) -> tuple[Any, ...]:
        """A rising tone with overtones and pauses, always the same."""
        return (canary(),)

    def _read(self, item: Any) -> Any:
        return decode.clip_of(item)

    def items_of(self, path: str) -> Iterator[Item]:
        """The file itself, or where it is longer than 15 s windows of 10 s every 5, so that a hit says where in it."""
        from adjoin.embed.sound.windows import windows

        if decode.clip_of(path).seconds <= LONGEST_WHOLE_S:
            return iter([Item(path, origin=Origin(file=path))])
        return windows(path, WINDOW_S, WINDOW_S / 2)

    def kept(self, item: Any) -> Any:
        """What a collection stores: a path as str, bytes and windows as they are, samples as a FLAC or WAV."""
        return decode.kept(item)

    def hash_of(self, item: Any) -> bytes:
        """16 bytes, equal for equal content and window, wherever the file lies."""
        return decode.hash_of(item)


def canary() -> tuple[Any, int]:
    """Two seconds at 16 kHz."""
    import numpy as np

    time = np.arange(32_000) / 16_000
    phase = 2 * np.pi * (200 * time + 300 * time**2)
    tone = sum(np.sin(phase * overtone) / overtone for overtone in (1, 2, 3, 5))
    return (tone * (0.5 + 0.5 * np.cos(2 * np.pi * 3 * time)) * 0.4).astype(np.float32), 16_000
