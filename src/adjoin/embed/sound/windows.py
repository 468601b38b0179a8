"""A clip cut into windows, so that a hit says where in the clip it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from adjoin.embed.sound.decode import clip_of
from adjoin.errors import InvalidOption
from adjoin.types import Item, Origin


def windows(path: str | os.PathLike[str], seconds: float = 2.0, hop: float = 1.0) -> Iterator[Item]:
    """Items that each are a window of a sound file: {"path", "seconds": [start, end]}, with that as their origin.

    seconds: the length of a window; hop: from one beginning to the next. The last reaches the
    end; a clip shorter than one window is one item. Reads the header alone; `collection.add(windows("clip.wav"))` streams.
    Raises UnreadableFile, InvalidOption.
    """
    if not (0 < seconds < float("inf") and 0 < hop < float("inf")):
        raise InvalidOption(f"seconds and hop are above 0, not {seconds!r} and {hop!r}.")
    name = str(Path(path).expanduser())
    clip = clip_of(name)
    length = clip.seconds
    return (_item(name, start, min(start + seconds, length)) for start in _starts(length, seconds, hop))


def _starts(length: float, seconds: float, hop: float) -> Iterator[float]:
    count = 0
    while (start := count * hop) + seconds < length:
        yield start
        count += 1
    yield max(0.0, length - seconds)


def _item(name: str, start: float, end: float) -> Item:
    start, end = round(start, 6), round(end, 6)
    return Item({"path": name, "seconds": [start, end]}, origin=Origin(file=name, seconds=(start, end)))
