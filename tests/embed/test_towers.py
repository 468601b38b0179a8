"""Texts and pictures in one space."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import torchvision_ops
from tests.support.hub import hub
from tests.support.tiny_models import WORDS, write_tokenizer

import adjoin
from adjoin.embed import Identity, joint
from adjoin.embed.images.base import canary
from adjoin.errors import InvalidOption, NotFound, UnreadableFile, Unsupported

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


# ── Models that have both towers ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small CLIP with random weights, as transformers saves it and with both towers in ONNX, as the hub has them."""
    torch = pytest.importorskip("torch", reason="the model is made by PyTorch")
    pytest.importorskip("onnx", reason="the towers are exported through onnx")
    torchvision_ops.declare()
    transformers = pytest.importorskip("transformers", reason="a CLIP of transformers needs it")
    folder = tmp_path_factory.mktemp("clip")
    tokens = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    end = WORDS.index("[SEP]")
    config = transformers.CLIPConfig(
        text_config={**tokens, "vocab_size": len(WORDS), "max_position_embeddings": 12, "eos_token_id": end, "bos_token_id": 2},
        vision_config={**tokens, "image_size": 32, "patch_size": 8}, projection_dim=16,
    )  # fmt: skip
    model = transformers.CLIPModel(config).eval().requires_grad_(False)
    model.save_pretrained(folder)
    transformers.CLIPImageProcessor(size={"shortest_edge": 36}, crop_size=32).save_pretrained(folder)
    write_tokenizer(folder)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "model_max_length": 12})
    )

    class Reads(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            out = model.text_model(input_ids=input_ids, attention_mask=attention_mask)
            return model.text_projection(out.pooler_output)

    class Sees(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, pixel_values: Any) -> Any:
            return model.visual_projection(model.vision_model(pixel_values=pixel_values).pooler_output)

    (folder / "onnx").mkdir()
    ids = torch.tensor([[2, 4, 5, end]])
    for tower, given, name, out in (
        (Reads(), {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, "text_model", "text_embeds"),
        (Sees(), {"pixel_values": torch.rand(1, 3, 32, 32)}, "vision_model", "image_embeds"),
    ):
        axes = {key: {0: "batch", 1: "length"} for key in given if key != "pixel_values"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, on its own future
            torch.onnx.export(tower, tuple(given.values()), folder / "onnx" / f"{name}.onnx", input_names=list(given),
                              output_names=[out], dynamic_axes=axes, dynamo=False)  # fmt: skip
    return folder, model


def seen() -> Any:
    return PIL.fromarray(canary()).resize((40, 49))


@pytest.mark.parametrize("how", ["onnx", "transformers"])
def test_a_joint_model_gives_the_vectors_that_transformers_gives(clip: Any, how: str) -> None:
    import torch
    import transformers

    folder, model = clip
    joined = adjoin.embedder("joint", model=str(folder) if how == "onnx" else f"transformers:{folder}")
    ids = torch.tensor([[2, 4, 5, 6, WORDS.index("[SEP]")]])
    values = transformers.AutoImageProcessor.from_pretrained(folder)(images=seen(), return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        text = model.text_projection(model.text_model(input_ids=ids).pooler_output)[0]
        image = model.visual_projection(model.vision_model(pixel_values=values).pooler_output)[0]
    expected = np.stack([(one / one.norm()).numpy() for one in (text, image)])
    np.testing.assert_allclose(joined.embed(["the river froze", np.asarray(seen())]), expected, atol=2e-3)
    again = adjoin.embedder(joined.reopened_by)  # type: ignore[attr-defined]
    assert again.identity.differences(joined.identity) == []


@pytest.mark.parametrize("how", ["", "transformers:"])
def test_another_tokenizer_or_preparation_is_another_joint_model_and_another_place_is_not(
    clip: Any, how: str, tmp_path: Path
) -> None:
    folder, _ = clip
    shutil.copytree(folder, tmp_path / "moved")
    first, moved = (adjoin.embedder("joint", model=f"{how}{one}").identity for one in (folder, tmp_path / "moved"))
    assert first.differences(moved) == []
    for number, (name, old, new) in enumerate(
        (("tokenizer.json", '"froze": 6', '"frozen": 6'), ("preprocessor_config.json", "36", "40"))
    ):
        changed = tmp_path / str(number)
        shutil.copytree(folder, changed)
        text = (changed / name).read_text(encoding="utf-8")
        assert old in text
        (changed / name).write_text(text.replace(old, new), encoding="utf-8")
        assert first.differences(adjoin.embedder("joint", model=f"{how}{changed}").identity)


def test_a_collection_of_a_joint_model_opens_again_by_itself(clip: Any, tmp_path: Path) -> None:
    folder, _ = clip
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder="joint " + json.dumps({"model": str(folder)}))
        rows.add([*map(str, painted(tmp_path)), "the river"], ids=["r", "g", "b", "note"])
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows")
        assert rows.search((tmp_path / "g.png").read_bytes(), k=1).ids == ["g"]
        assert rows.search("the river", k=1).ids == ["note"]
        assert len(rows.search("a cat", k=4)) == 4


def test_a_joint_model_is_brought_from_the_hub(clip: Any, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    folder, _ = clip
    code = "import adjoin; e = adjoin.embedder('joint', model='hf:acme/clip'); print(e.dim, e.embed(['the cat']).shape)"
    with hub("acme/clip", folder) as remote:
        around = {**os.environ, "HF_ENDPOINT": remote.url, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
        done = subprocess.run([sys.executable, "-c", code], env=around, capture_output=True, text=True, check=False)
    assert done.stdout == "16 (1, 16)\n", done.stderr[-800:]
    assert "model.safetensors" not in remote.got, "PyTorch's weights are of no use here"


def test_what_is_no_joint_model_is_refused_by_name(clip: Any, tmp_path: Path) -> None:
    folder, _ = clip
    with pytest.raises(NotFound, match=r"has no text_model\.onnx and vision_model\.onnx"):
        joint(model=tmp_path)
    with pytest.raises(NotFound, match="transformers cannot load"):
        joint(model=f"transformers:{tmp_path}")
    for wrong in ({}, {"text": "default"}, {"text": "default", "image": "image", "model": str(folder)}):
        with pytest.raises(InvalidOption, match="joint takes"):
            joint(**wrong)  # type: ignore[arg-type]
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"model_type": "siglip"}))
    with pytest.raises(Unsupported, match="padded to one length"):
        joint(model=broken)
    (broken / "tokenizer.json").unlink()
    with pytest.raises(NotFound, match=r"has no tokenizer\.json"):
        joint(model=broken)
