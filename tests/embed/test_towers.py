"""Texts and pictures in one space."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoin
from adjoin.embed import Identity, joint
from adjoin.errors import InvalidOption, UnreadableFile

PIL = pytest.importorskip("PIL.Image", reason="pillow is not installed: pip install 'adjoin[images]'")
COLOURS = {"red": (230, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230)}


class Words:
    """The text tower of a model that knows three colours."""

    dim = 3
    identity = Identity("words", "words", 3)

    def embed(self, items: Any, kind: Any = "document") -> Any:
        found = np.array([[0.01 + (name in item) for name in COLOURS] for item in items], np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


class Means:
    """Its picture tower: the mean colour."""

    dim = 3
    takes = "image"
    identity = Identity("means", "means", 3)
    canary_items = (b"",)

    def embed(self, items: Any, kind: Any = "document") -> Any:
        rows = []
        for place, item in enumerate(items):
            if item == b"":
                rows.append(np.ones(3))
                continue
            try:
                image = PIL.open(io.BytesIO(item) if isinstance(item, bytes) else item)
            except OSError as exc:
                raise UnreadableFile(f"item {place} cannot be read") from exc
            rows.append(np.asarray(image.convert("RGB"), np.float64).mean(axis=(0, 1)))
        found = np.array(rows)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def painted(folder: Path) -> list[Path]:
    paths = []
    for name, colour in COLOURS.items():
        paths.append(folder / f"{name[0]}.png")
        PIL.new("RGB", (8, 6), colour).save(paths[-1])
    return paths


def test_a_text_finds_the_picture_that_it_describes(tmp_path: Path) -> None:
    model = joint(Words(), Means())
    paths = painted(tmp_path)
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=model)
        rows.add([*map(str, paths), "a note on green things"], ids=["r", "g", "b", "note"])
        assert rows.search("a blue square", k=1).ids == ["b"]
        assert rows.search("something green", k=2).ids in (["g", "note"], ["note", "g"])
        assert rows.search(paths[0].read_bytes(), k=1).ids == ["r"]
        assert rows.get("r").content == str(paths[0])  # type: ignore[union-attr]
    with adjoin.open(tmp_path / "s") as db:
        assert db.collection("rows", embedder=joint(Words(), Means())).search("red", k=1).ids == ["r"]


def test_errors_name_the_item_and_towers_must_fit(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    model = joint(Words(), Means())
    with pytest.raises(UnreadableFile, match="item 2"):
        model.embed(["red", "green", str(tmp_path / "bad.png")])
    assert model.embed([]).shape == (0, 3)
    with pytest.raises(InvalidOption, match="not trained together"):
        joint("default", Means())
    with pytest.raises(InvalidOption, match="one of pictures"):
        joint(Words(), Words())
    other = Words()
    other.identity = Identity("words", "other words", 3)
    assert model.identity.differences(joint(other, Means()).identity)


def test_a_joint_model_of_named_towers_is_found_again_by_name(tmp_path: Path) -> None:
    folder = adjoin.embed.reduce("default", 64, method="random")
    folder.fit(["a", "b"])
    text = folder.save(tmp_path / "text")
    model = adjoin.embedder("joint", text=str(text), image="imagehash")
    assert model.dim == 64
    again = adjoin.embedder(model.reopened_by)  # type: ignore[attr-defined]
    assert again.identity.differences(model.identity) == []
