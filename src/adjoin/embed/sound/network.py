"""Speech through trained networks, by ONNX Runtime: who speaks, and what is said. Both are shipped.

One window a call and one thread a call, so that a vector depends on the clip alone; blocks are read as they are needed, so
that a clip of hours takes the memory of one of a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.identity import Identity
from adjoin.embed.sound.base import Describe, SoundEmbedder
from adjoin.embed.sound.decode import Clip
from adjoin.embed.sound.mel import RATE, Mel
from adjoin.errors import InvalidOption, UnreadableFile

if TYPE_CHECKING:
    from adjoin.types import Floats

MODELS: Final = Path(__file__).parents[1] / "models"
VOICE, SPEECH = MODELS / "voice", MODELS / "speech"

VOICE_DIM: Final = 256
VOICE_MEL: Final = Mel(RATE, 400, 160, 40)
VOICE_FRAMES, VOICE_STEP, VOICE_COVERED = 160, 77, 0.75
"""A window of 1.6 s, 1.3 of them a second; the last counts when three quarters of it are there. As resemblyzer has it."""
VOICE_DB: Final = -30.0
VOICE_QUIET: Final = 1e-3
"""Windows 30 dB below the mean power are pauses, and say nothing of a voice."""

SPEECH_FRAME_DIM: Final = 96
SPEECH_PARTS: Final = 4
SPEECH_DIM: Final = SPEECH_PARTS * SPEECH_FRAME_DIM
SPEECH_WINDOW, SPEECH_STEP, SPEECH_BANDS = 76, 8, 32
SPEECH_PAD: Final = 12_000
"""Silence put around a clip, so that its first and last sounds pass through the middle of a window too. For the same phrase by
another speaker, .75 s finds 79 of 100 where none finds 45."""
SPEECH_CHUNK: Final = 30 * RATE
SPEECH_HOP: Final = 160
MOST_FRAMES: Final = 4096
"""Of the network's frames that are held; a clip with more has several averaged into one first."""


def voice_embedder(*, workers: int | None = None) -> SoundEmbedder:
    """Who speaks: 256 dimensions of unit length, near for one speaker whatever is said.

    resemblyzer's speaker encoder over windows of 1.6 s, pauses left out, averaged. Clips are brought up to -30 dB first.
    Source: Wan et al., "Generalized End-to-End Loss for Speaker Verification", ICASSP 2018.
    Cost: about 90 times faster than the clip lasts on one core; a clip is read twice.
    """
    return SoundEmbedder(lambda: _identity(VOICE), _voice, workers=workers)


def speech_embedder(*, parts: int = SPEECH_PARTS, workers: int | None = None) -> SoundEmbedder:
    """What is said: parts · 96 dimensions of unit length, near for one phrase whoever says it.

    Google's speech_embedding makes 96 numbers every 80 ms; they are averaged over each of `parts` equal parts of the clip,
    so that the order of sounds counts, and their tempo does not. For words and short phrases.
    Cost: about 65 times faster than the clip lasts on one core.
    Source: Lin et al., "Training Keyword Spotters with Limited and Synthesized Speech Data", ICASSP 2020.
    """
    if isinstance(parts, bool) or not isinstance(parts, int) or not 1 <= parts <= 64:
        raise InvalidOption(f"parts is a whole number from 1 to 64, not {parts!r}.")
    if parts == SPEECH_PARTS:
        return SoundEmbedder(lambda: _identity(SPEECH), lambda: _speech(parts), workers=workers)
    from dataclasses import replace

    def identity() -> Identity:
        settings = {**_identity(SPEECH).settings, "parts": parts}
        return replace(_identity(SPEECH), dim=parts * SPEECH_FRAME_DIM, settings=settings, canary=())

    return SoundEmbedder(identity, lambda: _speech(parts), workers=workers)


def voice_settings() -> dict[str, Any]:
    return {"rate": RATE, "frames": VOICE_FRAMES, "step": VOICE_STEP, "covered": VOICE_COVERED, "level_db": VOICE_DB,
            "quiet": VOICE_QUIET}  # fmt: skip


def speech_settings() -> dict[str, Any]:
    return {"rate": RATE, "parts": SPEECH_PARTS, "pad": SPEECH_PAD, "window": SPEECH_WINDOW, "step": SPEECH_STEP}


def changed_files(folder: Path) -> list[str]:
    """Names of the shipped networks of `voice` or `speech` that are not those of their identity. Cost: reads them."""
    from adjoin.embed.hashes import sha256

    files = [
        folder / name for name in ("melspectrogram.onnx", "model.onnx") if folder == SPEECH or name == "model.onnx"
    ]
    there = all(file.is_file() for file in files)
    return [] if there and sha256(*files) == _identity(folder).weights else [file.name for file in files]


def _identity(folder: Path) -> Identity:
    return Identity.from_json((folder / "identity.json").read_text(encoding="utf-8"))


def _session(path: Path) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # ONNX Runtime has an exception class of its own for each status
        raise UnreadableFile(f"{path} cannot be run by ONNX Runtime: {exc}. Install adjoin again.") from exc


# ── Who speaks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _voice() -> Describe:
    import numpy as np

    session = _session(VOICE / "model.onnx")

    def describe(clip: Clip) -> Floats:
        samples, frames = Mean(), Mean()
        for mels in VOICE_MEL.power(_counted(clip.blocks(RATE), samples)):
            frames.add(float(mels.sum(dtype=np.float64)), len(mels))
        gain = max(1.0, 10 ** (VOICE_DB / 20) / samples.value**0.5) if samples.value > 1e-12 else 1.0
        quiet = VOICE_QUIET * frames.value * gain**2
        total, used, first = np.zeros(VOICE_DIM), 0, None
        for window, heard in _voice_windows(VOICE_MEL.power(block * np.float32(gain) for block in clip.blocks(RATE))):
            loud = float(heard.sum(axis=1).mean()) >= quiet
            if loud or first is None:
                vector = session.run(None, {"mels": window[None]})[0][0]
                first = vector if first is None else first
                if loud:
                    total += vector
                    used += 1
        if not used:
            assert first is not None
            total = first.astype(np.float64)
        unit: Floats = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
        return unit

    return describe


class Mean:
    """Of numbers that come as sums of several."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, total: float, count: int) -> None:
        self._sum += total
        self._count += count

    @property
    def value(self) -> float:
        return self._sum / max(self._count, 1)


def _counted(blocks: Iterable[Floats], power: Mean) -> Iterator[Floats]:
    """The blocks, their power added to the mean as they go by."""
    import numpy as np

    for block in blocks:
        power.add(float(np.square(block, dtype=np.float64).sum()), len(block))
        yield block


def _voice_windows(blocks: Iterable[Floats]) -> Iterator[tuple[Floats, Floats]]:
    """(160, 40) of mel power every 77 frames, and what of it is no padding; the last only if it is covered well enough."""
    import numpy as np

    held = np.zeros((0, VOICE_MEL.n_mels), np.float32)
    given = 0
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= VOICE_FRAMES:
            yield held[:VOICE_FRAMES], held[:VOICE_FRAMES]
            given += 1
            held = held[VOICE_STEP:]
    if len(held) >= VOICE_COVERED * VOICE_FRAMES or not given:
        yield np.pad(held, ((0, VOICE_FRAMES - len(held)), (0, 0))), held


# ── What is said ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _speech(parts: int) -> Describe:
    import numpy as np

    spectrum, network = _session(SPEECH / "melspectrogram.onnx"), _session(SPEECH / "model.onnx")

    def describe(clip: Clip) -> Floats:
        expected = clip.seconds * RATE + 2 * SPEECH_PAD
        group = max(1, round(expected / (SPEECH_STEP * SPEECH_HOP) / MOST_FRAMES))
        frames = np.stack([*_grouped(_speech_frames(clip, spectrum, network), group)])
        vector = _pooled(frames, parts).reshape(-1)
        unit: Floats = (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)
        return unit

    return describe


def _speech_frames(clip: Clip, spectrum: Any, network: Any) -> Iterator[Floats]:
    """(96,) for each 80 ms of the clip and the silence around it."""
    import numpy as np

    held = np.zeros((0, SPEECH_BANDS), np.float32)
    for chunk in _chunks(clip.blocks(RATE)):
        bands = spectrum.run(None, {"input": (chunk * np.float32(32767))[None]})[0].reshape(-1, SPEECH_BANDS)
        held = np.concatenate([held, (bands / 10 + 2).astype(np.float32, copy=False)])
        while len(held) >= SPEECH_WINDOW:
            yield network.run(None, {"input_1": held[None, :SPEECH_WINDOW, :, None]})[0].reshape(SPEECH_FRAME_DIM)
            held = held[SPEECH_STEP:]


def _chunks(blocks: Iterable[Floats]) -> Iterator[Floats]:
    """The padded clip in chunks of half a minute whose frames of the spectrogram join without gap or overlap.

    The spectrogram has 1 + (n - 512) // 160 frames, each cut 80 dB below the loudest of its chunk."""
    import numpy as np

    overlap = 512 - SPEECH_HOP
    padding = np.zeros(SPEECH_PAD, np.float32)
    held = padding
    for block in _then(blocks, padding):
        held = np.concatenate([held, block])
        while len(held) >= SPEECH_CHUNK + overlap + 2 * SPEECH_PAD:  # so that the last chunk is never a scrap
            yield held[: SPEECH_CHUNK + overlap]
            held = held[SPEECH_CHUNK:]
    yield held


def _then(blocks: Iterable[Floats], last: Floats) -> Iterator[Floats]:
    yield from blocks
    yield last


def _grouped(frames: Iterable[Floats], size: int) -> Iterator[Floats]:
    """Means of so many frames each."""
    import numpy as np

    group: list[Floats] = []
    for frame in frames:
        group.append(frame)
        if len(group) == size:
            yield np.mean(group, axis=0)
            group = []
    if group:
        yield np.mean(group, axis=0)


def _pooled(frames: Floats, parts: int) -> Any:
    """(parts, dim): means over equal parts of (n, dim), a frame counting in two where a border goes through it."""
    import numpy as np

    count = len(frames)
    sums = np.concatenate([np.zeros((1, frames.shape[1])), np.cumsum(frames, axis=0, dtype=np.float64)])
    edges = np.linspace(0, count, parts + 1)
    whole = np.minimum(edges.astype(int), count - 1)
    until = sums[whole] + (edges - whole)[:, None] * frames[whole]
    return (until[1:] - until[:-1]) * (parts / count)
