"""Sounds by statistics of their spectrogram: no network, nothing learned. And by a picture network over the spectrogram.

sound        what is loud, how it varies and how fast, and how long it lasts: 264 numbers from 64 mel bands
mfcc         the classic: means and deviations of cepstral coefficients
spectrogram  the spectrogram taken as a picture, and the statistics beside it
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.identity import Identity
from adjoin.embed.sound.base import Describe, SoundEmbedder
from adjoin.embed.sound.mel import FAINTEST, RATE, TOP_DB, Mel, cosine_transform
from adjoin.errors import InvalidOption

if TYPE_CHECKING:
    from adjoin.embed.sound.decode import Clip
    from adjoin.types import Floats

MEL: Final = Mel(RATE, 400, 160, 64)
MFCC_MEL: Final = Mel(22_050, 2048, 512, 128)
LENGTH_COPIES: Final = 8
"""The clip's length counts as much as so many bands."""
SCALES: Final = {"mean": (-45.0, 20.0), "deviation": (12.0, 8.0), "peak": (-25.0, 15.0), "change": (3.0, 2.0)}
"""(middle, width) in dB: about what these are over speech, music and noises, so that all count about the same."""
HELD_BYTES: Final = 1 << 24
"""Of a spectrogram that are held, 11 minutes of `sound`; a longer clip is read twice instead."""
BEGINNING_FRAMES: Final = 200
PICTURE_FRAMES: Final = 1024
"""A longer clip's spectrogram is averaged down to so many frames before it becomes a picture."""


def sound_embedder(*, workers: int | None = None) -> SoundEmbedder:
    """For each of 64 mel bands the mean and the highest level below the clip's loudest, the level's deviation, and its mean change
    from one hundredth of a second to the next, in dB and scaled; and the logarithm of the length. 264 dimensions.

    How loud a clip is as a whole does not count. Silence has a vector of its own. For cosine or euclidean.
    Cost: some 900 times faster than the clip lasts on one core.
    """
    settings = {"rate": RATE, "bands": MEL.n_mels, "window": MEL.n_fft, "hop": MEL.hop, "top_db": TOP_DB,
                "scales": {name: list(pair) for name, pair in SCALES.items()}, "length": LENGTH_COPIES}  # fmt: skip
    identity = Identity("sound", "log-mel-statistics", _SOUND_DIM, normalize=False, settings=settings)
    return SoundEmbedder(identity, lambda: sound_vector, workers=workers)


def mfcc_embedder(*, coefficients: int = 20, deviations: bool = True, workers: int | None = None) -> SoundEmbedder:
    """Means of mel-frequency cepstral coefficients over a clip, and behind them their standard deviations.

    2 · coefficients dimensions; as librosa.feature.mfcc at 22,050 samples a second gives them. deviations: False leaves the
    means alone. Source: Davis and Mermelstein, IEEE ASSP 1980.
    Cost: some 500 times faster than the clip lasts on one core.
    """
    if isinstance(coefficients, bool) or not isinstance(coefficients, int) or not 1 <= coefficients <= MFCC_MEL.n_mels:
        raise InvalidOption(f"coefficients is a whole number from 1 to {MFCC_MEL.n_mels}, not {coefficients!r}.")
    settings = {"rate": MFCC_MEL.rate, "bands": MFCC_MEL.n_mels, "window": MFCC_MEL.n_fft, "hop": MFCC_MEL.hop,
                "coefficients": coefficients, "deviations": bool(deviations)}  # fmt: skip
    identity = Identity("mfcc", "mfcc", coefficients * (2 if deviations else 1), normalize=False, settings=settings)
    return SoundEmbedder(identity, lambda: _mfcc_describer(coefficients, deviations), workers=workers)


def spectrogram_embedder(*, over: str = "image", statistics: float = 1.0, workers: int | None = None) -> SoundEmbedder:
    """The log-mel spectrogram as a picture through an image embedder, and the statistics of `sound`; of unit length.

    Two pictures: of the whole clip, which tells how it goes, and of its first two seconds, where time has one scale. over: the
    image embedder's name or path. statistics: their weight beside the pictures, from 0. A clip of more than ten seconds has
    its frames averaged down to 1,024 first; cut long clips into `windows`.
    """
    from adjoin.embed.contents import Lazy
    from adjoin.embed.registry import embedder

    if isinstance(statistics, bool) or not isinstance(statistics, int | float) or not 0 <= statistics < float("inf"):
        raise InvalidOption(f"statistics is a weight from 0, not {statistics!r}.")
    eye: Lazy[Any] = Lazy(lambda: embedder(over))
    if getattr(eye.get(), "takes", "text") != "image":
        raise InvalidOption(f"over={over!r} takes {getattr(eye.get(), 'takes', 'text')}; give an embedder of pictures.")

    def identity() -> Identity:
        from dataclasses import asdict

        seen = eye.get().identity
        settings = {"over": {name: value for name, value in asdict(seen).items() if name not in ("name", "canary")},
                    "statistics": statistics, "frames": PICTURE_FRAMES, "beginning": BEGINNING_FRAMES, "top_db": TOP_DB}  # fmt: skip
        return Identity("spectrogram", f"spectrogram over {seen.model}", 2 * seen.dim + (_SOUND_DIM if statistics else 0),
                        weights=seen.weights, settings=settings)  # fmt: skip

    return SoundEmbedder(identity, lambda: _spectrogram_describer(eye.get(), float(statistics)), workers=workers)


_SOUND_DIM: Final = len(SCALES) * MEL.n_mels + LENGTH_COPIES


class Levels:
    """The decibels of a clip's spectrogram, block by block, as often as they are asked for; cut below its loudest."""

    def __init__(self, mel: Mel, clip: Clip) -> None:
        """Reads the clip once, for its loudest; keeps the frames while they are few."""
        self._mel, self._clip = mel, clip
        self._held: list[Floats] | None = []
        self.loudest, self.frames = -float("inf"), 0
        for block in mel.db(clip.blocks(mel.rate)):
            self.loudest = max(self.loudest, float(block.max()))
            self.frames += len(block)
            if self._held is not None:
                self._held = [*self._held, block] if self.frames * block[0].nbytes <= HELD_BYTES else None

    @property
    def silent(self) -> bool:
        import math

        return self.loudest <= 10 * math.log10(FAINTEST) + 1e-3

    def blocks(self) -> Iterator[Floats]:
        """(frames, bands) a block, from loudest - 80 to loudest."""
        import numpy as np

        source = self._mel.db(self._clip.blocks(self._mel.rate)) if self._held is None else iter(self._held)
        floor = np.float32(self.loudest - TOP_DB)
        return (np.maximum(block, floor) for block in source)


class Moments:
    """Mean and deviation of rows that come block by block, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Any = 0.0
        self._squares: Any = 0.0
        self._origin: Any = None

    def add(self, rows: Any) -> None:
        import numpy as np

        values = np.array(rows, np.float64)
        if self._origin is None:
            self._origin = values[0].copy()  # sums of small numbers lose nothing to cancellation
        values -= self._origin
        self.count += len(values)
        self._sum = self._sum + values.sum(axis=0)
        self._squares = self._squares + np.square(values).sum(axis=0)

    @property
    def mean(self) -> Any:
        return self._origin + self._sum / self.count

    @property
    def deviation(self) -> Any:
        import numpy as np

        mean = self._sum / self.count
        return np.sqrt(np.maximum(self._squares / self.count - mean * mean, 0.0))


def sound_vector(clip: Clip) -> Floats:
    """(264,) of a clip. See `sound_embedder`."""
    return _sound_vector(Levels(MEL, clip))


def _sound_vector(levels: Levels) -> Floats:
    import numpy as np

    moments, change, steps, last = Moments(), np.zeros(MEL.n_mels), 0, None
    peak = np.full(MEL.n_mels, -np.inf)
    reference = levels.loudest + (TOP_DB if levels.silent else 0.0)  # silence lies at the bottom, where nothing else is
    for block in levels.blocks():
        below = block - np.float32(reference)
        moments.add(below)
        peak = np.maximum(peak, below.max(axis=0))
        joined = below if last is None else np.concatenate([last, below])
        change += np.abs(np.diff(joined, axis=0)).sum(axis=0, dtype=np.float64)
        steps += len(joined) - 1
        last = below[-1:]
    parts = {"mean": moments.mean, "deviation": moments.deviation, "peak": peak, "change": change / max(steps, 1)}
    scaled = [(parts[name] - middle) / width for name, (middle, width) in SCALES.items()]
    length = np.full(LENGTH_COPIES, np.log2(levels.frames * MEL.hop / RATE))
    vector: Floats = np.concatenate([*scaled, length]).astype(np.float32)
    return vector


def _mfcc_describer(coefficients: int, deviations: bool) -> Describe:
    import numpy as np

    def describe(clip: Clip) -> Floats:
        moments = Moments()
        for block in Levels(MFCC_MEL, clip).blocks():
            moments.add(cosine_transform(block.astype(np.float64), coefficients))
        parts = [moments.mean, moments.deviation] if deviations else [moments.mean]
        vector: Floats = np.concatenate(parts).astype(np.float32)
        return vector

    return describe


def _spectrogram_describer(eye: Any, weight: float) -> Describe:
    import numpy as np

    def see(picture: Floats) -> Floats:
        return _unit(eye.embed([picture])[0]) * np.float32(0.5**0.5)

    def describe(clip: Clip) -> Floats:
        levels = Levels(MEL, clip)
        whole = _picture(levels)
        parts = [see(whole), see(whole if levels.frames == BEGINNING_FRAMES else _beginning(levels))]
        if weight:
            parts.append(np.float32(weight) * _unit(_sound_vector(levels)))
        return _unit(np.concatenate(parts))

    return describe


def _picture(levels: Levels) -> Floats:
    """(bands, frames) from 0 to 1: time to the right, high pitch above."""
    import numpy as np

    if levels.silent:
        return np.zeros((MEL.n_mels, min(levels.frames, PICTURE_FRAMES)), np.float32)
    size = -(-levels.frames // PICTURE_FRAMES)
    rows, held = [], np.zeros((0, MEL.n_mels), np.float32)
    for block in levels.blocks():
        held = np.concatenate([held, _shade(block, levels)])
        full = len(held) // size * size
        rows.append(held[:full].reshape(-1, size, MEL.n_mels).mean(axis=1))
        held = held[full:]
    if len(held):
        rows.append(held.mean(axis=0, keepdims=True))
    picture: Floats = np.ascontiguousarray(np.concatenate(rows).T[::-1])
    return picture


def _beginning(levels: Levels) -> Floats:
    """(bands, 200): the first two seconds, with silence behind a shorter clip."""
    import numpy as np

    picture = np.zeros((MEL.n_mels, BEGINNING_FRAMES), np.float32)
    done = 0
    for block in levels.blocks():
        rows = block[: BEGINNING_FRAMES - done]
        if not levels.silent:
            picture[:, done : done + len(rows)] = _shade(rows, levels).T[::-1]
        done += len(rows)
        if done == BEGINNING_FRAMES:
            break
    return picture


def _shade(block: Floats, levels: Levels) -> Floats:
    """From 0, 80 dB below the loudest, to 1."""
    import numpy as np

    shade: Floats = np.clip((block - np.float32(levels.loudest)) / np.float32(TOP_DB) + np.float32(1), 0, 1)
    return shade


def _unit(vector: Any) -> Floats:
    import numpy as np

    unit: Floats = (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)
    return unit
