"""Mel spectrograms and cepstral coefficients, block by block, by librosa's formulas.

librosa itself brings Numba and LLVM, some 150 MB; what is used of it here is a Fourier transform of frames, two matrices
and a logarithm. The tests compare with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.sound.decode import clip_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adjoin.types import Floats

RATE: Final = 16_000
TOP_DB: Final = 80.0
FAINTEST: Final = 1e-10
"""Power that counts as silence: -100 dB."""


@dataclass(frozen=True, slots=True)
class Mel:
    """How a spectrogram is made: `n_mels` triangles, each of equal area, from `fmin` to `fmax` on Slaney's mel scale.

    rate: samples a second. n_fft: samples a frame, under a Hann window. hop: samples from one frame to the next. Frames
    are centred on their time, with zeros before the beginning and behind the end: 1 + n // hop frames of n samples.
    Source: Slaney, "Auditory Toolbox", 1998; as librosa.feature.melspectrogram with its own defaults.
    """

    rate: int = RATE
    n_fft: int = 400
    hop: int = 160
    n_mels: int = 64
    fmin: float = 0.0
    fmax: float | None = None

    def power(self, blocks: Iterable[Floats]) -> Iterator[Floats]:
        """Mel power of mono samples at `rate`, (frames, n_mels) a block. Memory: that of a block."""
        import numpy as np

        ramps = _ramps(self)
        window = _hann(self.n_fft)
        for frames in self._frames(blocks):
            spectrum = np.fft.rfft(frames * window, axis=1)  # (frames, 1 + n_fft // 2)
            power = spectrum.real**2 + spectrum.imag**2
            yield ramps.sums(power).astype(np.float32, copy=False)

    def db(self, blocks: Iterable[Floats]) -> Iterator[Floats]:
        """Mel power in decibels, -100 at the least."""
        import numpy as np

        for power in self.power(blocks):
            yield np.float32(10) * np.log10(np.maximum(power, np.float32(FAINTEST)))

    def _frames(self, blocks: Iterable[Floats]) -> Iterator[Floats]:
        import numpy as np

        pending = np.zeros(self.n_fft // 2, np.float32)
        for block in self._with_end(blocks):
            for start in range(0, len(block), _CUT):
                pending = np.concatenate([pending, block[start : start + _CUT]])
                count = (len(pending) - self.n_fft) // self.hop + 1
                if count > 0:
                    views = np.lib.stride_tricks.sliding_window_view(pending, self.n_fft)
                    yield views[: (count - 1) * self.hop + 1 : self.hop]
                    pending = pending[count * self.hop :]

    def _with_end(self, blocks: Iterable[Floats]) -> Iterator[Floats]:
        import numpy as np

        yield from blocks
        yield np.zeros(self.n_fft // 2, np.float32)


_CUT: Final = 1 << 16


@lru_cache(maxsize=16)
def mel_filters(mel: Mel) -> Floats:
    """(n_mels, 1 + n_fft // 2): triangles between neighbouring mels, of equal area."""
    import numpy as np

    frequencies = np.fft.rfftfreq(mel.n_fft, 1 / mel.rate)
    edges = _edges(mel)
    widths = np.diff(edges)
    ramps = edges[:, None] - frequencies
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    filters: Floats = triangles * (2 / (edges[2:] - edges[:-2])).astype(np.float32)[:, None]
    return filters


class _Ramps:
    """The product with `mel_filters`, of which each frequency touches two: the one that rises there, and the one that falls.

    A matrix product has sixty times as much to multiply, and shares it out among threads that wait for each other at each
    block; where another program has the second core, that takes ten times as long.
    """

    def __init__(self, mel: Mel) -> None:
        import numpy as np

        filters = mel_filters(mel)
        self._bands = len(filters)
        frequencies = np.fft.rfftfreq(mel.n_fft, 1 / mel.rate)
        between = np.searchsorted(_edges(mel), frequencies, side="right") - 1  # 0 where the first band rises
        inside = (between >= 0) & (between <= self._bands)
        here = np.flatnonzero(inside)
        self._touched = slice(int(here[0]), int(here[-1]) + 1) if len(here) else slice(0)
        between = between[here]
        padded = np.concatenate([filters, np.zeros_like(filters[:1])])  # so that -1 and the number of bands are zero
        self._rising, self._falling = padded[between, here], padded[between - 1, here]
        self._parts, self._starts = np.unique(between, return_index=True)

    def sums(self, power: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """(frames, frequencies) to (frames, bands)."""
        import numpy as np

        sums = np.zeros((len(power), self._bands + 2), power.dtype)
        if len(self._starts):
            part = power[:, self._touched]
            sums[:, self._parts + 1] = np.add.reduceat(part * self._rising, self._starts, axis=1)
            sums[:, self._parts] += np.add.reduceat(part * self._falling, self._starts, axis=1)
        return sums[:, 1:-1]


@lru_cache(maxsize=16)
def _ramps(mel: Mel) -> _Ramps:
    return _Ramps(mel)


def band_centres(mel: Mel) -> Any:
    """Hertz in the middle of each band, (n_mels,)."""
    return _edges(mel)[1:-1]


def _edges(mel: Mel) -> Any:
    """Hertz where bands begin, have their middle and end, (n_mels + 2,): each is all three, of neighbours."""
    import numpy as np

    low, high = _mels(np.array([mel.fmin, mel.fmax or mel.rate / 2]))
    return _hertz(np.linspace(low, high, mel.n_mels + 2))


def spectrogram(item: Any, *, rate: int = RATE, mels: int = 64, hop_s: float = 0.01, window_s: float = 0.025) -> Floats:
    """The log-mel spectrogram of a sound as a picture: float32 (frames, mels), 1 where it is loudest, 0 from 80 dB below.

    item: whatever a sound embedder takes. Time runs down, pitch to the right; any image embedder takes it as it is.
    hop_s, window_s: seconds from frame to frame, and in one. Memory: the result, 4 · mels / hop_s bytes a second.
    """
    import numpy as np

    mel = Mel(rate, max(2, round(rate * window_s)), max(1, round(rate * hop_s)), mels)
    db = np.concatenate([*mel.db(clip_of(item).blocks(rate))])
    if db.max() <= 10 * np.log10(FAINTEST):
        return np.zeros_like(db)
    shown: Floats = np.clip((db - db.max()) / np.float32(TOP_DB) + np.float32(1), 0, 1)
    return shown


def mfcc(
    item: Any, *, rate: int = 22_050, n_mfcc: int = 20, n_fft: int = 2048, hop: int = 512, n_mels: int = 128
) -> Floats:
    """Mel-frequency cepstral coefficients of a sound, float32 (frames, n_mfcc): librosa.feature.mfcc, transposed.

    The orthonormal cosine transform (type II) of the mel power in decibels, cut at 80 below the loudest.
    Source: Davis and Mermelstein, IEEE ASSP 1980. Memory: the result, and the spectrogram of n_mels.
    """
    import numpy as np

    db = np.concatenate([*Mel(rate, n_fft, hop, n_mels).db(clip_of(item).blocks(rate))])
    cut = np.maximum(db, db.max() - np.float32(TOP_DB)).astype(np.float64)
    coefficients: Floats = cosine_transform(cut, n_mfcc).astype(np.float32)
    return coefficients


def cosine_transform(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The first `count` coefficients of each row, (n, count). By a loop of its own, not shared out, as in `_Ramps`."""
    import numpy as np

    found: NDArray[np.float64] = np.einsum("ij,kj->ik", rows, dct_matrix(count, rows.shape[1]))
    return found


@lru_cache(maxsize=16)
def dct_matrix(count: int, length: int) -> NDArray[np.float64]:
    """(count, length): the first rows of the orthonormal cosine transform of type II."""
    import numpy as np

    k, n = np.arange(count)[:, None], np.arange(length)[None, :]
    matrix = np.sqrt(2 / length) * np.cos(np.pi * k * (2 * n + 1) / (2 * length))
    matrix[0] /= np.sqrt(2)
    found: NDArray[np.float64] = matrix
    return found


@lru_cache(maxsize=16)
def _hann(length: int) -> Floats:
    """Periodic, as for spectra."""
    import numpy as np

    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


_LINEAR_HZ: Final = 200 / 3  # a mel, up to 1 kHz
_BREAK_HZ: Final = 1000.0


def _mels(hertz: Any) -> Any:
    import numpy as np

    step = np.log(6.4) / 27
    return np.where(hertz < _BREAK_HZ, hertz / _LINEAR_HZ,
                    _BREAK_HZ / _LINEAR_HZ + np.log(np.maximum(hertz, 1e-9) / _BREAK_HZ) / step)  # fmt: skip


def _hertz(mels: Any) -> Any:
    import numpy as np

    step = np.log(6.4) / 27
    knee = _BREAK_HZ / _LINEAR_HZ
    return np.where(mels < knee, mels * _LINEAR_HZ, _BREAK_HZ * np.exp(step * (mels - knee)))
