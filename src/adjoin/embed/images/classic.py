"""Pictures described by formulas: no network, nothing learned.

pixels       the picture itself, made small: the baseline, which any shift changes
imagehash    a perceptual hash of 64 bits, for finding copies with the metric "hamming"
histogram    which colours, not where
hog          which edges, roughly where (histograms of oriented gradients)
descriptors  histogram, hog and small pixels in one vector
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from adjoin.embed.identity import Identity
from adjoin.embed.images.base import Describe, ImageEmbedder
from adjoin.errors import InvalidOption, MissingExtra

if TYPE_CHECKING:
    from PIL.Image import Image

    from adjoin.types import Floats

Hash = Literal["phash", "dhash"]
HASHES: Final[tuple[Hash, ...]] = get_args(Hash)
HUES, SATURATIONS, VALUES = 12, 4, 4
FLAT: Final = 0.1
"""The last component of hog: so small that edges outweigh it, and not zero, so that a picture without edges has a direction."""
WEIGHTS: Final = {"histogram": 1.0, "hog": 1.0, "pixels": 0.5}
"""Of .5, 1 and 1.5 for hog, and 0, .5 and 1 for pixels, about the best on labelled drawings and photographs; all are near."""
HOG_SIDE, HOG_CELL = 96, 16
SMALL_SIDE = 8


def pixels_embedder(*, size: int = 32, grey: bool = False, workers: int | None = None) -> ImageEmbedder:
    """The picture squeezed to size × size, each value from -1 to 1; size² · 3 dimensions, or size² in grey.

    None of the values is 0, so that black and grey pictures have a direction under cosine too.
    """
    side = _side(size, 1, 512)
    identity = Identity("pixels", "pixels", side * side * (1 if grey else 3), normalize=False,
                        settings={"size": side, "grey": bool(grey)})  # fmt: skip
    return ImageEmbedder(identity, lambda: lambda image: _pixels(image, side, grey), about=2 * side, workers=workers)


def imagehash_embedder(*, method: Hash = "phash", size: int = 8, workers: int | None = None) -> ImageEmbedder:
    """size² bits, each 0.0 or 1.0, for the metric "hamming": copies, made smaller or compressed again, differ in few.

    method: `phash` compares the low frequencies of the cosine transform of 4·size × 4·size grey pixels with their median;
    `dhash` compares each of size + 1 pixels of a row with the next.
    The bits are those of the package ImageHash. A picture of one colour may have no bit set: not for cosine.
    Source: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010; Krawetz, 2013 (dhash).
    """
    if method not in HASHES:
        raise InvalidOption.unknown("method", method, HASHES)
    side = _side(size, 2, 64)
    identity = Identity("imagehash", method, side * side, normalize=False, settings={"size": side, "values": "0 and 1"})
    make = _phash if method == "phash" else _dhash
    return ImageEmbedder(identity, lambda: lambda image: make(image, side), metric="hamming", workers=workers)


def histogram_embedder(*, workers: int | None = None) -> ImageEmbedder:
    """How much of the picture has each of 12 × 4 × 4 colours (hue, saturation, value), 192 dimensions of unit length.

    The square roots of the shares, so that their inner product is the Bhattacharyya coefficient (Bhattacharyya, 1943;
    colour histograms: Swain and Ballard, IJCV 1991).
    """
    identity = Identity("histogram", "histogram-hsv", HUES * SATURATIONS * VALUES,
                        settings={"bins": [HUES, SATURATIONS, VALUES]})  # fmt: skip
    return ImageEmbedder(identity, lambda: _histogram, about=256, workers=workers)


def hog_embedder(*, workers: int | None = None) -> ImageEmbedder:
    """Histograms of oriented gradients of the picture at 96 × 96 in grey: 9 directions, cells of 16 pixels, blocks of 2 × 2;
    900 dimensions and one that is constant, of unit length. Through scikit-image.

    Source: Dalal and Triggs, CVPR 2005.
    """
    return ImageEmbedder(
        Identity("hog", "hog", _HOG_DIM, settings=_hog_settings()), _loaded_hog, about=2 * HOG_SIDE, workers=workers
    )


def descriptors_embedder(*, workers: int | None = None) -> ImageEmbedder:
    """Colour, edges and layout in one: histogram, hog, and 8 × 8 pixels, each of unit length, together of unit length."""
    settings = {"weights": WEIGHTS, "small": SMALL_SIDE, "bins": [HUES, SATURATIONS, VALUES], **_hog_settings()}
    dim = HUES * SATURATIONS * VALUES + _HOG_DIM + SMALL_SIDE * SMALL_SIDE * 3
    return ImageEmbedder(Identity("descriptors", "descriptors", dim, settings=settings), _loaded_descriptors,
                         about=2 * HOG_SIDE, workers=workers)  # fmt: skip


_HOG_DIM: Final = (HOG_SIDE // HOG_CELL - 1) ** 2 * 4 * 9 + 1


def _hog_settings() -> dict[str, Any]:
    return {"side": HOG_SIDE, "cell": HOG_CELL, "block": 2, "directions": 9, "flat": FLAT}


def _pixels(image: Image, side: int, grey: bool = False) -> Floats:
    import numpy as np

    small = _squeezed(image.convert("L") if grey else image, side, side)
    vector: Floats = np.asarray(small, np.float32).reshape(-1) / np.float32(127.5) - np.float32(1)
    return vector


def _phash(image: Image, side: int) -> Floats:
    import numpy as np

    try:
        from scipy.fft import dct
    except ImportError as exc:  # comes with scikit-image
        raise MissingExtra.of("scikit-image", "images", "The perceptual hash") from exc
    grey = _lanczos(image.convert("L"), 4 * side, 4 * side)
    low = dct(dct(np.asarray(grey, np.float64), axis=0), axis=1)[:side, :side]
    bits: Floats = (low > np.median(low)).astype(np.float32).reshape(-1)
    return bits


def _dhash(image: Image, side: int) -> Floats:
    import numpy as np

    grey = np.asarray(_lanczos(image.convert("L"), side + 1, side), np.int16)
    bits: Floats = (grey[:, 1:] > grey[:, :-1]).astype(np.float32).reshape(-1)
    return bits


def _histogram(image: Image) -> Floats:
    import numpy as np

    smaller = image.copy()
    smaller.thumbnail((256, 256))
    hsv = np.asarray(smaller.convert("HSV"), np.int64).reshape(-1, 3)
    bins = np.array([HUES, SATURATIONS, VALUES])
    place = hsv * bins // 256
    index = (place[:, 0] * SATURATIONS + place[:, 1]) * VALUES + place[:, 2]
    counts = np.bincount(index, minlength=int(bins.prod()))
    roots: Floats = np.sqrt(counts / counts.sum()).astype(np.float32)
    return roots


def _loaded_hog() -> Describe:
    import numpy as np

    try:
        from skimage.feature import hog
    except ImportError as exc:
        raise MissingExtra.of("scikit-image", "images", "Histograms of oriented gradients") from exc

    def describe(image: Image) -> Floats:
        grey = np.asarray(_squeezed(image.convert("L"), HOG_SIDE, HOG_SIDE), np.float64) / 255
        blocks = hog(grey, orientations=9, pixels_per_cell=(HOG_CELL, HOG_CELL), cells_per_block=(2, 2))
        return _unit(np.append(blocks, FLAT))

    return describe


def _loaded_descriptors() -> Describe:
    import numpy as np

    hog = _loaded_hog()

    def describe(image: Image) -> Floats:
        return _unit(np.concatenate([
            WEIGHTS["histogram"] * _histogram(image), WEIGHTS["hog"] * hog(image),
            WEIGHTS["pixels"] * _unit(_pixels(image, SMALL_SIDE)),
        ]))  # fmt: skip

    return describe


def _unit(vector: Any) -> Floats:
    import numpy as np

    unit: Floats = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


def _squeezed(image: Image, width: int, height: int) -> Image:
    """By averaging over what falls on each pixel, so that nothing between them is skipped."""
    from PIL import Image as Pillow

    return image.resize((width, height), Pillow.Resampling.BILINEAR)  # which widens with the scale


def _lanczos(image: Image, width: int, height: int) -> Image:
    from PIL import Image as Pillow

    return image.resize((width, height), Pillow.Resampling.LANCZOS)


def _side(size: object, least: int, most: int) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or not least <= size <= most:
        raise InvalidOption(f"size is a whole number from {least} to {most}, not {size!r}.")
    return size
