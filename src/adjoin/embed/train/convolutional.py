"""`cnn` and `sound-cnn`: a small convolutional network trained on the user's labelled pictures or clips.

Training needs PyTorch. What it gives is a graph in ONNX, so that embedding, then and after loading, does not.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self

from adjoin.embed import saved
from adjoin.embed.base import check_kind
from adjoin.embed.identity import Identity
from adjoin.embed.train import items as contents
from adjoin.embed.train.history import History
from adjoin.embed.train.labels import check_labels, split
from adjoin.embed.train.report import TrainReport, judge
from adjoin.errors import InvalidContent, InvalidInput, InvalidOption, MissingExtra, NotFitted, UnreadableFile
from adjoin.types import Content, Kind, Progress

if TYPE_CHECKING:
    from adjoin.embed.train.fitting import Settings
    from adjoin.embed.train.items import Pixels
    from adjoin.types import Floats

GRAPH: Final = "network.onnx"
NETS: Final = ("vgg", "resnet")
LOSSES: Final = ("triplet", "supcon")
PICTURES: Final = {"shift": 0.1, "scale": 0.2, "crop": 0.2}
SOUNDS: Final = {"shift": 0.1, "scale": 0.1, "crop": 0.1}
LONGEST_S: Final = 10.0
AT_ONCE: Final = 64


class CnnEmbedder:
    """Items in, vectors of unit length out of a network that learned from labels.

    `history` and `report` tell of the training, `plot(path)` draws its curves. Safe to use from many threads.
    """

    takes_arrays = True

    def __init__(
        self, family: str, options: Mapping[str, Any], *, checkpoint: Path | None = None, threads: int | None = None
    ) -> None:
        """family: `cnn` takes pictures, `sound-cnn` clips. options: those of `Settings`, and `seconds` for clips."""
        self._family, self._options = family, dict(options)
        self._checkpoint, self._threads = checkpoint, threads
        self.takes = "sound" if family == "sound-cnn" else "image"
        self.reopened_by: str | None = None
        self.history: History | None = None
        self.report: TrainReport | None = None
        self._facts: dict[str, Any] = {}
        self._graph = b""
        self._session: tuple[int, Any] | None = None
        self._lock = threading.Lock()

    @property
    def identity(self) -> Identity:
        self._check_fitted()
        files = {GRAPH: hashlib.sha256(self._graph).hexdigest()}
        settings = {name: self._facts[name] for name in ("size", "channels", "seconds")}
        return Identity(
            name=self.reopened_by or self._family, model=self._family, dim=self._facts["dim"],
            weights=saved.digest_of(self._family, self._facts, {}, files), settings=settings,
        )  # fmt: skip

    @property
    def dim(self) -> int:
        self._check_fitted()
        return int(self._facts["dim"])

    @property
    def labels(self) -> tuple[str, ...]:
        """The different labels that it learned from."""
        self._check_fitted()
        return tuple(self._facts["labels"])

    @property
    def canary_items(self) -> tuple[Any, ...]:
        """A picture with a slope and edges, or a rising tone, always the same."""
        import numpy as np

        if self.takes == "sound":
            moments = np.arange(8_000) / 8_000
            return ((np.sin(2 * np.pi * (300 + 900 * moments) * moments).astype(np.float32), 8_000),)
        y, x = np.mgrid[0:64, 0:64]
        blue = np.where((x // 8 + y // 8) % 2, 200, 40)
        return (np.stack([x * 4, y * 4, blue], 2).astype(np.uint8),)

    def fit(
        self, items: Iterable[Any], labels: Sequence[Any] | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn to bring items of the same label together; returns itself.

        items: pictures as paths, bytes, PIL images or arrays; clips as paths, bytes or (samples, rate).
        labels: one for each, of two or more kinds, and two or more items of each.
        progress: called with (done, total) batches; it jumps to the end where training ends early.
        Raises InvalidInput, InvalidContent or UnreadableFile naming the item, MissingExtra without PyTorch.
        Cost: `epochs` times three passes over the items; memory of size² bytes an item and channel.
        """
        import numpy as np

        try:
            import torch  # noqa: F401
        except ImportError as exc:
            raise MissingExtra.of("torch", "torch", f"Training the embedder {self._family!r}") from exc
        from adjoin.embed.train import fitting, networks

        began = time.perf_counter()
        given = list(items)
        found = check_labels(len(given), labels, doing=self._family)
        seconds = self._window(given)
        pixels = self._pixels(given, seconds)
        if self.takes == "image" and (pixels == pixels[..., :1]).all():
            pixels = pixels[..., :1]
        options = {name: value for name, value in self._options.items() if name != "seconds"}
        settings = fitting.Settings(**options)
        parts = split(found, settings.held_out, settings.seed)
        before, after, history = fitting.train(
            settings, pixels, found.codes, parts, checkpoint=self._checkpoint, threads=self._threads, progress=progress
        )
        channels = int(pixels.shape[3])
        self._graph = networks.exported(after, channels, settings.size)
        self._session = None
        self._facts = _facts(settings) | {"channels": channels, "seconds": seconds, "labels": list(found.names)}
        self.reopened_by = None

        def judged(vectors: Callable[[Pixels], Floats]) -> Any:
            learned, told = parts.learned, parts.reported
            return judge(vectors(pixels[learned]), found.codes[learned], vectors(pixels[told]), found.codes[told])

        self.history = history
        self.report = TrainReport(
            {
                "items as they are": judged(lambda part: part.reshape(len(part), -1).astype(np.float32)),
                "before": judged(lambda part: fitting.vectors_of(before, part)),
                "after": judged(self._vectors),
            },
            len(found.names), len(parts.learned), len(parts.reported), time.perf_counter() - began,
        )  # fmt: skip
        return self

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors in the items' order, float32 of shape (len(items), dim), of unit length.

        Raises NotFitted, and InvalidContent or UnreadableFile naming the first item that cannot be read; then none is
        embedded. Cost: memory is bounded by the result and one batch.
        """
        import numpy as np

        check_kind(kind)
        self._check_fitted()
        _refuse_one(items)
        given = list(items)
        vectors = np.empty((len(given), self.dim), dtype=np.float32)
        for start in range(0, len(given), AT_ONCE):
            part = given[start : start + AT_ONCE]
            pixels = self._pixels(part, self._facts["seconds"], first=start)
            if self._facts["channels"] == 1 and pixels.shape[3] == 3:
                pixels = _grey(pixels)
            vectors[start : start + AT_ONCE] = self._vectors(pixels)
        return vectors

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder that `adjoin.embedder(path)` loads without PyTorch."""
        self._check_fitted()
        with TemporaryDirectory() as folder:
            graph = Path(folder) / GRAPH
            graph.write_bytes(self._graph)
            target = saved.save(path, self._family, self._facts, {}, {GRAPH: graph})
        self._write_story(target)
        self.reopened_by = str(target)
        return target

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the learning curves into a .png, .svg or .pdf file."""
        self._check_fitted()
        if self.history is None:
            raise NotFitted(f"{self._family!r} was saved without its history, so there is nothing to draw.")
        return self.history.plot(path)

    def kept(self, item: Any) -> Any:
        """What a collection stores: a path as str, bytes as they are, pixels as a PNG, samples as a WAV."""
        return self._decode().kept(item)

    def hash_of(self, item: Any) -> bytes:
        """16 bytes, equal for equal content, wherever the file lies."""
        digest: bytes = self._decode().hash_of(item)
        return digest

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity if self._graph else f'{self._family}, not fitted'})"

    def _decode(self) -> Any:
        return import_module(f"adjoin.embed.{'images' if self.takes == 'image' else 'sound'}.decode")

    def _check_fitted(self) -> None:
        if not self._graph:
            raise NotFitted.of(self._family)

    def _window(self, given: Sequence[Any]) -> float | None:
        """How much of a clip is seen: as chosen, else as long as nine in ten clips are, up to 10 s."""
        if self.takes == "image":
            return None
        chosen = self._options["seconds"]
        if chosen is not None:
            return float(chosen)
        import numpy as np

        lengths = [_named(place, contents.seconds_of, item) for place, item in enumerate(given)]
        return float(np.clip(np.quantile(lengths, 0.9), 0.1, LONGEST_S))

    def _pixels(self, given: Sequence[Any], seconds: float | None, *, first: int = 0) -> Pixels:
        """(n, size, size, channels). first: the place of the first item in the call."""
        import numpy as np

        size = int(self._facts["size"] if self._facts else self._options["size"])
        if seconds is None:
            arrays = [_named(first + n, contents.picture, item, size) for n, item in enumerate(given)]
        else:
            arrays = [_named(first + n, contents.spectrogram, item, size, seconds) for n, item in enumerate(given)]
        return np.stack(arrays)

    def _vectors(self, pixels: Pixels) -> Floats:
        import numpy as np

        session = self._running()
        parts = []
        for start in range(0, len(pixels), AT_ONCE):
            given = np.ascontiguousarray(pixels[start : start + AT_ONCE].transpose(0, 3, 1, 2), dtype=np.float32)
            parts.append(session.run(["vector"], {"pixels": given})[0])
        vectors: Floats = np.concatenate(parts)
        return vectors

    def _running(self) -> Any:
        """The graph, loaded once, and anew in a forked child."""
        held = self._session
        if held is None or held[0] != os.getpid():
            import onnxruntime as ort

            options = ort.SessionOptions()
            options.log_severity_level = 3
            options.intra_op_num_threads = self._threads or 0
            try:
                session = ort.InferenceSession(self._graph, options, providers=["CPUExecutionProvider"])
            except Exception as exc:  # ONNX Runtime has an exception class of its own for each status
                raise UnreadableFile(f"the network of {self._family!r} cannot be run: {exc}") from exc
            self._session = held = (os.getpid(), session)
        return held[1]

    def _write_story(self, folder: Path) -> None:
        """History and report beside the embedder: they tell of it and are no part of it."""
        import json

        told = {
            "history": self.history.to_dict() if self.history else None,
            "report": self.report.to_dict() if self.report else None,
        }
        (folder / "training.json").write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def loaded(cls, path: Path) -> CnnEmbedder:
        import json

        content = saved.load(path)
        embedder = cls(content.family, {})
        embedder._facts = dict(content.settings)
        embedder._graph = content.files[GRAPH].read_bytes()
        embedder.reopened_by = str(path.absolute())
        try:
            told = json.loads((path / "training.json").read_text(encoding="utf-8"))
            embedder.history = History.from_dict(told["history"]) if told["history"] else None
            embedder.report = TrainReport.from_dict(told["report"]) if told["report"] else None
        except (OSError, ValueError, KeyError, TypeError):
            pass  # it embeds as well without
        return embedder


def cnn_embedder(
    *,
    net: str = "vgg",
    dim: int = 64,
    loss: str = "supcon",
    size: int = 32,
    width: int = 16,
    epochs: int = 20,
    batch: int = 64,
    rate: float = 3e-3,
    margin: float = 0.3,
    temperature: float = 0.1,
    patience: int = 5,
    augment: Mapping[str, float] | None = None,
    held_out: float = 0.2,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> CnnEmbedder:
    """A network to be trained on labelled pictures by `fit(items, labels)`.

    net: `vgg` or `resnet`. loss: `triplet` (with `margin`) or `supcon` (with `temperature`). size: side in pixels to which
    every picture is brought. width: channels of the first layers. rate: the highest learning rate. batch: pictures in one.
    patience: epochs without a gain on watched items after which it ends. augment: the most of shift, scale and crop, in
    shares of the side; {} for none. held_out: the share kept for the report; half as many are watched.
    checkpoint: a folder that is written after each epoch, from which the same training goes on. threads: of PyTorch.
    """
    options = _options(locals(), PICTURES)
    return CnnEmbedder(
        "cnn", options, checkpoint=None if checkpoint is None else Path(checkpoint).expanduser(), threads=threads
    )


def sound_cnn_embedder(
    *,
    net: str = "vgg",
    dim: int = 64,
    loss: str = "supcon",
    size: int = 64,
    width: int = 16,
    epochs: int = 30,
    batch: int = 64,
    rate: float = 3e-3,
    margin: float = 0.3,
    temperature: float = 0.1,
    patience: int = 8,
    augment: Mapping[str, float] | None = None,
    held_out: float = 0.2,
    seed: int = 0,
    seconds: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> CnnEmbedder:
    """The same on log-mel spectrograms of clips. seconds: how much of a clip is seen; as long as nine in ten are if None."""
    options = _options(locals(), SOUNDS)
    if seconds is not None and not 0.05 <= seconds <= 60:
        raise InvalidOption(f"seconds={seconds} is not between 0.05 and 60.")
    return CnnEmbedder(
        "sound-cnn", options, checkpoint=None if checkpoint is None else Path(checkpoint).expanduser(), threads=threads
    )


def load_cnn(path: Path) -> CnnEmbedder:
    """One that was saved."""
    return CnnEmbedder.loaded(path)


def _options(given: dict[str, Any], augment: Mapping[str, float]) -> dict[str, Any]:
    """Checked; without what does not decide the vectors."""
    options = {name: value for name, value in given.items() if name not in ("checkpoint", "threads")}
    for name, known in (("net", NETS), ("loss", LOSSES)):
        if options[name] not in known:
            raise InvalidOption.unknown(name, options[name], known)
    for name, low, high in (
        ("dim", 2, 4096), ("size", 8, 512), ("width", 4, 256), ("epochs", 1, 10_000), ("batch", 4, 4096), ("patience", 1, 10_000),
    ):  # fmt: skip
        value = options[name]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidOption(f"{name}={value!r} is no whole number from {low} to {high:,}.")
    for name, least, most in (
        ("rate", 1e-6, 1.0),
        ("margin", 0.0, 2.0),
        ("temperature", 0.005, 10.0),
        ("held_out", 0.01, 0.9),
    ):
        if not least <= options[name] <= most:
            raise InvalidOption(f"{name}={options[name]!r} is not between {least:g} and {most:g}.")
    asked = options["augment"]
    chosen = dict(augment) if asked is None else dict.fromkeys(augment, 0.0) | dict(asked)
    for name, value in chosen.items():
        if name not in augment:
            raise InvalidOption.unknown("augmentation", name, augment)
        if not 0 <= value <= 0.9:
            raise InvalidOption(f"augment {name}={value!r} is not between 0 and 0.9.")
    return options | {"augment": chosen}


def _facts(settings: Settings) -> dict[str, Any]:
    return asdict(settings)


def _grey(pixels: Pixels) -> Pixels:
    """Luma of ITU-R BT.601, as Pillow's mode L."""
    import numpy as np

    weighted = pixels.astype(np.uint32) @ np.array([19595, 38470, 7471], dtype=np.uint32)
    return ((weighted + 0x8000) >> 16).astype(np.uint8)[..., None]


def _refuse_one(items: Any) -> None:
    if isinstance(items, str | bytes | os.PathLike):
        raise InvalidContent(f"embed() takes a list of items, not one {type(items).__name__}. Write embed([item]).")


def _named(place: int, function: Callable[..., Any], *given: Any) -> Any:
    """function(*given), with the item's place in front of what it raises."""
    try:
        return function(*given)
    except (InvalidInput, UnreadableFile) as error:
        raise type(error)(f"item {place}: {error} Nothing of the call was taken.") from error
