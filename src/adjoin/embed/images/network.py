"""Pictures through a trained network, by ONNX Runtime: the one that is shipped, or any other.

One picture a call and one thread a call: the vector then depends on the picture alone, and many calls at once use the
cores better than one call on many threads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from adjoin.embed.contents import Lazy
from adjoin.embed.identity import Identity
from adjoin.embed.images.base import Describe, ImageEmbedder
from adjoin.embed.images.preparation import Preparation, merged, of_processor, preparation_of, prepared_size
from adjoin.errors import InvalidOption, NotFound, UnreadableFile, Unsupported

if TYPE_CHECKING:
    from adjoin.embed.images.preparation import Channels, Fit, Layout, Resample
    from adjoin.types import Floats

FOLDER: Final = Path(__file__).parents[1] / "models" / "efficientnet-lite0"
Pooling: TypeAlias = Literal["mean", "cls"]


def image_embedder(
    *,
    path: str | Path | None = None,
    size: int | Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float | None = None,
    layout: Layout | None = None,
    channels: Channels | None = None,
    fit: Fit | None = None,
    resize: int | None = None,
    resample: Resample | None = None,
    output: str | None = None,
    pooling: Pooling = "mean",
    normalize: bool = True,
    workers: int | None = None,
) -> ImageEmbedder:
    """A pretrained network; without `path` EfficientNet-Lite0, which is shipped: 1280 dimensions of unit length.

    path: a .onnx file with one picture input, or a folder with one (`model.onnx`, `onnx/model.onnx`) and perhaps a
    `preprocessor_config.json` in the layout of Hugging Face, whose values are taken where an option is not given.
    size: the side, or (height, width); from the network where it says it, else 224.
    mean, std, scale, layout, channels, fit, resize, resample: see `Preparation`; ImageNet's usual ones where nothing says otherwise.
    output: the name of the network's output; else the first. Maps and tokens are pooled by `pooling`, over all or the
    first token. normalize: to unit length. workers: pictures at once.
    Raises NotFound, UnreadableFile for what is no network, Unsupported for one that takes no picture.
    Source of the shipped one: Tan and Le, ICML 2019, and its Lite form of 2020.
    """
    given = {"size": size, "mean": mean, "std": std, "scale": scale, "layout": layout, "channels": channels, "fit": fit,
             "resize": resize, "resample": resample}  # fmt: skip
    if path is None:
        _refuse_for_shipped(given, output, pooling, normalize)
        return shipped(workers=workers)
    file = network_file(Path(path).expanduser())
    _check_choice("pooling", pooling, get_args(Pooling))
    wanted = merged(_beside(file), given)
    network = Lazy(lambda: Network(file, output, pooling, normalize))

    def preparation() -> Preparation:
        return prepared_for(network.get(), wanted)

    def load() -> Describe:
        loaded, preparing = network.get(), preparation()
        return lambda image: loaded.vector(preparing.apply(image))

    def identity() -> Identity:
        return network_identity(network.get(), preparation())

    _ = preparation()  # a wrong option is told here, not by the first embed
    return ImageEmbedder(identity, load, about=2 * max(preparation().size), workers=workers)


def shipped(folder: Path = FOLDER, *, workers: int | None = None) -> ImageEmbedder:
    """The network in the package; its identity was written when it was built, and nothing is loaded for it."""
    settings = json.loads((folder / "identity.json").read_text(encoding="utf-8"))["settings"]
    preparing = Preparation.of_settings(settings)

    def load() -> Describe:
        network = Network(folder / "model.onnx")
        return lambda image: network.vector(preparing.apply(image))

    return ImageEmbedder(lambda: read_identity(folder), load, about=2 * max(preparing.size), workers=workers)


def read_identity(folder: Path = FOLDER) -> Identity:
    return Identity.from_json((folder / "identity.json").read_text(encoding="utf-8"))


class Network:
    """A graph from one picture to one vector."""

    def __init__(
        self, path: Path, output: str | None = None, pooling: Pooling = "mean", normalize: bool = True
    ) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as exc:  # ONNX Runtime has an exception class of its own for each status
            raise UnreadableFile(f"{path} cannot be run by ONNX Runtime: {exc}") from exc
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in ("tensor(float)", "tensor(float16)"):
            told = ", ".join(f"{node.name} {node.shape} {node.type}" for node in inputs)
            raise Unsupported(f"{path} takes {told}; a picture's network takes one float array (n, 3, height, width).")
        self.path, self.pooling, self.normalize = path, pooling, normalize
        self._input, self._half = inputs[0].name, inputs[0].type == "tensor(float16)"
        self.shape: tuple[int | None, ...] = tuple(
            side if isinstance(side, int) and side > 0 else None for side in inputs[0].shape
        )
        names = [node.name for node in self._session.get_outputs()]
        if output is not None and output not in names:
            raise InvalidOption.unknown("output", output, names)
        self.output = output or names[0]

    def vector(self, prepared: Floats) -> Floats:
        """(dim,) of one prepared picture."""
        import numpy as np

        batch = prepared[None].astype(np.float16) if self._half else prepared[None]
        raw = self._session.run([self.output], {self._input: batch})[0]
        found: Floats = np.asarray(raw, np.float32)[0]
        if found.ndim == 3:  # (channels, height, width), or channels last as the input has them
            found = found.mean(axis=(0, 1) if self.shape[3] == 3 else (1, 2))
        elif found.ndim == 2:  # (tokens, dim)
            found = found[0] if self.pooling == "cls" else found.mean(axis=0)
        found = found.reshape(-1)
        if self.normalize:
            found = found / max(float(np.linalg.norm(found)), 1e-12)
        return found


def prepared_for(network: Network, wanted: Mapping[str, Any]) -> Preparation:
    """The network's own shape, and what is wanted. Raises InvalidOption where they contradict each other."""
    own: Layout | None = "nchw" if network.shape[1] == 3 else "nhwc" if network.shape[3] == 3 else None
    layout: Layout = wanted.get("layout") or own or "nchw"
    if own is not None and layout != own:
        raise InvalidOption(f"layout={layout!r}, but {network.path.name} takes {own} ({list(network.shape)}).")
    sides = network.shape[2:4] if layout == "nchw" else network.shape[1:3]
    given = wanted.get("size")
    if given is None:
        size = (sides[0] or 224, sides[1] or 224)
    else:
        size = prepared_size(given)
        if any(own_side not in (None, side) for own_side, side in zip(sides, size, strict=True)):
            raise InvalidOption(f"size={given!r}, but {network.path.name} takes pictures of {sides[0]} × {sides[1]}.")
    return preparation_of(wanted, size, layout)


def network_identity(network: Network, preparation: Preparation, name: str = "image") -> Identity:
    """Runs the network once, for its dimension."""
    import numpy as np
    from PIL import Image as Pillow

    from adjoin.embed.hashes import sha256

    blank = preparation.apply(Pillow.fromarray(np.full((8, 8, 3), 128, np.uint8)))
    data = [network.path, *sorted(network.path.parent.glob(network.path.name + "*data"))]  # weights kept apart
    return Identity(
        name, network.path.stem if network.path.stem != "model" else network.path.parent.name,
        len(network.vector(blank)), weights=sha256(*data), pooling=network.pooling, normalize=network.normalize,
        settings=preparation.to_settings() | {"output": network.output},
    )  # fmt: skip


def network_file(path: Path) -> Path:
    """The .onnx file that the path means."""
    if path.is_dir():
        for name in ("model.onnx", "onnx/model.onnx"):
            if (path / name).is_file():
                return path / name
        found = sorted(path.glob("*.onnx"))
        if len(found) == 1:
            return found[0]
        raise NotFound(f"{path} holds {len(found)} .onnx files and no model.onnx. Give the file's own path.")
    if not path.is_file():
        raise NotFound(f"there is no network at {path}. Give the path of a .onnx file, or of a folder with model.onnx.")
    return path


def _beside(file: Path) -> dict[str, Any]:
    """What preprocessor_config.json says, in our words."""
    for folder in (file.parent, file.parent.parent):
        config = folder / "preprocessor_config.json"
        if config.is_file():
            break
    else:
        return {}
    try:
        return of_processor(json.loads(config.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as exc:
        raise UnreadableFile(f"{config} is no preprocessor configuration: {exc!r}.") from exc


def _refuse_for_shipped(given: Mapping[str, Any], output: str | None, pooling: str, normalize: bool) -> None:
    odd = [name for name, value in given.items() if value is not None]
    odd += ["output"] if output is not None else []
    odd += ["pooling"] if pooling != "mean" else []
    odd += ["normalize"] if not normalize else []
    if odd:
        raise InvalidOption(f"{', '.join(odd)} belong to a network of your own: give its path= too.")


def _check_choice(name: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        raise InvalidOption.unknown(name, value, known)


__all__ = ["FOLDER", "Network", "image_embedder", "read_identity", "shipped"]
