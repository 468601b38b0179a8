"""From a path, a file's bytes, samples or a window of a file to mono float32, a block at a time.

A clip of hours takes no more memory than one of seconds: it is decoded, mixed down and resampled in blocks.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.contents import hash_of_file, hash_of_parts, path_of, refuse_no_file
from adjoin.errors import InvalidContent, MissingExtra, UnreadableFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.types import Floats

BLOCK: Final = 1 << 16
"""Frames decoded at once."""
SLOWEST, FASTEST = 1_000, 768_000
MOST_CHANNELS: Final = 64


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound that has been looked at and not decoded.

    rate: frames a second, of `channels` values each. first, last: the frames that the clip has of its source.
    """

    source: Path | bytes | Any
    name: str
    rate: int
    channels: int
    first: int
    last: int

    @property
    def frames(self) -> int:
        return self.last - self.first

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def blocks(self, rate: int | None = None) -> Iterator[Floats]:
        """Mono samples in float32, usually from -1 to 1, a block at a time. rate: resampled to it; the clip's own if None.

        Raises UnreadableFile where the data is damaged, InvalidContent for NaN and infinity.
        """
        mono = self._mono()
        return mono if rate is None or rate == self.rate else _resampled(mono, self.rate, rate)

    def samples(self, rate: int | None = None) -> Floats:
        """All of `blocks` in one array; for short clips."""
        import numpy as np

        return np.concatenate([np.zeros(0, np.float32), *self.blocks(rate)])

    def raw(self) -> Iterator[Floats]:
        """Blocks of shape (frames, channels) in float32, as they are in the source."""
        import numpy as np

        if isinstance(self.source, Path | bytes):
            yield from self._decoded()
            return
        for start in range(self.first, self.last, BLOCK):
            yield np.asarray(self.source[start : min(start + BLOCK, self.last)], np.float32)

    def _mono(self) -> Iterator[Floats]:
        import numpy as np

        for block in self.raw():
            mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
            if not np.isfinite(mono).all():
                raise InvalidContent(f"{self.name} has NaN or infinity among its samples.")
            yield mono

    def _decoded(self) -> Iterator[Floats]:
        import soundfile

        source = self.source if isinstance(self.source, Path) else io.BytesIO(self.source)
        found = 0
        try:
            with soundfile.SoundFile(source) as file:
                if self.first:
                    file.seek(self.first)
                while found < self.frames:
                    block = file.read(min(BLOCK, self.frames - found), dtype="float32", always_2d=True)
                    if not len(block):
                        break
                    found += len(block)
                    yield block
        except (soundfile.LibsndfileError, OSError, RuntimeError) as exc:
            raise UnreadableFile(
                f"{self.name} is damaged or cut short after {found / self.rate:.1f} s: {exc}. Get the file again, or leave it out."
            ) from exc
        if not found:
            raise UnreadableFile(f"{self.name} has no samples that can be read.")


def clip_of(item: object) -> Clip:
    """The clip that an item means, its header read.

    item: a path, the bytes of a file (WAV, FLAC, OGG, MP3 and what else libsndfile reads), (samples, rate) with samples of
    shape (n,) or (n, channels), or {"path": …, "seconds": [start, end]}.
    Raises UnreadableFile for a file that is missing or no sound, InvalidContent for what is no sound, or an empty one.
    """
    if isinstance(item, Clip):
        return item
    if isinstance(item, Mapping):
        return _window(item)
    path = path_of(item)
    if path is not None:
        refuse_no_file(path, "sound")
        return _from_file(path, f"the sound {path.name!r}")
    if isinstance(item, bytes | bytearray | memoryview):
        return _from_file(bytes(item), f"the sound of {len(item):,} bytes")
    if isinstance(item, tuple) and len(item) == 2:
        return _from_samples(*item)
    raise InvalidContent(
        f"a {type(item).__name__} is no sound. Give a path, the bytes of a file, (samples, rate), or "
        '{"path": …, "seconds": [start, end]}.'
    )


def kept(item: Any) -> Any:
    """What a collection stores: a path as str, bytes and windows as they are, samples as a file (FLAC, or WAV of floats)."""
    if isinstance(item, os.PathLike):
        return str(item)
    if isinstance(item, Mapping):
        return {key: str(value) if isinstance(value, os.PathLike) else value for key, value in item.items()}
    if isinstance(item, bytearray | memoryview):
        return bytes(item)
    if isinstance(item, tuple):
        return _as_file(clip_of(item))
    return item


def hash_of(item: Any) -> bytes:
    """16 bytes: equal for equal content and window, wherever the file lies."""
    if isinstance(item, Mapping):
        clip = _window(item)
        assert isinstance(clip.source, Path)
        return hash_of_file(clip.source, "sound", [clip.first, clip.last])
    path = path_of(item)
    if path is not None:
        return hash_of_file(path, "sound")
    if isinstance(item, bytes | bytearray | memoryview):
        return hashlib.blake2b(item, digest_size=16).digest()
    clip = clip_of(item)
    return hash_of_parts(clip.rate, clip.channels, *(block.tobytes() for block in clip.raw()))


def soundfile_package() -> Any:
    """Raises MissingExtra."""
    try:
        import soundfile
    except (ImportError, OSError) as exc:  # OSError: the package is there and libsndfile is not
        raise MissingExtra.of("soundfile", "audio", "Reading sounds") from exc
    return soundfile


def _from_file(source: Path | bytes, name: str) -> Clip:
    soundfile = soundfile_package()
    try:
        with soundfile.SoundFile(source if isinstance(source, Path) else io.BytesIO(source)) as file:
            rate, channels, frames = int(file.samplerate), int(file.channels), int(file.frames)
    except (soundfile.LibsndfileError, OSError, RuntimeError, TypeError) as exc:
        raise UnreadableFile(
            f"{name} is no sound in a format that is read here (WAV, FLAC, OGG, MP3, AIFF …): {exc} Convert it first."
        ) from exc
    _check(name, rate, channels, frames)
    return Clip(source, name, rate, channels, 0, frames)


def _from_samples(samples: Any, rate: Any) -> Clip:
    import numpy as np

    name = "the sound of samples"
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer):
        raise InvalidContent(
            f"(samples, rate) has a whole number of samples a second, not {rate!r:.40}. soundfile.read gives both."
        )
    try:
        given = np.asarray(samples)
    except ValueError as exc:
        raise InvalidContent(f"{name} is no array: {exc}") from exc
    if given.ndim not in (1, 2) or given.dtype.kind not in "fiu":
        raise InvalidContent(
            f"samples have the shape (n,) or (n, channels) and are numbers, not {given.shape} of {given.dtype}."
        )
    if given.ndim == 2 and given.shape[1] > MOST_CHANNELS >= given.shape[0]:
        raise InvalidContent(f"samples of shape {given.shape} look like (channels, n). Pass samples.T.")
    values = _floats(given)
    values = values[:, None] if values.ndim == 1 else values
    _check(name, int(rate), values.shape[1], len(values))
    return Clip(values, name, int(rate), values.shape[1], 0, len(values))


def _floats(given: NDArray[Any]) -> Floats:
    """Whole numbers by their dtype's range, as files have them; unsigned bytes around 128."""
    import numpy as np

    if given.dtype.kind == "f":
        return given.astype(np.float32, copy=False)
    half = 2.0 ** (8 * given.dtype.itemsize - 1)
    signed: Floats = ((given - half if given.dtype.kind == "u" else given) / half).astype(np.float32)
    return signed


def _window(item: Mapping[str, Any]) -> Clip:
    odd = set(item) - {"path", "seconds"}
    if odd or not isinstance(item.get("path"), str | os.PathLike):
        raise InvalidContent(
            f'a window of a sound is {{"path": …, "seconds": [start, end]}}, not a dict with {sorted(map(str, item))}.'
        )
    whole = clip_of(item["path"])
    if item.get("seconds") is None:
        return whole
    try:
        start, end = (float(value) for value in item["seconds"])
    except (TypeError, ValueError) as exc:
        raise InvalidContent(f"seconds is [start, end], not {item['seconds']!r:.60}.") from exc
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        raise InvalidContent(f"seconds is [start, end] with 0 ≤ start < end, not [{start:g}, {end:g}].")
    first, last = round(start * whole.rate), min(round(end * whole.rate), whole.last)
    if first >= last:
        raise InvalidContent(f"{whole.name} lasts {whole.seconds:.2f} s; there is nothing from {start:g} s on.")
    return Clip(whole.source, whole.name, whole.rate, whole.channels, first, last)


def _check(name: str, rate: int, channels: int, frames: int) -> None:
    if not SLOWEST <= rate <= FASTEST:
        raise InvalidContent(f"{name} has {rate:,} samples a second; {SLOWEST:,} to {FASTEST:,} are taken.")
    if not 1 <= channels <= MOST_CHANNELS:
        raise InvalidContent(f"{name} has {channels} channels; up to {MOST_CHANNELS} are taken.")
    if frames < 1:
        raise InvalidContent(f"{name} is empty: it has no samples.")


def _resampled(blocks: Iterator[Floats], rate: int, wanted: int) -> Iterator[Floats]:
    try:
        import soxr
    except ImportError as exc:
        raise MissingExtra.of("soxr", "audio", f"Resampling from {rate:,} to {wanted:,} samples a second") from exc
    import numpy as np

    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
    for block in blocks:
        made = stream.resample_chunk(np.ascontiguousarray(block))
        if len(made):
            yield made
    made = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    if len(made):
        yield made


def _as_file(clip: Clip) -> bytes:
    """FLAC of 24 bits, or WAV of floats where samples go beyond 1 or FLAC has no such rate or channels."""
    import numpy as np

    soundfile = soundfile_package()
    samples = np.concatenate([*clip.raw()])
    if not np.isfinite(samples).all():
        raise InvalidContent(f"{clip.name} has NaN or infinity among its samples.")
    flac = np.abs(samples).max() < 1 and clip.rate <= 192_000 and clip.channels <= 8
    target = io.BytesIO()
    soundfile.write(target, samples, clip.rate, format="FLAC" if flac else "WAV", subtype="PCM_24" if flac else "FLOAT")
    return target.getvalue()
