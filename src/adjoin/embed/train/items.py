"""From pictures and clips to the small arrays that networks learn from."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from adjoin.embed.sound.decode import clip_of

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

    from adjoin.embed.images import decode

    image = decode.rgb(item)
    if image.size != (size, size):
        sampling = decode.pillow().Resampling
        image = image.resize((size, size), sampling.BOX if min(image.size) > size else sampling.BILINEAR)
    return np.asarray(image)


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

    clip = clip_of(item)
    first = replace(clip, last=min(clip.last, clip.first + math.ceil(seconds * clip.rate)))
    decibels = log_mel(first.samples(), clip.rate)
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
    """How long a clip is. Reads its header alone."""
    return clip_of(item).seconds
