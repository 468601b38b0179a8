"""How a picture becomes a network's input: its size, its fit, its numbers; and where a model says so itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from adjoin.errors import InvalidOption

if TYPE_CHECKING:
    from PIL.Image import Image

    from adjoin.types import Floats

Layout: TypeAlias = Literal["nchw", "nhwc"]
Fit: TypeAlias = Literal["squeeze", "crop", "pad"]
Channels: TypeAlias = Literal["rgb", "bgr"]
Resample: TypeAlias = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]

_RESAMPLES: Final = get_args(Resample)  # in the order of Pillow's numbers, which Hugging Face writes
_LONGEST: Final = 8  # how many times its shorter side a picture may be long before its ends are cut first
_LATE: Final = ("resize", "resample")  # in the identity only where they are not as they always were


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture becomes the network's input: (value · scale - mean) / std of each channel, values from 0 to 255.

    size: (height, width). fit: `squeeze` to it, or `crop` from the middle, or `pad` with white, keeping proportions.
    mean, std: in the order of the network's channels. resize: what the shorter side becomes before `crop` cuts the middle
    out; the largest middle that `size` fits in if None. resample: how pixels are made from pixels, by Pillow's names.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    scale: float = 1 / 255
    layout: Layout = "nchw"
    channels: Channels = "rgb"
    fit: Fit = "squeeze"
    resize: int | None = None
    resample: Resample = "bilinear"

    def apply(self, image: Image) -> Floats:
        """(3, height, width) or (height, width, 3), as the layout says."""
        import numpy as np

        shaped = fitted(image, self.size, self.fit, resize=self.resize, resample=self.resample)
        values: Floats = np.asarray(shaped, np.float32)  # (height, width, 3)
        if self.channels == "bgr":
            values = values[:, :, ::-1]
        factor = np.asarray(self.scale / np.asarray(self.std), np.float32)
        shift = np.asarray(np.asarray(self.mean) / np.asarray(self.std), np.float32)
        values = (values * factor - shift).astype(np.float32, copy=False)
        if self.layout == "nchw":
            values = values.transpose(2, 0, 1)
        prepared: Floats = np.ascontiguousarray(values)
        return prepared

    def to_settings(self) -> dict[str, Any]:
        usual = {field.name: field.default for field in fields(self)}
        settings = {key: value for key, value in asdict(self).items() if key not in _LATE or value != usual[key]}
        return settings | {name: list(settings[name]) for name in ("size", "mean", "std")}

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Preparation:
        """What `to_settings` gave, out of JSON; other entries are passed over."""
        known: dict[str, Any] = {name: settings[name] for name in cls.__slots__ if name in settings}
        for name in ("size", "mean", "std"):
            known[name] = tuple(known[name])
        return cls(**known)


def fitted(
    image: Image, size: tuple[int, int], fit: Fit, *, resize: int | None = None, resample: Resample = "bilinear"
) -> Image:
    """The picture at (height, width)."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    height, width = size
    how = Pillow.Resampling[resample.upper()]
    if fit == "crop":
        return ImageOps.fit(image, (width, height), how) if resize is None else _middle(image, size, resize, how)
    if fit == "pad":
        ratio = min(width / image.width, height / image.height)
        inner = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        padded = Pillow.new("RGB", (width, height), (255, 255, 255))
        padded.paste(image.resize(inner, how), ((width - inner[0]) // 2, (height - inner[1]) // 2))
        return padded
    return image.resize((width, height), how)


def _middle(image: Image, size: tuple[int, int], resize: int, how: Any) -> Image:
    """The shorter side made `resize`, then the middle cut out: whole pixels at every step, as torchvision counts them."""
    shorter = min(image.width, image.height)
    if max(image.width, image.height) > _LONGEST * shorter:  # 60,000 × 1 would otherwise be resized to gigabytes
        across, down = (max(0, side - _LONGEST * shorter) // 2 for side in (image.width, image.height))
        image = image.crop((across, down, image.width - across, image.height - down))
    smaller = image.resize((resize * image.width // shorter, resize * image.height // shorter), how)
    left, top = round((smaller.width - size[1]) / 2), round((smaller.height - size[0]) / 2)
    return smaller.crop((left, top, left + size[1], top + size[0]))


def merged(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a model says of itself, and above it what was given (not None). Raises InvalidOption.

    A `resize` of the model's own goes with its own size and its own crop, and is left out with any other.
    """
    wanted = {name: value for name, value in given.items() if value is not None}
    found = {**own, **wanted}
    if wanted.get("resize") is None and ("size" in wanted or found.get("fit") != "crop"):
        found.pop("resize", None)
    for name, known in (("layout", Layout), ("channels", Channels), ("fit", Fit), ("resample", Resample)):
        if name in found and found[name] not in get_args(known):
            raise InvalidOption.unknown(name, found[name], get_args(known))
    return found


def preparation_of(wanted: Mapping[str, Any], size: tuple[int, int], layout: Layout = "nchw") -> Preparation:
    """The preparation that checked options mean. Raises InvalidOption naming the one that is wrong."""
    rest = {name: wanted[name] for name in ("channels", "fit", "resample") if name in wanted}
    for name in ("mean", "std"):
        if name in wanted:
            rest[name] = three_numbers(name, wanted[name])
    if any(value == 0 for value in rest.get("std", ())):
        raise InvalidOption("std has a 0, by which nothing can be divided.")
    if "scale" in wanted:
        rest["scale"] = float(wanted["scale"])
    resize = wanted.get("resize")
    if resize is not None:
        if rest.get("fit", "squeeze") != "crop":
            raise InvalidOption('resize is the shorter side before fit="crop" cuts the middle out; give that fit too.')
        if not isinstance(resize, int) or not max(size) <= resize <= 4096:
            raise InvalidOption(f"resize is a number of pixels from {max(size)}, the size, to 4096, not {resize!r}.")
        rest["resize"] = resize
    return Preparation(size=size, layout=layout, **rest)


def of_processor(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What a preprocessor_config.json in the layout of Hugging Face says, in our words.

    Raises KeyError, TypeError or ValueError for what has not that layout.
    """
    found: dict[str, Any] = {}
    if stored.get("do_center_crop", False):
        found["fit"] = "crop"
        shorter = _sides(stored["size"]) if stored.get("do_resize", True) and stored.get("size") else None
        found["size"] = _sides(stored.get("crop_size") or stored["size"])
        if isinstance(shorter, int) and shorter >= max(_both(found["size"])):
            found["resize"] = shorter
    elif stored.get("size"):
        found["size"] = _sides(stored["size"])
    if stored.get("resample") is not None:
        found["resample"] = _RESAMPLES[int(stored["resample"])]
    if not stored.get("do_rescale", True):
        found["scale"] = 1.0
    elif stored.get("rescale_factor") is not None:
        found["scale"] = float(stored["rescale_factor"])
    if stored.get("do_normalize", True):
        found |= {name: stored[f"image_{name}"] for name in ("mean", "std") if stored.get(f"image_{name}") is not None}
    else:
        found |= {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    return found


def _sides(size: Any) -> int | list[int]:
    if isinstance(size, Mapping):
        return int(size["shortest_edge"]) if size.get("shortest_edge") else [int(size["height"]), int(size["width"])]
    return int(size)


def _both(size: int | list[int]) -> list[int]:
    return [size, size] if isinstance(size, int) else size


def prepared_size(value: object) -> tuple[int, int]:
    sides = [value, value] if isinstance(value, int) else list(value) if isinstance(value, Sequence) else []
    if len(sides) != 2 or not all(isinstance(side, int) and 1 <= side <= 4096 for side in sides):
        raise InvalidOption(f"size is a side or (height, width) in pixels up to 4096, not {value!r}.")
    return int(sides[0]), int(sides[1])


def three_numbers(name: str, values: object) -> tuple[float, float, float]:
    numbers = [values] * 3 if isinstance(values, int | float) else list(values) if isinstance(values, Sequence) else []
    if len(numbers) != 3:
        raise InvalidOption(f"{name} is three numbers, one for each channel, not {values!r}.")
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


__all__ = [
    "Channels", "Fit", "Layout", "Preparation", "Resample", "fitted", "merged", "of_processor", "preparation_of",
    "prepared_size", "three_numbers",
]  # fmt: skip
