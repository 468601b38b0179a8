"""Encoders from folders and from the hub's cache."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.support.hub import hub
from tests.support.models import MINILM, NO_MINILM
from tests.support.tiny_models import POSITIONS, WIDTH, WORDS, slow_bert, write_bert, write_graph

from adjoin.embed import embedder
from adjoin.embed.default import FOLDER
from adjoin.embed.folder import folder_embedder
from adjoin.embed.safetensors import read_tensors
from adjoin.errors import InvalidOption, NotFound, UnreadableFile, Unsupported

CLS, SEP, UNK = WORDS.index("[CLS]"), WORDS.index("[SEP]"), WORDS.index("[UNK]")
TABLE = np.random.default_rng(1).normal(size=(len(WORDS), 6)).astype(np.float32)


def ids(text: str) -> list[int]:
    return [CLS, *(WORDS.index(word) if word in WORDS else UNK for word in text.split()), SEP]


def unit(vector: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
def test_safetensors_give_the_vectors_of_the_formulas(tmp_path: Path, model_type: str, dtype: str) -> None:
    weights = write_bert(tmp_path, model_type=model_type, dtype=dtype)
    texts = ["the river froze", "고양이", "a cat slept the river froze"]
    start = 1 if model_type == "xlm-roberta" else 0
    expected = [unit(slow_bert(weights, ids(text), start).mean(axis=0)) for text in texts]
    np.testing.assert_allclose(embedder(str(tmp_path)).embed(texts), expected, atol=1e-5)


def test_a_graph_is_preferred_and_gets_a_text_without_padding(tmp_path: Path) -> None:
    write_bert(tmp_path)
    write_graph(tmp_path, TABLE)
    found = embedder(str(tmp_path))
    assert found.dim == TABLE.shape[1]
    expected = [unit(TABLE[ids(text)].mean(axis=0)) for text in ("the river", "a cat slept")]
    np.testing.assert_allclose(found.embed(["the river", "a cat slept"]), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, TABLE[CLS]),
        ({"pooling_mode_lasttoken": True}, TABLE[SEP]),
        ({"pooling_mode": "lasttoken"}, TABLE[SEP]),
        ({"pooling_mode_mean_tokens": True}, TABLE[ids("the cat")].mean(axis=0)),
    ],
)
def test_pooling_is_read_from_the_folder(tmp_path: Path, config: dict[str, object], expected: np.ndarray) -> None:  # type: ignore[type-arg]
    write_graph(tmp_path, TABLE)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(config))
    np.testing.assert_allclose(embedder(str(tmp_path)).embed(["the cat"])[0], unit(expected), atol=1e-6)


def test_pooling_that_cannot_be_had_is_refused_unless_another_is_chosen(tmp_path: Path) -> None:
    write_graph(tmp_path, TABLE)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(Unsupported, match=r"pooling_mode_max_tokens.*Choose one with pooling="):
        embedder(str(tmp_path))
    np.testing.assert_allclose(embedder(str(tmp_path), pooling="cls").embed(["a"])[0], unit(TABLE[CLS]), atol=1e-6)


def test_prompts_length_and_normalisation_are_read_from_the_folder(tmp_path: Path) -> None:
    write_graph(tmp_path, TABLE)
    (tmp_path / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "the ", "passage": "a "}, "default_prompt_name": None})
    )
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 5}))
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Transformer"}]))
    found = folder_embedder(tmp_path)
    assert found.identity.prompts == {"query": "the ", "document": "a "}
    np.testing.assert_allclose(found.embed(["cat"], "query")[0], TABLE[ids("the cat")].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.embed(["cat"])[0], TABLE[ids("a cat")].mean(axis=0), atol=1e-6)
    assert found.max_tokens == 5
    assert found.is_cut(["cat slept", "cat slept the river"]) == [False, True]


def test_options_go_over_the_folders_files(tmp_path: Path) -> None:
    write_graph(tmp_path, TABLE)
    found = embedder(str(tmp_path), pooling="last", prompts={"query": "the "}, max_tokens=4, dim=2)
    assert found.dim == 2
    np.testing.assert_allclose(found.embed(["a cat slept"])[0], unit(TABLE[SEP][:2]), atol=1e-6)
    assert found.identity.differences(embedder(str(tmp_path)).identity) != []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 7}, "dim=7 is not between 1 and the model's 6"),
        ({"pooling": "max"}, "unknown pooling 'max'"),
        ({"max_tokens": POSITIONS + 1}, f"the {POSITIONS} that the model can read"),
        ({"prompts": {"passage": "x"}}, "unknown prompt 'passage'"),
        ({"correction": False}, "unknown embedder option 'correction'"),
    ],
)
def test_options_that_cannot_be_had_are_refused(tmp_path: Path, options: dict[str, object], message: str) -> None:
    write_graph(tmp_path, TABLE)
    with pytest.raises(InvalidOption, match=message):
        embedder(str(tmp_path), **options)


def test_a_graph_that_pools_by_itself_works_and_refuses_another_pooling(tmp_path: Path) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).symlink_to(FOLDER / name)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 384}))
    assert embedder(str(tmp_path)).embed(["rain"]).shape == (1, 384)
    with pytest.raises(InvalidOption, match="pools by itself"):
        embedder(str(tmp_path), pooling="cls").embed(["rain"])


def test_a_moved_folder_has_the_same_fingerprint_and_changed_weights_another(tmp_path: Path) -> None:
    write_bert(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = embedder(str(tmp_path / "one")).identity, embedder(str(tmp_path / "two")).identity
    assert one.fingerprint == two.fingerprint
    assert one.name != two.name
    data = bytearray((tmp_path / "two" / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "two" / "model.safetensors").write_bytes(data)
    assert embedder(str(tmp_path / "two")).identity.fingerprint != one.fingerprint


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    write_bert(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(NotFound, match=missing):
        embedder(str(tmp_path))


@pytest.mark.parametrize(("name", "content"), [("tokenizer.json", b"{}"), ("model.safetensors", b"\xff" * 40)])
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    write_bert(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFile, match=name):
        embedder(str(tmp_path)).embed(["a"])


def test_a_broken_graph_and_a_broken_config_are_named(tmp_path: Path) -> None:
    write_graph(tmp_path, TABLE)
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(UnreadableFile, match=r"model\.onnx"):
        embedder(str(tmp_path)).embed(["a"])
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UnreadableFile, match=r"config\.json"):
        embedder(str(tmp_path))


def test_an_architecture_that_cannot_be_run_is_refused_with_the_remedy(tmp_path: Path) -> None:
    write_bert(tmp_path, model_type="mpnet")
    with pytest.raises(Unsupported, match=r"'mpnet' cannot be run; .*optimum-cli export onnx"):
        embedder(str(tmp_path)).embed(["a"])


def test_unknown_modules_are_refused(tmp_path: Path) -> None:
    write_bert(tmp_path)
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(Unsupported, match="Dense"):
        embedder(str(tmp_path))


def test_a_tensor_beyond_the_end_of_its_file_is_refused(tmp_path: Path) -> None:
    header = json.dumps({"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    (tmp_path / "short.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 8)
    with pytest.raises(UnreadableFile, match="beyond its end"):
        read_tensors(tmp_path / "short.safetensors")


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache as huggingface_hub lays it out, read offline."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--acme--tiny"
    for revision in ("a" * 40, "b" * 40):
        write_bert(repository / "snapshots" / revision)
    config = repository / "snapshots" / ("b" * 40) / "sentence_bert_config.json"
    config.write_text(json.dumps({"max_seq_length": 6}))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    return tmp_path


def test_a_model_is_loaded_from_the_hubs_cache_by_name_and_revision(hub_cache: Path) -> None:
    found = embedder("hf:acme/tiny")
    assert found.identity.name == "hf:acme/tiny"
    assert found.identity.max_tokens == POSITIONS
    assert found.embed(["the cat"]).shape == (1, WIDTH)
    assert embedder(f"hf:acme/tiny@{'b' * 40}").identity.max_tokens == 6


def test_a_model_that_is_not_in_the_cache_is_not_found_offline(hub_cache: Path) -> None:
    with pytest.raises(NotFound, match="'acme/other' cannot be had"):
        embedder("hf:acme/other")
    with pytest.raises(InvalidOption, match="names no model"):
        embedder("hf:")


@pytest.mark.slow
def test_a_model_is_brought_from_a_hub_once_and_what_broke_off_is_brought_again(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    code = "import adjoin; e = adjoin.embedder('hf:acme/tiny'); print(e.identity.name, e.embed(['the cat']).shape)"
    write_bert(tmp_path / "served")
    with hub("acme/tiny", tmp_path / "served") as remote:
        around = {**os.environ, "HF_ENDPOINT": remote.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}

        def run(code: str = code) -> subprocess.CompletedProcess[str]:
            return subprocess.run([sys.executable, "-c", code], env=around, capture_output=True, text=True, check=False)

        remote.cut = {"model.safetensors"}
        broken = run()
        assert broken.returncode == 1
        assert "NotFound: the model 'acme/tiny' cannot be had" in broken.stderr
        remote.cut = set()
        assert run().stdout == f"hf:acme/tiny (1, {WIDTH})\n"
        assert set(remote.got) == {"config.json", "tokenizer.json", "model.safetensors"}
        remote.got.clear()
        assert run().returncode == 0
        assert remote.got == [], "it was brought again"
        missing = run(code.replace("acme/tiny", "acme/none"))
        assert "NotFound: the model 'acme/none' cannot be had" in missing.stderr


@pytest.mark.skipif(not MINILM.is_dir(), reason=NO_MINILM)
def test_all_minilm_gives_the_vectors_that_transformers_gives() -> None:
    found = folder_embedder(MINILM)
    assert (found.dim, found.max_tokens, found.identity.pooling) == (384, 256, "mean")
    vectors = found.embed(["The river froze early that winter.", "short"])
    # From transformers 5 and torch 2.13 on the same files.
    np.testing.assert_allclose(vectors[0, :4], [0.0032415, 0.1261303, -0.0042189, 0.1296398], atol=1e-5)
    np.testing.assert_allclose(vectors[1, :4], [0.0167688, 0.1064821, 0.0199965, 0.0469163], atol=1e-5)
