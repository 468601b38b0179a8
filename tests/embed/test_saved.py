"""Folders of trained embedders: whole or not at all, checked when read, and nothing of them run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from adjoin.embed import saved
from adjoin.errors import InvalidOption, NewerFormat, UnreadableFile

ARRAYS = {"weights": np.arange(12, dtype=np.float32).reshape(3, 4), "counts": np.array([1, 2], dtype=">i8")}
SETTINGS = {"dim": 4, "name": "한글"}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    extra = tmp_path / "net.onnx"
    extra.write_bytes(b"net")
    folder = saved.save(tmp_path / "m", "tfidf", SETTINGS, ARRAYS, {"net.onnx": extra})
    held = saved.load(folder)
    assert (held.family, held.settings) == ("tfidf", SETTINGS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(held.arrays[name], array)
    assert held.files["net.onnx"].read_bytes() == b"net"
    assert saved.load(folder, mapped=True).digest == held.digest
    assert saved.family_of(folder) == "tfidf"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_digest_is_that_of_memory_and_follows_each_part(tmp_path: Path) -> None:
    digest = saved.digest_of("tfidf", SETTINGS, ARRAYS)
    assert saved.load(saved.save(tmp_path / "m", "tfidf", SETTINGS, ARRAYS)).digest == digest
    others = [
        saved.digest_of("counts", SETTINGS, ARRAYS),
        saved.digest_of("tfidf", SETTINGS | {"dim": 5}, ARRAYS),
        saved.digest_of("tfidf", SETTINGS, ARRAYS | {"counts": np.array([2, 1])}),
        saved.digest_of("tfidf", SETTINGS, ARRAYS | {"weights": ARRAYS["weights"].T}),
    ]
    assert len({digest, *others}) == 5


def test_a_saved_embedder_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    saved.save(tmp_path / "m", "tfidf", {"dim": 1}, ARRAYS)
    saved.save(tmp_path / "m", "tfidf", {"dim": 2}, {})
    assert saved.load(tmp_path / "m").settings == {"dim": 2}
    assert not (tmp_path / "m" / "weights.npy").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(InvalidOption, match="is no saved embedder"):
        saved.save(tmp_path / "other", "tfidf", {}, {})
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"


def test_damage_is_named(tmp_path: Path) -> None:
    folder = saved.save(tmp_path / "m", "tfidf", SETTINGS, ARRAYS)
    held = (folder / "weights.npy").read_bytes()
    (folder / "weights.npy").write_bytes(held[:-1] + b"\x01")
    with pytest.raises(UnreadableFile, match=r"weights\.npy is not what was saved"):
        saved.load(folder)
    (folder / "weights.npy").write_bytes(held[:40])
    with pytest.raises(UnreadableFile, match=r"weights\.npy cannot be read"):
        saved.load(folder)
    (folder / "embedder.json").write_text("[]")
    with pytest.raises(UnreadableFile, match="does not describe"):
        saved.load(folder)
    (folder / "embedder.json").write_text(
        json.dumps({"format": 9, "family": "x", "settings": {}, "arrays": {}, "files": {}})
    )
    with pytest.raises(NewerFormat, match="format 9"):
        saved.load(folder)


def test_objects_are_not_pickled(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="pickling"):
        saved.save(tmp_path / "m", "tfidf", {}, {"bad": np.array([{}, None], dtype=object)})
    assert list(tmp_path.iterdir()) == []
