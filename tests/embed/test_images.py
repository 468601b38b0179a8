"""Pictures: what is read and what refused, what the vectors are, and that near means alike on real ones."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import media
from tests.support.peak import PEAK_KB, needs_peak

import adjoin
from adjoin.embed.base import embed_all
from adjoin.embed.hashes import sha256
from adjoin.embed.identity import check_identity, verify_canaries, with_canaries
from adjoin.embed.images import decode, sensitivity
from adjoin.embed.images.base import ImageEmbedder, canary
from adjoin.embed.images.network import FOLDER
from adjoin.embed.images.preparation import Preparation
from adjoin.embed.images.sensitivity import changed_picture
from adjoin.errors import InvalidContent, InvalidOption, NotFound, UnreadableFile, Unsupported

Image = pytest.importorskip("PIL.Image", reason="pictures need Pillow")
pytest.importorskip("skimage", reason="hog needs scikit-image")
NAMES = ("pixels", "imagehash", "histogram", "hog", "descriptors", "image")
needs_stamps = pytest.mark.skipif(not media.STAMPS.is_dir(), reason=media.NO_MEDIA)


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {name: adjoin.embedder(name) for name in NAMES}


def saved(image: Any, kind: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def picture() -> Any:
    return Image.fromarray(canary())


def png_header(width: int, height: int) -> bytes:
    """A PNG of that many pixels, of which none are there: what a decompression bomb says before it unfolds."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


# ── Items ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_has_one_vector_however_it_is_given(name: str, models: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "그림.png"
    picture().save(path)
    given = [path, str(path), path.read_bytes(), bytearray(path.read_bytes()), picture(), canary(), canary() / 255.0]
    vectors = models[name].embed(given)
    assert vectors.shape == (7, models[name].dim)
    assert vectors.dtype == np.float32
    assert (vectors == vectors[0]).all()
    assert vectors[0].any()


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_does_not_depend_on_company_order_or_kind(name: str, models: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    items = [rng.integers(0, 256, (20 + 7 * n, 50, 3)).astype(np.uint8) for n in range(5)]
    together = models[name].embed(items)
    alone = np.concatenate([models[name].embed([item], "query") for item in items[::-1]])[::-1]
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (60_000, 1), (1, 60_000), (3, 2)])
def test_the_oddest_sizes_have_finite_vectors_with_a_direction(
    name: str, size: tuple[int, int], models: dict[str, Any]
) -> None:
    for colour in (0, 255, 128):
        (vector,) = models[name].embed([saved(Image.new("RGB", size, (colour,) * 3))])
        assert np.isfinite(vector).all()
        assert vector.any() or name == "imagehash"  # bits, for hamming: none set is a vector too


def test_no_items_have_no_vectors_and_one_item_outside_a_list_is_refused(models: dict[str, Any]) -> None:
    assert models["pixels"].embed([]).shape == (0, 3072)
    for one in ("a.png", b"..", canary()):
        with pytest.raises(InvalidContent, match=r"list of pictures.*\[picture\]"):
            models["pixels"].embed(one)


def test_a_refused_picture_is_named_by_its_place_and_the_rest_goes_on(models: dict[str, Any], tmp_path: Path) -> None:
    good = saved(picture())
    items = [good, str(tmp_path / "nowhere.png"), good, good[: len(good) // 2], np.zeros((2, 2, 7)), good]
    with pytest.raises(UnreadableFile, match=r"item 1: the picture .*nowhere\.png.* is not there.*Nothing of the call"):
        models["pixels"].embed(items)
    vectors, places, refused = embed_all(models["pixels"], items)
    assert places == [0, 2, 5]
    assert [one.position for one in refused] == [1, 3, 4]
    assert len(vectors) == 3
    assert "cut short" in str(refused[1].error)


def test_what_is_kept_and_hashed_follows_the_content(tmp_path: Path, models: dict[str, Any]) -> None:
    model: ImageEmbedder = models["pixels"]
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    picture().save(one)
    two.write_bytes(one.read_bytes())
    assert model.hash_of(one) == model.hash_of(str(two)) == model.hash_of(one.read_bytes())
    assert len(model.hash_of(one)) == 16
    two.write_bytes(saved(picture().rotate(90)))
    assert model.hash_of(one) != model.hash_of(two)
    assert model.hash_of(canary()) != model.hash_of(canary()[:, ::-1])
    assert model.kept(one) == str(one)
    assert model.kept(b"abc") == b"abc"
    for item in (picture(), canary(), picture().convert("CMYK"), picture().convert("P")):
        again = Image.open(io.BytesIO(model.kept(item)))
        assert np.array_equal(np.asarray(decode.rgb(again)), np.asarray(decode.rgb(item)))


def test_a_collection_keeps_pictures_and_finds_them(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    Image.new("RGB", (30, 30), (250, 10, 10)).save(tmp_path / "b.png")
    with adjoin.open(tmp_path / "x.adjoin") as db:
        shown = db.collection("pictures", embedder="image")
        shown.add(
            [tmp_path / "a.png", str(tmp_path / "b.png"), np.full((40, 40, 3), (10, 10, 250), np.uint8)],
            ids=["a", "b", "c"],
        )
        assert shown.search(tmp_path / "a.png", k=1).ids == ["a"]
        assert shown.search(np.asarray(picture())[:, 4:], k=1).ids == ["a"]
        assert shown.get(["a"])[0].content == str(tmp_path / "a.png")
        assert shown.get(["c"])[0].content[:4] == b"\x89PNG"
    with adjoin.open(tmp_path / "x.adjoin") as db:
        assert db.collection("pictures").search(str(tmp_path / "b.png"), k=1).ids == ["b"]


# ── Forms of files ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(orientation: int) -> None:
    undo = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90", 7: "TRANSVERSE",
            8: "ROTATE_270"}  # fmt: skip
    lying = picture() if orientation == 1 else picture().transpose(getattr(Image.Transpose, undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = decode.rgb(saved(lying, "PNG", exif=exif))
    assert np.array_equal(np.asarray(upright), canary())


def test_transparent_pixels_are_white() -> None:
    clear = np.dstack([canary(), np.zeros(canary().shape[:2], np.uint8)])
    clear[:48, :, 3] = 255
    expected = canary().copy()
    expected[48:] = 255
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 10, 10])
    for item in (
        clear,
        Image.fromarray(clear),
        saved(Image.fromarray(clear)),
        saved(Image.fromarray(clear), "WEBP", lossless=True),
    ):
        assert np.array_equal(np.asarray(decode.rgb(item)), expected)
    assert (np.asarray(decode.rgb(saved(palette, "PNG", transparency=1))) == 255).all()
    assert np.asarray(decode.rgb(saved(palette)))[0, 0].tolist() == [200, 10, 10]
    half = np.zeros((4, 4, 4), np.uint8)
    half[..., 3] = 128
    assert np.asarray(decode.rgb(half))[0, 0].tolist() == pytest.approx([127] * 3, abs=1)


def test_of_a_moving_picture_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    for kind in ("GIF", "WEBP", "PNG"):
        moving = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
        red, green, _ = np.asarray(decode.rgb(moving))[10, 10].tolist()
        assert (red > 240, green < 20) == (True, True), kind


def test_sixteen_bits_grey_and_cmyk_look_as_they_should() -> None:
    grey = np.asarray(picture().convert("L"))
    wide = Image.fromarray(grey.astype(np.uint16) * 257)
    for item in (
        saved(wide),
        saved(wide, "TIFF"),
        wide,
        grey.astype(np.uint16) * 257,
        saved(Image.fromarray(grey / np.float32(255)), "TIFF"),
    ):
        found = np.asarray(decode.rgb(item))
        assert found.shape == (96, 128, 3)
        assert np.abs(found[..., 0].astype(int) - grey).max() <= 1
    cmyk = np.asarray(decode.rgb(saved(picture().convert("CMYK"), "JPEG", quality=98)))
    assert np.abs(cmyk.astype(int) - canary()).mean() < 6
    one_bit = np.asarray(decode.rgb(saved(picture().convert("1"))))
    assert set(np.unique(one_bit)) <= {0, 255}


@pytest.mark.parametrize(("item", "told"), [
    (b"", "no picture in a format"), (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage", "no picture in a format"),
    (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "cannot be read|no picture"), (np.zeros((0, 5)), "no picture"),
    (np.zeros((5, 5, 2)), "no picture"), (np.full((5, 5), np.nan), "NaN"), (np.full((5, 5), 7.0), "from 0 to 1"),
    (np.full((5, 5), "x"), "uint8"), (None, "NoneType is no picture"), ({"path": "a"}, "dict is no picture"),
    ("\0", "is not there"), ("x" * 5000, "is not there"), (".", "is a folder"),
])  # fmt: skip
def test_what_is_no_picture_is_refused_with_the_reason(item: Any, told: str, models: dict[str, Any]) -> None:
    with pytest.raises((InvalidContent, UnreadableFile), match=told) as caught:
        models["histogram"].embed([item])
    assert str(caught.value).startswith("item 0: ")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_files_cut_short_or_with_wrong_bytes_are_refused_or_read_and_never_crash(
    kind: str, models: dict[str, Any]
) -> None:
    whole = saved(picture(), kind)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(UnreadableFile):
            models["pixels"].embed([whole[: int(len(whole) * share)]])
    rng = np.random.default_rng(11)
    for _ in range(30):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(damaged), 8):
            damaged[place] = rng.integers(0, 256)
        try:
            assert np.isfinite(models["pixels"].embed([bytes(damaged)])).all()
        except UnreadableFile as error:
            assert "item 0" in str(error)


@needs_peak
@pytest.mark.parametrize("size", [(60_000, 60_000), (20_000, 9_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_before_its_pixels_are_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_header(*size))
    code = f"""{PEAK_KB}
import sys, warnings
import adjoin
from adjoin.errors import UnreadableFile
model = adjoin.embedder("pixels", workers=1)
model.embed([{saved(picture())!r}])
before = peak_kb()
try:
    model.embed([{str(bomb)!r}])
except UnreadableFile as error:
    print(error, file=sys.stderr)
    print(peak_kb() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert "pixels" in done.stderr
    assert int(done.stdout) < 20_000  # kB, where decoding takes 540 MB or more


def test_pillows_own_limit_is_honoured_and_cannot_be_lifted_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UnreadableFile, match=r"too many pixels|more than 1,000"):
        decode.rgb(saved(picture()))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decode.rgb(saved(picture())).size == (128, 96)
    with pytest.raises(UnreadableFile, match="178,956,970"):
        decode.rgb(png_header(60_000, 60_000))


# ── The classic ones, by their sources ───────────────────────────────────────────────────────────────────────────────


def test_pixels_are_the_picture_itself() -> None:
    exact = np.random.default_rng(1).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    (vector,) = adjoin.embedder("pixels").embed([exact])
    assert np.allclose(vector, exact.reshape(-1) / 127.5 - 1, atol=1e-6)
    assert adjoin.embedder("pixels", size=16, grey=True).dim == 256


def test_the_hashes_are_those_of_the_package_imagehash() -> None:
    imagehash = pytest.importorskip("imagehash", reason="to compare with: pip install ImageHash")
    rng = np.random.default_rng(3)
    items = [picture(), *(Image.fromarray(rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)) for _ in range(5))]
    for method, theirs in (("phash", imagehash.phash), ("dhash", imagehash.dhash)):
        ours = adjoin.embedder("imagehash", method=method).embed(items)
        assert np.array_equal(ours, [theirs(item).hash.reshape(-1) for item in items])


def test_phash_is_the_sign_of_low_frequencies_against_their_median() -> None:
    from scipy.fft import dctn

    grey = np.asarray(picture().convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
    low = dctn(grey, 2)[:8, :8]
    assert np.array_equal(adjoin.embedder("imagehash").embed([picture()])[0], (low > np.median(low)).reshape(-1))


def test_a_copy_made_smaller_and_compressed_differs_in_few_bits(models: dict[str, Any]) -> None:
    copy = saved(picture().resize((90, 70)), "JPEG", quality=40)
    other = saved(picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    vectors = models["imagehash"].embed([picture(), copy, other])
    assert set(np.unique(vectors)) == {0.0, 1.0}
    from adjoin.distance import distance

    assert distance(vectors[0], vectors[1], "hamming") < 0.1 < distance(vectors[0], vectors[2], "hamming")


def test_the_histogram_counts_colours_and_hog_is_scikit_images() -> None:
    half = np.zeros((10, 10, 3), np.uint8)
    half[:, :5] = (255, 0, 0)
    (vector,) = adjoin.embedder("histogram").embed([half])
    assert np.sort(vector)[-2:] == pytest.approx([0.5**0.5] * 2)
    assert np.linalg.norm(vector) == pytest.approx(1)
    from skimage.feature import hog

    square = Image.fromarray(np.random.default_rng(2).integers(0, 256, (96, 96)).astype(np.uint8))
    theirs = hog(np.asarray(square) / 255, 9, (16, 16), (2, 2))
    (ours,) = adjoin.embedder("hog").embed([square])
    assert ours[:-1] / np.linalg.norm(ours[:-1]) == pytest.approx(theirs / np.linalg.norm(theirs), abs=1e-6)


def test_wrong_options_are_refused_with_those_there_are() -> None:
    for name, options in (("pixels", {"size": 0}), ("pixels", {"size": True}), ("imagehash", {"method": "md5"}),
                          ("hog", {"cells": 3}), ("image", {"size": 100}), ("image", {"mean": 3})):  # fmt: skip
        with pytest.raises(InvalidOption):
            adjoin.embedder(name, **options)


# ── Networks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_shipped_network_is_the_one_that_was_built_and_carries_its_canaries(models: dict[str, Any]) -> None:
    identity = models["image"].identity
    assert identity.weights == sha256(FOLDER / "model.onnx")
    assert identity.canary
    verify_canaries(models["image"], identity)
    assert (FOLDER / "ORIGIN.md").is_file()
    assert models["image"].reopened_by == "image"


@pytest.mark.parametrize("name", NAMES)
def test_an_identity_changes_with_the_options_and_with_nothing_else(name: str) -> None:
    stored = with_canaries(adjoin.embedder(name))
    again = adjoin.embedder(name, workers=1)
    check_identity(stored, again)
    verify_canaries(again, stored)
    assert stored.canary
    prints = {adjoin.embedder(each).identity.fingerprint for each in NAMES}
    assert len(prints) == len(NAMES)
    assert adjoin.embedder("pixels", size=16).identity.fingerprint != adjoin.embedder("pixels").identity.fingerprint


def test_the_shipped_network_knows_what_is_on_a_photograph(models: dict[str, Any]) -> None:
    """A cat is nearer to the same cat cropped and mirrored than to a cup of coffee or an astronaut."""
    data = pytest.importorskip("skimage.data", reason="photographs come with scikit-image")
    folder = Path(data.__file__).parent
    cat, coffee, rocket = (
        Image.open(folder / name).convert("RGB") for name in ("chelsea.png", "coffee.png", "rocket.jpg")
    )
    changed = cat.crop((60, 30, 400, 280)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    query, *others = models["image"].embed([changed, cat, coffee, rocket])
    likeness = [float(query @ other) for other in others]
    assert likeness[0] > 0.6 > max(likeness[1:]) + 0.1


def tiny_network(path: Path, *, layout: str = "nchw", size: Any = "h", output: str = "map") -> Path:
    """A graph whose features are the means of the channels, so that all of the preparation can be seen in its vector."""
    onnx = pytest.importorskip("onnx", reason="making a network to load needs onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = ["n", 3, size, size] if layout == "nchw" else ["n", size, size, 3]
    nodes = [helper.make_node("Identity", ["picture"], ["map"])]
    shapes = {"map": shape}
    if output == "tokens":
        nodes += [
            helper.make_node("Reshape", ["picture", "shape"], ["flat"]),
            helper.make_node("Transpose", ["flat"], ["tokens"], perm=[0, 2, 1]),
        ]
        shapes["tokens"] = ["n", "t", 3]
    constants = [onnx.numpy_helper.from_array(np.array([0, 3, -1]), "shape")]
    graph = helper.make_graph(nodes, "tiny", [helper.make_tensor_value_info("picture", kind, shape)],
                              [helper.make_tensor_value_info(output, kind, shapes[output])], constants)  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_any_network_is_taken_with_its_own_preparation(tmp_path: Path) -> None:
    colours = np.zeros((10, 10, 3), np.uint8)
    colours[:] = (255, 51, 0)
    for layout in ("nchw", "nhwc"):
        file = tiny_network(tmp_path / f"{layout}.onnx", layout=layout, size=24)
        plain = adjoin.embedder("image", path=str(file), mean=(0, 0, 0), std=(1, 1, 1), normalize=False)
        assert plain.dim == 3
        assert plain.embed([colours])[0] == pytest.approx([1.0, 0.2, 0.0], abs=1e-5)
        assert plain.identity.settings["size"] == [24, 24]
        bgr = adjoin.embedder(
            "image", path=file, channels="bgr", scale=1, mean=(10, 20, 30), std=(1, 2, 3), normalize=False
        )
        assert bgr.embed([colours])[0] == pytest.approx([-10, 15.5, 75], abs=1e-4)
        assert bgr.identity.fingerprint != plain.identity.fingerprint
        unit = adjoin.embedder("image", path=file, layout=layout)
        assert np.linalg.norm(unit.embed([colours])) == pytest.approx(1)
        assert unit.reopened_by is None or "path" in unit.reopened_by
    tokens = adjoin.embedder(
        "image", path=tiny_network(tmp_path / "tokens.onnx", output="tokens"), size=(8, 16), pooling="cls"
    )
    assert tokens.dim == 3


def test_a_folder_with_a_preprocessor_configuration_is_followed(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    tiny_network(tmp_path / "onnx" / "model.onnx")
    (tmp_path / "preprocessor_config.json").write_text(
        '{"do_center_crop": true, "crop_size": {"height": 20, "width": 20}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], '
        '"do_rescale": true, "rescale_factor": 0.00392156862745098, "do_normalize": true}', "utf-8")  # fmt: skip
    model = adjoin.embedder("image", path=tmp_path, normalize=False)
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    assert model.embed([wide])[0] == pytest.approx([1, 1, 1], abs=1e-5)  # the middle alone, and white is 1
    assert model.identity.settings["fit"] == "crop"


def test_what_is_no_network_for_pictures_is_refused(tmp_path: Path) -> None:
    file = tiny_network(tmp_path / "tiny.onnx", size=24)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no graph")
    text_model = Path(adjoin.__file__).parent / "embed" / "models" / "e5-small" / "model.onnx"
    with pytest.raises(NotFound, match="no network at"):
        adjoin.embedder("image", path=tmp_path / "none.onnx")
    with pytest.raises(NotFound, match=r"holds 2 \.onnx files"):
        adjoin.embedder("image", path=tmp_path)
    with pytest.raises(UnreadableFile, match="ONNX Runtime"):
        adjoin.embedder("image", path=bad)
    with pytest.raises(Unsupported, match="takes"):
        adjoin.embedder("image", path=text_model)
    for options, told in (({"size": 99}, "24 × 24"), ({"layout": "nhwc"}, "takes nchw"), ({"output": "x"}, "output"),
                          ({"std": (0, 1, 1)}, "has a 0"), ({"fit": "x"}, "fit"), ({"mean": (1, 2)}, "three numbers")):  # fmt: skip
        with pytest.raises(InvalidOption, match=told):
            adjoin.embedder("image", path=file, **options)


@pytest.mark.parametrize("fit", ["squeeze", "crop", "pad"])
def test_pictures_are_fitted_as_asked(fit: Any) -> None:
    wide = Image.new("RGB", (90, 30), (0, 0, 0))
    values = Preparation((30, 30), (0, 0, 0), (1, 1, 1), fit=fit).apply(wide)
    assert values.shape == (3, 30, 30)
    assert values.mean() == pytest.approx(2 / 3 if fit == "pad" else 0, abs=0.02)


# ── Near means alike ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_changes_move_shrink_and_crop() -> None:
    grey = Image.new("RGB", (40, 20), (9, 9, 9))
    white = Image.new("RGB", (40, 20), (255, 255, 255))
    white.paste(grey.resize((20, 10)), (10, 5))
    moved = np.asarray(changed_picture(white, "shift", 0.1))
    assert np.array_equal(moved[2:, 4:], np.asarray(white)[:-2, :-4])
    assert (moved[:2] == 255).all()
    assert changed_picture(white, "crop", 0.5).size == (20, 10)
    assert (np.asarray(changed_picture(white, "crop", 0.5)) == 9).all()
    smaller = np.asarray(changed_picture(white, "scale", 0.5))
    assert smaller.shape == (20, 40, 3)
    assert (smaller < 100).all(axis=2).sum() == pytest.approx(200 / 4, rel=0.3)


@pytest.mark.slow
@needs_stamps
def test_a_pretrained_network_keeps_what_raw_pixels_lose(tmp_path: Path) -> None:
    rows = media.stamps()[::10]
    seen: list[tuple[int, int | None]] = []
    report = sensitivity(
        [path for path, _, _ in rows], ("pixels", "image"), [top for _, top, _ in rows],
        changes={"shift": (0.0, 0.1), "scale": (1.0, 0.8), "crop": (1.0, 0.8)}, progress=lambda *done: seen.append(done),
    )  # fmt: skip
    assert report.line("image", "shift", 0.0).same_label > report.line("pixels", "shift", 0.0).same_label + 0.15  # type: ignore[operator]
    for change, amount in (("shift", 0.1), ("scale", 0.8), ("crop", 0.8)):
        assert report.kept("image", change, amount) >= 0.9
        assert report.line("pixels", change, amount).found < 0.8 < report.line("image", change, amount).found
    assert report.line("pixels", "scale", 1.0).found == 1.0
    assert seen[-1] == (8 * len(rows), 8 * len(rows))
    assert "unchanged" in str(report)
    assert "<table>" in report._repr_html_()
    assert len(report.to_dict()["lines"]) == 12
    drawn = report.save_plot(tmp_path / "plot.png")
    with Image.open(drawn) as image:
        assert image.size[0] > 1000


@needs_stamps
def test_recall_on_labelled_pictures_rises_from_pixels_to_descriptors_to_the_network(models: dict[str, Any]) -> None:
    rows = media.stamps()[::4]
    labels = np.array([fine for _, _, fine in rows])

    def recall(name: str) -> float:
        vectors = models[name].embed([path for path, _, _ in rows])
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        likeness = unit @ unit.T
        np.fill_diagonal(likeness, -1)
        return float((labels[likeness.argmax(axis=1)] == labels).mean())

    found = [recall(name) for name in ("pixels", "descriptors", "image")]
    assert found[0] + 0.05 < found[1]
    assert found[1] + 0.1 < found[2]


def test_sensitivity_refuses_what_it_cannot_compare(tmp_path: Path) -> None:
    with pytest.raises(adjoin.errors.InvalidInput, match="two at least"):
        sensitivity([picture()])
    with pytest.raises(adjoin.errors.InvalidInput, match="2 pictures and 1 labels"):
        sensitivity([picture(), picture()], ("pixels",), ["a"])
    with pytest.raises(InvalidOption, match="twist"):
        sensitivity([picture(), picture()], ("pixels",), changes={"twist": (0.0,)})
    report = sensitivity(
        [picture(), picture().rotate(90)], {"small": adjoin.embedder("pixels", size=4)}, changes={"shift": (0.0, 0.1)}
    )
    assert report.embedders == ["small"]
    with pytest.raises(InvalidOption, match="png"):
        report.save_plot(tmp_path / "x.gif")
    with pytest.raises(NotFound):
        report.line("small", "crop", 0.5)
