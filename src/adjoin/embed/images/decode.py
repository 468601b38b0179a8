"""From a path, a file's bytes, a PIL image or an array to RGB pixels, and hostile files refused.

A picture is turned as its EXIF says, laid on white where it is transparent, and its first frame taken where it moves.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.contents import hash_of_file, hash_of_parts, path_of, refuse_no_file
from adjoin.errors import InvalidContent, MissingExtra, UnreadableFile

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

FORMATS: Final = (
    "PNG", "JPEG", "MPO", "GIF", "WEBP", "AVIF", "BMP", "DIB", "TIFF", "PPM", "ICO", "TGA", "JPEG2000", "QOI",
)  # fmt: skip
"""Those of Pillow that only decode. EPS is not among them: Pillow hands it to Ghostscript, which runs programs."""
MOST_PIXELS: Final = 178_956_970
"""The most that is ever decoded, also where Pillow's own limit was taken away."""


def pillow() -> Any:
    """The module PIL.Image, with its formats known. Raises MissingExtra."""
    try:
        from PIL import Image
    except ImportError as exc:
        raise MissingExtra.of("pillow", "images", "Reading pictures") from exc
    Image.init()
    return Image


def rgb(item: object, *, about: int | None = None) -> Image:
    """The picture in mode RGB, upright and opaque.

    item: a path, the bytes of a file, a PIL image, or an array (height, width[, 1 | 3 | 4]) of uint8, uint16 or floats
    from 0 to 1.
    about: the side that is needed; a JPEG may then be decoded at a half, a quarter or an eighth of its size, but not below it.
    Raises UnreadableFile for a file that is missing, damaged, of no known format or too large, before its pixels are
    decoded; InvalidContent for what is no picture.
    """
    image_module = pillow()
    if isinstance(item, image_module.Image):
        return _plain(item)
    if hasattr(item, "__array_interface__"):
        return _plain(image_module.fromarray(pixels_of(item)))
    path = path_of(item)
    if path is not None:
        refuse_no_file(path, "picture")
        return _decoded(path, f"the picture {path.name!r}", about)
    if isinstance(item, bytes | bytearray | memoryview):
        return _decoded(io.BytesIO(bytes(item)), f"the picture of {len(item):,} bytes", about)
    raise InvalidContent(
        f"a {type(item).__name__} is no picture. Give a path, the bytes of a file, a PIL image or an array."
    )


def opened(source: Path | io.BytesIO, name: str) -> Image:
    """The file with its header read and no pixel decoded. Raises UnreadableFile, for too many pixels too."""
    image_module = pillow()
    known = [name_ for name_ in FORMATS if name_ in image_module.OPEN]
    try:
        image: Image = image_module.open(source, formats=known)
    except (image_module.DecompressionBombError, image_module.DecompressionBombWarning) as exc:
        raise UnreadableFile(f"{name} has too many pixels to be decoded safely: {exc}") from exc
    except image_module.UnidentifiedImageError as exc:
        raise UnreadableFile(
            f"{name} is no picture in a format that is read here: {', '.join(known)}. Convert it first."
        ) from exc
    except Exception as exc:  # a damaged header makes Pillow's plugins raise nearly anything
        raise UnreadableFile(f"{name} cannot be read: {exc or type(exc).__name__}.") from exc
    most = min(image_module.MAX_IMAGE_PIXELS or MOST_PIXELS, MOST_PIXELS)
    if image.width * image.height > most:
        image.close()
        raise UnreadableFile(
            f"{name} has {image.width:,} × {image.height:,} pixels; more than {most:,} are not decoded, as such a file "
            "may be made to fill the memory. Make it smaller, or set PIL.Image.MAX_IMAGE_PIXELS."
        )
    return image


def pixels_of(array: object) -> NDArray[Any]:
    """An array as uint8 of shape (h, w), (h, w, 3) or (h, w, 4). Raises InvalidContent for what is no picture."""
    import numpy as np

    given = np.asarray(array)
    if given.ndim == 3 and given.shape[2] == 1:
        given = given[:, :, 0]
    if given.ndim not in (2, 3) or (given.ndim == 3 and given.shape[2] not in (3, 4)) or 0 in given.shape:
        raise InvalidContent(
            f"an array of shape {given.shape} is no picture: it has (height, width), and 3 or 4 channels behind them."
        )
    if given.dtype == np.uint8:
        return given
    if given.dtype == np.bool_:
        return given.astype(np.uint8) * np.uint8(255)
    if given.dtype == np.uint16:
        return (given >> 8).astype(np.uint8)
    if given.dtype.kind == "f":
        if not np.isfinite(given).all():
            raise InvalidContent("an array with NaN or infinity is no picture.")
        if given.min() < 0 or given.max() > 1:
            raise InvalidContent(
                f"a picture of floats has values from 0 to 1; this one from {given.min():g} to {given.max():g}. "
                "Divide by its range, or pass uint8."
            )
        return (given * 255 + 0.5).astype(np.uint8)
    if given.dtype.kind in "iu" and given.min() >= 0 and given.max() <= 255:
        return given.astype(np.uint8)
    raise InvalidContent(f"a picture is of uint8, uint16 or floats from 0 to 1, not of {given.dtype}.")


def kept(item: Any) -> Any:
    """What a collection stores: a path as str, bytes as they are, pixels as a PNG."""
    if isinstance(item, os.PathLike):
        return str(item)
    if isinstance(item, bytearray | memoryview):
        return bytes(item)
    image_module = pillow()
    if hasattr(item, "__array_interface__") and not isinstance(item, image_module.Image):
        item = image_module.fromarray(pixels_of(item))
    if isinstance(item, image_module.Image):
        if item.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"):
            item = _plain(item)
        target = io.BytesIO()
        item.save(target, "PNG")
        return target.getvalue()
    return item


def hash_of(item: Any) -> bytes:
    """16 bytes: equal for equal files wherever they lie, and for equal pixels."""
    path = path_of(item)
    if path is not None:
        return hash_of_file(path, "picture")
    if isinstance(item, bytes | bytearray | memoryview):
        import hashlib

        return hashlib.blake2b(item, digest_size=16).digest()
    if isinstance(item, pillow().Image):
        return hash_of_parts(item.mode, item.size, item.getexif().get(_ORIENTATION), item.tobytes())
    if hasattr(item, "__array_interface__"):
        pixels = pixels_of(item)
        return hash_of_parts(pixels.shape, pixels.tobytes())
    raise InvalidContent(f"a {type(item).__name__} is no picture.")


_ORIENTATION: Final = 0x0112


def _decoded(source: Path | io.BytesIO, name: str, about: int | None) -> Image:
    image_module = pillow()
    image = opened(source, name)
    try:
        with image:
            if about is not None and image.format in ("JPEG", "MPO"):
                image.draft("RGB", (about, about))
            image.load()
            return _plain(image)
    except MemoryError as exc:
        raise UnreadableFile(f"{name} does not fit into memory. Make it smaller.") from exc
    except (image_module.DecompressionBombError, image_module.DecompressionBombWarning) as exc:
        raise UnreadableFile(f"{name} has too many pixels to be decoded safely: {exc}") from exc
    except Exception as exc:  # damaged data makes Pillow's plugins raise nearly anything
        raise UnreadableFile(
            f"{name} is damaged or cut short: {str(exc) or type(exc).__name__}. Get the file again, or leave it out."
        ) from exc


def _plain(image: Image) -> Image:
    """Upright, on white, 8 bits a channel, RGB."""
    from PIL import ImageOps

    image_module = pillow()
    upright = _upright(image, ImageOps)
    if upright.mode in ("I", "F") or upright.mode.startswith("I;"):
        upright = image_module.fromarray(_eight_bits(upright))
    if upright.has_transparency_data:
        clear = upright.convert("RGBA")
        white = image_module.new("RGBA", clear.size, (255, 255, 255, 255))
        return image_module.alpha_composite(white, clear).convert("RGB")
    return upright if upright.mode == "RGB" else upright.convert("RGB")


def _upright(image: Image, operations: Any) -> Image:
    try:
        turned: Image = operations.exif_transpose(image)
    except Exception:  # damaged EXIF makes Pillow raise nearly anything; the pixels are good as they lie
        return image
    return turned


def _eight_bits(image: Image) -> NDArray[Any]:
    """16 bits by their upper 8; wider integers and floats that leave their usual range, by their own range."""
    import numpy as np

    values = np.asarray(image).astype(np.float64)
    values = np.where(np.isfinite(values), values, 0.0)
    low, high = float(values.min()), float(values.max())
    top = 1.0 if image.mode == "F" and high <= 1 else 255.0 if image.mode == "F" else 65535.0
    if low < 0 or high > top:
        values, top = values - low, max(high - low, 1e-12)
    return np.floor(values * (255.999 / top)).clip(0, 255).astype(np.uint8)
