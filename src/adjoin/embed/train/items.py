"""From pictures and clips to the small arrays that networks learn from."""

from __future__ import annotations

import hashlib
import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adjoin.errors import InvalidContent, MissingExtra, UnreadableFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adjoin.types import Floats

    Pixels = NDArray[np.uint8]

MELS: Final = 64
LOWEST_HZ, HIGHEST_HZ = 50.0, 8_000.0
WINDOW_S, HOP_S = 0.032, 0.010
FLOOR_DB: Final = 80.0
"""How far below a clip's loudest the quietest is that counts."""


def picture(item: object, size: int) -> Pixels:
    """Any picture as (size, size, 3). Raises InvalidContent, UnreadableFile, MissingExtra."""
    import numpy as np

    pixels = _as_array(item)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[:2] != (size, size):
        image = _pillow().fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        resized = np.asarray(
            image.resize(
                (size, size), _pillow().Resampling.BOX if min(image.size) > size else _pillow().Resampling.BILINEAR
            )
        )
        pixels = resized[:, :, None] if resized.ndim == 2 else resized
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _as_array(item: object) -> Pixels:
    """A picture's pixels, (h, w) or (h, w, 3). item: an array (h, w[, 1 | 3 | 4]) of uint8, uint16, bool, or floats from 0 to
    1; a PIL image, a path, or a file's bytes."""
    import numpy as np

    if isinstance(item, str | os.PathLike | bytes | bytearray):
        item = _opened(item)
    if hasattr(item, "convert") and hasattr(item, "getbands"):
        if "A" in item.getbands() or "transparency" in getattr(item, "info", {}):
            clear = item.convert("RGBA")
            item = _pillow().alpha_composite(_pillow().new("RGBA", clear.size, "white"), clear)
        return np.asarray(item.convert("RGB"))
    try:
        given = np.asarray(item)
    except ValueError as exc:
        raise InvalidContent(f"a {type(item).__name__} is no picture.") from exc
    if given.ndim == 3 and given.shape[2] == 1:
        given = given[:, :, 0]
    if given.ndim not in (2, 3) or (given.ndim == 3 and given.shape[2] not in (3, 4)) or 0 in given.shape:
        raise InvalidContent(
            f"an array of shape {given.shape} is no picture: (height, width), and 3 or 4 channels behind."
        )
    if given.ndim == 3 and given.shape[2] == 4:
        given = given[:, :, :3]
    if given.dtype == np.uint8:
        return given
    if given.dtype == np.bool_:
        return given.astype(np.uint8) * np.uint8(255)
    if given.dtype == np.uint16:
        return (given >> 8).astype(np.uint8)
    if given.dtype.kind != "f":
        raise InvalidContent(f"a picture is of uint8, uint16, bool or floats from 0 to 1, not {given.dtype}.")
    if not np.isfinite(given).all():
        raise InvalidContent("an array with NaN or infinity is no picture.")
    if given.min() < 0 or given.max() > 1:
        raise InvalidContent(
            f"a picture of floats has values from 0 to 1; this one from {given.min():g} to {given.max():g}. Divide by its range."
        )
    return (given * 255 + 0.5).astype(np.uint8)


def _opened(item: Any) -> Any:
    image_module = _pillow()
    name = f"{len(item):,} bytes" if isinstance(item, bytes | bytearray) else str(item)
    try:
        image = image_module.open(io.BytesIO(item) if isinstance(item, bytes | bytearray) else Path(item).expanduser())
        image.load()
    except Exception as exc:  # damaged files make its plugins raise nearly anything
        raise UnreadableFile(f"{name} cannot be read as a picture: {exc}") from exc
    return image


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as exc:
        raise MissingExtra.of("pillow", "images", "Reading and resizing pictures") from exc
    return Image


def clip(item: object) -> tuple[Floats, int]:
    """A clip as mono samples (n,) and its rate in Hz. item: (samples, rate), a path, or a file's bytes."""
    import numpy as np

    if isinstance(item, str | os.PathLike | bytes | bytearray):
        item = _decoded(item)
    if not (isinstance(item, tuple | list) and len(item) == 2):
        raise InvalidContent(f"a {type(item).__name__} is no clip: give (samples, rate), a path, or a file's bytes.")
    given, rate = np.asarray(item[0]), int(item[1])
    if given.ndim not in (1, 2) or given.size == 0 or given.dtype.kind not in "fiu":
        raise InvalidContent(
            f"samples of shape {given.shape} and {given.dtype} are no clip: (n,) or (n, channels) of numbers."
        )
    if not 100 <= rate <= 768_000:
        raise InvalidContent(f"a sample rate of {rate} Hz is not between 100 and 768,000.")
    samples = given.astype(np.float32) / (1 if given.dtype.kind == "f" else float(np.iinfo(given.dtype).max))
    if not np.isfinite(samples).all():
        raise InvalidContent("a clip with NaN or infinity cannot be heard.")
    return (samples.mean(axis=1) if samples.ndim == 2 else samples), rate


def _decoded(item: Any) -> tuple[Any, int]:
    try:
        import soundfile
    except ImportError as exc:
        raise MissingExtra.of("soundfile", "audio", "Reading clips from files") from exc
    name = f"{len(item):,} bytes" if isinstance(item, bytes | bytearray) else str(item)
    try:
        samples, rate = soundfile.read(
            io.BytesIO(item) if isinstance(item, bytes | bytearray) else str(Path(item).expanduser()), dtype="float32"
        )
    except Exception as exc:  # the library has an exception of its own, and RuntimeError
        raise UnreadableFile(f"{name} cannot be read as sound: {exc}") from exc
    return samples, int(rate)


def log_mel(samples: Floats, rate: int) -> Floats:
    """Log-mel spectrogram in decibels below the loudest, (MELS, frames), from -80 to 0; silence is all -80.

    Windows of 32 ms every 10 ms; bands from 50 Hz to 8 kHz, those above half the rate empty, so that clips of any rate can
    be compared. Cost: O(n log n); frames are made in blocks, so that memory is bounded by the result and the samples.
    """
    import numpy as np

    width, hop = max(16, round(rate * WINDOW_S)), max(1, round(rate * HOP_S))
    fft = 1 << max(9, math.ceil(math.log2(width)))
    samples = np.pad(samples, (width // 2, width - width // 2))
    frames = 1 + (len(samples) - width) // hop
    banks, window = mel_bands(rate, fft), np.hanning(width + 1)[:-1].astype(np.float32)
    power = np.empty((MELS, frames), dtype=np.float32)
    views = np.lib.stride_tricks.sliding_window_view(samples, width)[::hop]
    for start in range(0, frames, 2048):
        spectrum = np.abs(np.fft.rfft(views[start : start + 2048] * window, fft, axis=1)) ** 2
        power[:, start : start + 2048] = (spectrum @ banks.T).T
    loudest = float(power.max())
    if loudest <= 1e-10:
        return np.full_like(power, -FLOOR_DB)
    decibels: Floats = np.maximum(10 * np.log10(np.maximum(power / loudest, 1e-12)), -FLOOR_DB)
    return decibels


def mel_bands(rate: int, fft: int) -> Floats:
    """Triangles on the mel scale, each of area 1, (MELS, fft / 2 + 1). Source: Stevens et al., 1937; O'Shaughnessy, 1987."""
    import numpy as np

    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (LOWEST_HZ, HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, MELS + 2) / 2595) - 1)
    bins = np.arange(fft // 2 + 1) * rate / fft
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bands = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return np.asarray(bands, dtype=np.float32)


def spectrogram(item: object, size: int, seconds: float) -> Pixels:
    """A clip's log-mel spectrogram as a picture (size, size, 1), low pitch at the top.

    The first `seconds` are seen; a shorter clip is followed by silence. Raises InvalidContent, UnreadableFile, MissingExtra.
    """
    import numpy as np

    samples, rate = clip(item)
    decibels = log_mel(samples[: math.ceil(seconds * rate)], rate)
    frames = max(size, round(seconds / HOP_S))
    seen = np.full((MELS, frames), -FLOOR_DB, dtype=np.float32)
    seen[:, : min(frames, decibels.shape[1])] = decibels[:, :frames]
    return _averaged(_averaged((seen / FLOOR_DB + 1) * 255, size, 1), size, 0).round().astype(np.uint8)[:, :, None]


def _averaged(values: Floats, count: int, axis: int) -> Floats:
    """As many means of neighbours along the axis; a row stands twice where there are fewer than `count`."""
    import numpy as np

    length = values.shape[axis]
    starts = np.arange(count) * length // count
    ends = np.maximum(starts + 1, (np.arange(count) + 1) * length // count)
    before = np.concatenate([np.zeros_like(values.take([0], axis)), values.cumsum(axis, dtype=np.float64)], axis)
    sums = before.take(ends, axis) - before.take(starts, axis)
    shape = [1, 1]
    shape[axis] = count
    return np.asarray(sums / (ends - starts).reshape(shape), dtype=np.float32)


def seconds_of(item: object) -> float:
    """How long a clip is. Reads it."""
    samples, rate = clip(item)
    return len(samples) / rate


def hash_of(item: object) -> bytes:
    """16 bytes, equal for equal content: of a file's bytes wherever it lies, or of an array's numbers."""
    import numpy as np

    digest = hashlib.blake2b(digest_size=16)
    if isinstance(item, str | os.PathLike):
        try:
            with Path(item).expanduser().open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as exc:
            raise UnreadableFile(f"{item} cannot be read: {exc.strerror or exc}.") from exc
    elif isinstance(item, bytes | bytearray):
        digest.update(item)
    else:
        parts = item if isinstance(item, tuple | list) and len(item) == 2 else (item,)
        for part in parts:
            array = np.ascontiguousarray(part)
            digest.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return digest.digest()


def kept(item: Any) -> Any:
    """What a collection stores: a path as str, bytes as they are, pixels as a PNG, samples as a WAV."""
    if isinstance(item, str | bytes):
        return item
    if isinstance(item, os.PathLike):
        return str(item)
    target = io.BytesIO()
    if isinstance(item, tuple | list):
        try:
            import soundfile
        except ImportError as exc:
            raise MissingExtra.of("soundfile", "audio", "Storing clips that came as samples") from exc
        samples, rate = clip(item)
        soundfile.write(target, samples, rate, format="WAV", subtype="FLOAT")
        return target.getvalue()
    _pillow().fromarray(_as_array(item)).save(target, "PNG")
    return target.getvalue()
