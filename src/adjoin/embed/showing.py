"""A sound or a picture to be looked at: its facts, its drawing, and a sketch for the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.contents import refuse_no_file
from adjoin.embed.sound.decode import Clip, clip_of
from adjoin.embed.sound.mel import RATE, TOP_DB, Mel
from adjoin.errors import InvalidOption, MissingExtra, NotFound, StoreError, UnreadableFile

if TYPE_CHECKING:
    from adjoin.types import Floats

CLIPPED_AT: Final = 0.999
COLUMNS: Final = 1200
"""Columns of the drawing; longer clips are drawn by the mean of what falls on each."""
_SHADES: Final = " ░▒▓█"
_KINDS: Final = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """peak: the largest sample, 1 being full scale. rms: of all channels together.
    clipped: the share of samples at full scale, in [0, 1]. loudest_s: where the peak is."""

    path: str
    seconds: float
    rate: int
    channels: int
    format: str
    peak: float
    rms: float
    clipped: float
    loudest_s: float

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "sound", **asdict(self)}

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.seconds:.2f} s, {self.rate:,} Hz, {self.channels} channel{'s' * (self.channels != 1)}, "
            f"{self.format}, peak {self.peak:.3f} at {self.loudest_s:.2f} s, {self.clipped:.2%} clipped"
        )


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """mode: of the file, as Pillow names it. frames: more than one where it moves. exif: its readable entries."""

    path: str
    width: int
    height: int
    mode: str
    format: str
    frames: int
    transparent: bool
    exif: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "image", **asdict(self)}

    def __str__(self) -> str:
        told = f"{self.path}: {self.width:,} × {self.height:,}, {self.mode}, {self.format}"
        told += f", {self.frames:,} frames" if self.frames > 1 else ""
        told += ", transparent" if self.transparent else ""
        return "\n".join([told, *(f"  {name}: {value}" for name, value in self.exif.items())])


def facts_of(path: str | os.PathLike[str]) -> SoundFacts | ImageFacts:
    """What a file is. Raises UnreadableFile, naming both reasons, for what is neither a picture nor a sound.

    Cost: reads a sound to its end in blocks; of a picture the header alone.
    """
    file = Path(path).expanduser()
    refuse_no_file(file, "file")
    try:
        return image_facts(file)
    except (UnreadableFile, MissingExtra) as no_picture:
        try:
            return sound_facts(file)
        except (UnreadableFile, MissingExtra) as no_sound:
            raise UnreadableFile(
                f"{file} is shown neither as a picture nor as a sound.\n  {no_picture}\n  {no_sound}"
            ) from no_sound


def image_facts(path: Path) -> ImageFacts:
    from PIL.ExifTags import TAGS

    from adjoin.embed.images import decode

    decode.pillow()
    with decode.opened(path, f"the picture {path.name!r}") as image:
        try:
            exif = {
                str(TAGS.get(tag, tag)): str(value)[:200]
                for tag, value in image.getexif().items()
                if isinstance(value, str | int | float) or hasattr(value, "numerator")
            }
        except Exception:  # damaged EXIF makes Pillow raise nearly anything; the rest can be told
            exif = {}
        frames = int(getattr(image, "n_frames", 1))
        return ImageFacts(str(path), image.width, image.height, image.mode, str(image.format), frames,
                          bool(image.has_transparency_data), exif)  # fmt: skip


def sound_facts(path: Path) -> SoundFacts:
    import numpy as np

    from adjoin.embed.sound.decode import soundfile_package

    clip = clip_of(path)
    peak, loudest, squares, clipped, values, frames = 0.0, 0, 0.0, 0, 0, 0
    for block in clip.raw():
        sizes = np.abs(block)
        top = float(sizes.max())
        if top > peak:
            peak, loudest = top, frames + int(sizes.max(axis=1).argmax())
        squares += float(np.square(block, dtype=np.float64).sum())
        clipped += int(np.count_nonzero(sizes >= CLIPPED_AT))
        values, frames = values + block.size, frames + len(block)
    with soundfile_package().SoundFile(path) as file:
        kind = f"{file.format} {file.subtype}"
    return SoundFacts(str(path), frames / clip.rate, clip.rate, clip.channels, kind, peak, (squares / values) ** 0.5,
                      clipped / values, loudest / clip.rate)  # fmt: skip


def save_drawing(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Draw a sound's waveform and log-mel spectrogram, or a picture as embedders see it: upright, on white. Needs matplotlib."""
    source, target = Path(path).expanduser(), Path(out).expanduser()
    if target.suffix.lower() not in _KINDS:
        raise InvalidOption(f"a drawing is written as {', '.join(_KINDS)}, not as {target.name!r}.")
    if not target.absolute().parent.is_dir():
        raise NotFound(f"there is no folder {target.parent} to draw into. Make it first.")
    if target.exists() and target.samefile(source):
        raise InvalidOption(f"{target} is the file that is shown; give another name for the drawing.")
    facts = facts_of(source)
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingExtra.of("matplotlib", "plots", "Drawing a sound or a picture") from exc
    figure = Figure(figsize=(10, 5.4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    if isinstance(facts, SoundFacts):
        _draw_sound(figure, clip_of(source), facts)
    else:
        _draw_image(figure, source, facts)
    try:
        figure.savefig(target)
    except OSError as exc:
        raise StoreError(f"the drawing could not be written to {target}: {exc.strerror or exc}.") from exc
    return target


def sketch(path: str | os.PathLike[str], *, width: int = 72, height: int = 12) -> str:
    """A sound's log-mel spectrogram in block characters: time to the right, high pitch above."""
    import numpy as np

    picture = _levels(clip_of(Path(path).expanduser()), width, max(2 * height, 8))  # (columns, bands)
    bands = np.array_split(np.arange(picture.shape[1]), height)
    rows = np.stack([picture[:, band].max(axis=1) for band in bands])[::-1]  # (height, columns)
    shades = np.clip((rows - 0.25) / 0.75, 0, 1)  # 60 dB of the 80: there are five characters
    places = np.minimum((shades * len(_SHADES)).astype(int), len(_SHADES) - 1)
    return "\n".join("".join(_SHADES[place] for place in row).rstrip() for row in places)


def _levels(clip: Clip, columns: int, bands: int) -> Floats:
    """(columns, bands) from 0 to 1, 80 dB below the loudest to it. Fewer columns where the clip has fewer frames."""
    import numpy as np

    mel = Mel(RATE, 1024 if bands > 40 else 512, 160, bands)
    frames = 1 + int(clip.seconds * RATE) // mel.hop
    columns = max(1, min(columns, frames))
    sums, counts = np.zeros((columns, bands)), np.zeros(columns)
    done = 0
    for power in mel.power(clip.blocks(RATE)):
        places = np.minimum((done + np.arange(len(power))) * columns // frames, columns - 1)
        np.add.at(sums, places, power)
        np.add.at(counts, places, 1)
        done += len(power)
    means = sums / np.maximum(counts, 1)[:, None]
    if means.max() <= 1e-10:
        return np.zeros((columns, bands), np.float32)
    levels: Floats = np.clip(10 * np.log10(np.maximum(means / means.max(), 1e-12)) / TOP_DB + 1, 0, 1).astype(
        np.float32
    )
    return levels


def _envelope(clip: Clip, columns: int) -> tuple[Floats, Floats]:
    """The least and the largest sample of each column."""
    import numpy as np

    columns = max(1, min(columns, clip.frames))
    low, high = np.full(columns, np.inf, np.float32), np.full(columns, -np.inf, np.float32)
    done = 0
    for block in clip.blocks():
        places = np.minimum((done + np.arange(len(block), dtype=np.int64)) * columns // clip.frames, columns - 1)
        np.minimum.at(low, places, block)
        np.maximum.at(high, places, block)
        done += len(block)
    there = np.isfinite(low)
    return np.where(there, low, 0), np.where(there, high, 0)


def _draw_sound(figure: Any, clip: Clip, facts: SoundFacts) -> None:
    import numpy as np

    wave, picture = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2.4))
    low, high = _envelope(clip, COLUMNS)
    times = (np.arange(len(low)) + 0.5) * facts.seconds / len(low)
    wave.fill_between(times, low, high, color="#0072b2", linewidth=0.4, edgecolor="#0072b2")
    wave.set_ylim(-1.05 * max(facts.peak, 1e-3), 1.05 * max(facts.peak, 1e-3))
    wave.set_ylabel("amplitude")
    wave.set_title(f"{Path(facts.path).name}: {facts.seconds:.2f} s, {facts.rate:,} Hz, peak {facts.peak:.3f}, "
                   f"{facts.clipped:.2%} clipped", loc="left", fontsize=10, parse_math=False)  # fmt: skip
    mel = Mel(RATE, 1024, 160, 80)
    levels = _levels(clip, COLUMNS, mel.n_mels)
    shown = picture.imshow(
        (levels.T - 1) * TOP_DB, origin="lower", aspect="auto", cmap="magma", extent=(0, facts.seconds, 0, mel.n_mels),
        vmin=-TOP_DB, vmax=0, interpolation="nearest",
    )  # fmt: skip
    ticks = [*_band_ticks(mel)]
    picture.set_yticks([place for place, _ in ticks], [label for _, label in ticks])
    picture.set_ylabel("frequency (mel scale)")
    picture.set_xlabel("seconds")
    picture.set_xlim(0, facts.seconds)
    figure.colorbar(shown, ax=picture, label="dB below the loudest", pad=0.01)


def _band_ticks(mel: Mel) -> Iterator[tuple[float, str]]:
    import numpy as np

    from adjoin.embed.sound.mel import band_centres

    centres = band_centres(mel)
    for hertz in (125, 250, 500, 1000, 2000, 4000, 7500):
        yield float(np.interp(hertz, centres, np.arange(mel.n_mels) + 0.5)), f"{hertz:,} Hz"


def _draw_image(figure: Any, path: Path, facts: ImageFacts) -> None:
    from adjoin.embed.images import decode

    axes = figure.subplots()
    image = decode.rgb(path)
    image.thumbnail((1600, 1600))
    axes.imshow(image)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(str(facts).splitlines()[0].replace(facts.path, path.name, 1), fontsize=10, parse_math=False)
