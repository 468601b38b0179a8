"""What makes an embedder another one is refused when a collection is opened, and what does not is accepted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.tiny_models import write_bert

import adjoin
from adjoin.errors import IdentityMismatch, InvalidOption, UnreadableFile, Unsupported

TEXTS = ["the river froze", "a cat slept", "고양이 강"]
Change = Callable[[Path], dict[str, Any]]


def model(folder: Path) -> Path:
    write_bert(folder)
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "the", "passage": "a"}}))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder


def edited(name: str, change: Callable[[Any], None]) -> Change:
    def apply(folder: Path) -> dict[str, Any]:
        path = folder / name
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        return {}

    return apply


def flipped(at: int) -> Change:
    """One bit of the weights, or a whole number of them."""

    def apply(folder: Path) -> dict[str, Any]:
        path = folder / "model.safetensors"
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)
        return {}

    return apply


def swapped_words(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text())
    vocabulary = told["model"]["vocab"]
    vocabulary["river"], vocabulary["cat"] = vocabulary["cat"], vocabulary["river"]
    path.write_text(json.dumps(told))
    return {}


def quantised(folder: Path) -> dict[str, Any]:
    write_bert(folder, dtype="F16")
    return {}


def with_options(**options: Any) -> Change:
    return lambda folder: options


def replaced(folder: Path) -> dict[str, Any]:
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + " ")
    return {}


CHANGES: dict[str, Change] = {
    "a bit of the last weight": flipped(-1),
    "a bit in the middle": flipped(-5000),
    "a bit of another": flipped(-2001),
    "half precision": quantised,
    "two words exchanged in the vocabulary": swapped_words,
    "a word more": edited("tokenizer.json", lambda told: told["model"]["vocab"].update(new=99)),
    "another unknown word": edited("tokenizer.json", lambda told: told["model"].update(unk_token="[PAD]")),
    "lower case": edited("tokenizer.json", lambda told: told.update(normalizer={"type": "Lowercase"})),
    "another pre-tokenizer": edited("tokenizer.json", lambda told: told.update(pre_tokenizer={"type": "WhitespaceSplit"})),
    "the tokenizer's bytes": replaced,
    "pooling by the file": edited("1_Pooling/config.json", lambda told: told.update(
        pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)),
    "pooling by option": with_options(pooling="last"),
    "pooling cls": with_options(pooling="cls"),
    "the query's prompt by the file": edited("config_sentence_transformers.json", lambda told: told["prompts"].update(query="cat")),
    "the passage's prompt by the file": edited("config_sentence_transformers.json", lambda told: told["prompts"].update(passage="")),
    "prompts exchanged": edited("config_sentence_transformers.json", lambda told: told.update(
        prompts={"query": "a", "passage": "the"})),
    "no prompts": with_options(prompts={}),
    "another prompt": with_options(prompts={"query": "the "}),
    "a space in a prompt": with_options(prompts={"query": "the", "document": "a "}),
    "fewer dimensions": with_options(dim=8),
    "one dimension fewer": with_options(dim=15),
    "int8 output": with_options(output="int8"),
    "binary output": with_options(output="binary"),
    "shorter texts": with_options(max_tokens=6),
    "shorter by one": with_options(max_tokens=11),
    "no unit length": lambda folder: (folder / "modules.json").write_text(json.dumps(
        [{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Pooling"}])) and {},
    "another architecture": edited("config.json", lambda told: told.update(model_type="roberta")),
    "another activation": edited("config.json", lambda told: told.update(hidden_act="relu")),
    "another number of heads": edited("config.json", lambda told: told.update(num_attention_heads=2)),
    "fewer layers": edited("config.json", lambda told: told.update(num_hidden_layers=1)),
    "another epsilon, as large as it matters": edited("config.json", lambda told: told.update(layer_norm_eps=0.5)),
}  # fmt: skip


def moved(folder: Path) -> dict[str, Any]:
    folder.rename(folder.parent / "elsewhere")
    return {"path": folder.parent / "elsewhere"}


def touched(folder: Path) -> dict[str, Any]:
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    return {}


def with_a_readme(folder: Path) -> dict[str, Any]:
    (folder / "README.md").write_text("about it")
    return {}


def copied(folder: Path) -> dict[str, Any]:
    shutil.copytree(folder, folder.parent / "copy")
    return {"path": folder.parent / "copy"}


HARMLESS: dict[str, Change] = {
    "another path": moved,
    "file times": touched,
    "the number of threads": with_options(workers=3),
    "a readme beside it": with_a_readme,
    "a copy": copied,
    "the same options said aloud": with_options(pooling="mean", dim=16),
    "keys of a config in another order": edited(
        "1_Pooling/config.json", lambda told: told.update(note="no more than that")
    ),
}


def opened(folder: Path, change: Change) -> list[Any]:
    """Fill a collection with the model, change it, and search."""
    path = model(folder / "model")
    with adjoin.open(folder / "s") as db:
        db.collection("rows", embedder=str(path)).add(TEXTS, ids=[0, 1, 2])
    options = dict(change(path))
    path = options.pop("path", path)
    with adjoin.open(folder / "s") as db:
        return db.collection("rows", embedder=adjoin.embedder(str(path), **options)).search(TEXTS[1], k=1).ids


def test_there_are_enough_of_them() -> None:
    assert len(CHANGES) >= 30
    assert len(HARMLESS) >= 5


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_vectors_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises((IdentityMismatch, UnreadableFile, Unsupported, InvalidOption)) as told:
        opened(tmp_path, CHANGES[name])
    assert told.type is IdentityMismatch, told.value
    assert "They differ" in str(told.value)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_not_is_accepted(name: str, tmp_path: Path) -> None:
    found = opened(tmp_path, HARMLESS[name])
    assert len(found) == 1


def test_another_machines_rounding_is_within_the_tolerance(tmp_path: Path) -> None:
    """Canary vectors may differ as int8 kernels do from one processor to another, and not by more."""
    path = model(tmp_path / "model")

    class Drifting:
        dim = 16
        identity = "drifting-1"

        def __init__(self, by: float) -> None:
            self.by = by

        def embed(self, items: Any, kind: Any = "document") -> Any:
            vectors = adjoin.embedder(str(path)).embed(list(items), kind)
            noise = np.random.default_rng(0).standard_normal(vectors.shape)
            return vectors + self.by * noise / np.linalg.norm(noise, axis=1, keepdims=True)

    with adjoin.open(tmp_path / "s") as db:
        db.collection("rows", embedder=Drifting(0.0)).add(TEXTS)
        assert len(db.collection("rows", embedder=Drifting(0.02)).search(TEXTS[0])) == 3
        with pytest.raises(IdentityMismatch, match=r"cosine 0\.99"):
            db.collection("rows", embedder=Drifting(0.1)).search(TEXTS[0])
