"""Static models: `fast`, folders of Model2Vec, and what is odd or damaged."""

from __future__ import annotations

import json
import os
import tracemalloc
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.known_item import known_item_recall
from tests.support.pairs import NO_DESCRIPTIONS, NO_HELP, description_pairs, help_pairs, test_half

import adjoin
from adjoin.embed import saved
from adjoin.embed.identity import with_canaries
from adjoin.embed.safetensors import read_tensors, shapes, write_tensors
from adjoin.embed.static import SHIPPED, Pieces, StaticEmbedder, Table, is_static, pooled, quantised
from adjoin.errors import InvalidContent, InvalidOption, NotFound, UnreadableFile

TEXTS = [
    "서울은 한국의 수도이다.",
    "The river froze early that winter.",
    "index",
    "def add(a, b): return a + b",
    "값 ½ ﬁ ㎏",
]
WORDS = ["[UNK]", "the", "cat", "sleeps", "강", "이", "얼었다", "the cat"]


@pytest.fixture(scope="module")
def fast() -> StaticEmbedder:
    found = adjoin.embedder("fast")
    assert isinstance(found, StaticEmbedder)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return model2vec_folder(tmp_path / "static")


def model2vec_folder(path: Path, **changes: Any) -> Path:
    """A small model in Model2Vec's layout: whole words, one unknown token."""
    path.mkdir()
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": {word: n for n, word in enumerate(WORDS)}, "unk_token": "[UNK]"},
    }  # fmt: skip
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    table = np.random.default_rng(0).standard_normal((len(WORDS), 6)).astype(np.float32)
    write_tensors(path / "model.safetensors", changes.pop("tensors", {"embeddings": table}))
    config = {"model_type": "model2vec", "normalize": True} | changes
    (path / "config.json").write_text(json.dumps(config))
    return path


# ── The shipped one ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_fast_gives_unit_vectors_of_the_promised_shape(fast: StaticEmbedder) -> None:
    vectors = fast.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), fast.dim) == (len(TEXTS), 256)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert fast.embed([]).shape == (0, 256)


def test_fast_is_small_and_has_the_files_it_was_saved_with() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 8_000_000
    assert saved.load(SHIPPED).family == "fast"  # which compares the hashes
    assert "MIT License" in (SHIPPED / "ORIGIN.md").read_text(encoding="utf-8")


def test_fast_is_found_again_by_its_name_and_cut_to_a_dimension(fast: StaticEmbedder) -> None:
    assert fast.reopened_by == fast.identity.name == "fast"
    short = adjoin.embedder("fast", dim=64)
    assert short.reopened_by is not None  # type: ignore[attr-defined]
    assert adjoin.embedder(short.reopened_by).identity == short.identity  # type: ignore[attr-defined]
    cut = fast.embed(TEXTS)[:, :64]
    np.testing.assert_allclose(short.embed(TEXTS), cut / np.linalg.norm(cut, axis=1, keepdims=True), atol=1e-6)
    with pytest.raises(InvalidOption, match="between 1 and the model's 256"):
        adjoin.embedder("fast", dim=257)


def test_a_vector_is_the_same_in_any_company(fast: StaticEmbedder) -> None:
    together = fast.embed(TEXTS * 300)
    for n, text in enumerate(TEXTS):
        np.testing.assert_array_equal(together[n :: len(TEXTS)], np.repeat(fast.embed([text]), 300, axis=0))


def test_decomposed_hangul_gives_the_vector_of_composed(fast: StaticEmbedder) -> None:
    text = "한국어 형태소 분석기는 띄어쓰기를 어떻게 다루나요?"
    decomposed = unicodedata.normalize("NFD", text)
    assert decomposed != text
    np.testing.assert_array_equal(fast.embed([decomposed]), fast.embed([text]))


def test_texts_without_a_known_piece_get_one_fixed_vector(fast: StaticEmbedder) -> None:
    vectors = fast.embed(["", " \n", "\u200b"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_odd_texts_get_finite_vectors(fast: StaticEmbedder) -> None:
    odd = ["😀😀", "مرحبا بالعالم", "\x00\x07", "a" * 1_000_000, "ᄒ", "𒀀", "\u202eabc"]
    vectors = fast.embed(odd)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_what_is_no_text_is_refused_by_its_position(fast: StaticEmbedder) -> None:
    with pytest.raises(InvalidContent, match="item 1 is bytes"):
        fast.embed(["a", b"b"])
    with pytest.raises(InvalidContent, match="item 1 has a lone surrogate"):
        fast.embed(["a", "\ud800"])
    with pytest.raises(InvalidOption, match="unknown kind"):
        fast.embed(["a"], "passage")  # type: ignore[arg-type]


def test_long_texts_are_cut_and_counted() -> None:
    fast = adjoin.embedder("fast")
    assert isinstance(fast, StaticEmbedder)
    assert fast.max_tokens == 512
    long = " ".join(["word"] * 600)
    assert fast.is_cut([long, "word"]) == [True, False]
    assert fast.count_tokens([long]) == [600]
    np.testing.assert_allclose(fast.embed([long]), fast.embed([" ".join(["word"] * 512)]), atol=1e-6)
    assert fast.truncated == 1


def test_memory_is_bounded_by_the_batch(fast: StaticEmbedder) -> None:
    texts = ["word " * 400] * 1_000  # 400,000 pieces, 400 MB of vectors at once
    fast.embed(texts[:10])
    tracemalloc.start()
    fast.embed(texts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_embeds(fast: StaticEmbedder) -> None:
    expected = fast.embed(TEXTS)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(fast.embed(TEXTS), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not help_pairs(), reason=NO_HELP)
def test_words_read_apart_are_the_pieces_of_the_whole_text() -> None:
    described = (SHIPPED / "tokenizer.json").read_text(encoding="utf-8")
    pieces = Pieces(described, 10_000, name="shipped")
    for pair in help_pairs()[:200]:
        for text in (pair.ko.body[:1500], pair.en.body[:1500], f"{pair.ko.title}\n{pair.en.title}\t–  {pair.ko.title}"):
            assert pieces._by_words
            assert pieces.ids(text) == pieces._encoded(text.strip())


def test_a_tokenizer_that_may_join_words_reads_texts_whole(folder: Path) -> None:
    described = json.loads((folder / "tokenizer.json").read_text())
    apart = Pieces(json.dumps(described), 10, name="x")
    assert apart._by_words
    for change in (
        {"pre_tokenizer": None},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}},
        {"normalizer": {"type": "Prepend", "prepend": "▁"}},
    ):
        assert not Pieces(json.dumps(described | change), 10, name="x")._by_words


@pytest.mark.skipif(not help_pairs(), reason=NO_HELP)
@pytest.mark.skipif(not description_pairs(), reason=NO_DESCRIPTIONS)
def test_fast_finds_what_its_page_says(fast: StaticEmbedder) -> None:
    """Floors a little below the figures of docs/embed-static.md, on texts that it did not learn from."""
    pages = known_item_recall(fast, test_half(help_pairs()))
    assert pages["ko→ko"] > 0.63
    assert pages["en→en"] > 0.76
    assert pages["ko→en"] > 0.40
    descriptions = known_item_recall(fast, test_half(description_pairs())[:400])
    assert descriptions["ko→ko"] > 0.64
    assert descriptions["en→ko"] > 0.55


def test_a_collection_made_with_fast_opens_again(fast: StaticEmbedder, tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "db.adjoin") as db:
        db.collection("notes", embedder="fast").add(["서울은 한국의 수도이다.", "Cats sleep all day.", ""])
    with adjoin.open(tmp_path / "db.adjoin") as db:
        assert db.collection("notes").search("한국의 수도", k=1)[0].content == "서울은 한국의 수도이다."


# ── Saved and exported ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_saved_one_gives_the_same_vectors_and_identity(folder: Path, tmp_path: Path) -> None:
    given = adjoin.embedder(folder)
    assert isinstance(given, StaticEmbedder)
    target = given.save(tmp_path / "kept")
    loaded = adjoin.embedder(target)
    assert loaded.reopened_by == given.reopened_by == str(target)  # type: ignore[attr-defined]
    np.testing.assert_allclose(loaded.embed(["the cat"]), given.embed(["the cat"]), atol=1e-6)
    assert with_canaries(loaded).differences(with_canaries(adjoin.embedder(target))) == []


def test_an_export_reads_as_the_same_model_here_and_in_model2vec(fast: StaticEmbedder, tmp_path: Path) -> None:
    target = fast.export(tmp_path / "exported")
    np.testing.assert_allclose(adjoin.embedder(target).embed(TEXTS), fast.embed(TEXTS), atol=1e-6)
    with pytest.raises(InvalidOption, match="is there already"):
        fast.export(target)
    model2vec = pytest.importorskip("model2vec")
    other = model2vec.StaticModel.from_pretrained(str(target))
    np.testing.assert_allclose(other.encode(TEXTS), fast.embed(TEXTS), atol=1e-6)


def test_int8_rows_stay_near(fast: StaticEmbedder) -> None:
    vectors = np.random.default_rng(1).standard_normal((50, 64)).astype(np.float32)
    np.testing.assert_allclose(quantised(vectors).of(np.arange(50)), vectors, atol=np.abs(vectors).max() / 250)


# ── Folders of others ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model2vec_folder_is_the_mean_of_its_known_pieces(folder: Path) -> None:
    table = read_tensors(folder / "model.safetensors")["embeddings"]
    expected = table[[1, 2, 3]].mean(axis=0)
    given = adjoin.embedder(folder).embed(["the cat unheard sleeps"])[0]
    np.testing.assert_allclose(given, expected / np.linalg.norm(expected), atol=1e-6)


def test_weights_mapping_and_whole_numbers_are_read_as_model2vec_does(tmp_path: Path) -> None:
    model2vec = pytest.importorskip("model2vec")
    from tokenizers import Tokenizer

    backend = Tokenizer.from_file(str(model2vec_folder(tmp_path / "for-its-tokenizer") / "tokenizer.json"))
    random = np.random.default_rng(2)
    for number, dtype in enumerate((np.float32, np.float16, np.int8)):
        rows = (random.standard_normal((4, 6)) * 40).astype(dtype)
        weights = random.random(len(WORDS)).astype(np.float32)
        mapping = random.integers(0, 4, len(WORDS))
        other = model2vec.StaticModel(rows, backend, normalize=bool(number), weights=weights, token_mapping=mapping)
        other.save_pretrained(tmp_path / f"model-{number}")
        ours = adjoin.embedder(tmp_path / f"model-{number}")
        texts = ["the cat sleeps", "강 이 얼었다 unheard", "the the the"]
        np.testing.assert_allclose(ours.embed(texts), other.encode(texts), rtol=2e-3, atol=2e-3)
        assert ours.identity.normalize is bool(number)


def test_sentence_transformers_layout_is_read(folder: Path) -> None:
    inner = folder / "0_StaticEmbedding"
    inner.mkdir()
    table = read_tensors(folder / "model.safetensors")["embeddings"]
    before = adjoin.embedder(folder).embed(["the cat"])
    write_tensors(inner / "model.safetensors", {"embedding.weight": table})
    (folder / "tokenizer.json").rename(inner / "tokenizer.json")
    (folder / "model.safetensors").unlink()
    (folder / "config.json").unlink()
    kind = "sentence_transformers.models."
    modules = [{"type": f"{kind}StaticEmbedding", "path": "0_StaticEmbedding"}, {"type": f"{kind}Normalize"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    np.testing.assert_allclose(adjoin.embedder(folder).embed(["the cat"]), before, atol=1e-6)


def test_a_folder_without_a_model_type_is_known_by_its_one_table(folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    assert is_static(folder)
    (folder / "config.json").write_text('{"hidden_size": 6, "model_type": "bert"}')
    assert not is_static(folder)


def test_a_changed_table_tokenizer_or_setting_is_another_identity(folder: Path, tmp_path: Path) -> None:
    before = adjoin.embedder(folder).identity
    assert adjoin.embedder(folder, dim=3).identity.differences(before)
    assert adjoin.embedder(folder, max_tokens=9).identity.differences(before)
    table = read_tensors(folder / "model.safetensors")["embeddings"]
    table[0, 0] += 1
    write_tensors(folder / "model.safetensors", {"embeddings": table})
    assert any("weights" in line for line in adjoin.embedder(folder).identity.differences(before))
    other = model2vec_folder(tmp_path / "other")
    assert adjoin.embedder(other).identity.differences(before) == []  # another place, the same model
    text = (other / "tokenizer.json").read_text().replace('"Whitespace"', '"WhitespaceSplit"')
    (other / "tokenizer.json").write_text(text)
    assert any("tokenizer" in line for line in adjoin.embedder(other).identity.differences(before))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"other": np.zeros((8, 6))}, "has no table of vectors named embeddings"),
        ({"embeddings": np.full((8, 6), np.nan)}, "NaN"),
        ({"embeddings": np.zeros((3, 6))}, "8 pieces, and the table beside it 3"),
        ({"embeddings": np.zeros((8, 6)), "weights": np.zeros(3)}, "weights of shape"),
    ],
)
def test_a_damaged_folder_is_refused_by_what_is_wrong(tmp_path: Path, tensors: dict[str, Any], said: str) -> None:
    folder = model2vec_folder(tmp_path / "bad", tensors=tensors)
    with pytest.raises(UnreadableFile, match=said):
        adjoin.embedder(folder).embed(["the cat"])


def test_cut_short_missing_and_foreign_files_are_refused(folder: Path) -> None:
    with pytest.raises(InvalidOption, match="a static model has no pooling"):
        adjoin.embedder(folder, pooling="cls")
    with pytest.raises(InvalidOption, match="between 1 and the model's 6"):
        adjoin.embedder(folder, dim=7)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFile, match="safetensors"):
        adjoin.embedder(folder).embed(["the cat"])
    (folder / "model.safetensors").write_bytes(whole)
    (folder / "tokenizer.json").write_text("no JSON")
    with pytest.raises(UnreadableFile, match=r"tokenizer\.json"):
        adjoin.embedder(folder).embed(["the cat"])
    (folder / "tokenizer.json").unlink()
    with pytest.raises(NotFound, match=r"lacks model\.safetensors or tokenizer\.json"):
        adjoin.embedder(folder)


def test_written_tensors_are_what_the_safetensors_package_reads(tmp_path: Path) -> None:
    theirs = pytest.importorskip("safetensors.numpy")
    tensors = {"embeddings": np.arange(12, dtype=np.float32).reshape(4, 3), "weights": np.ones(4, np.float32)}
    write_tensors(tmp_path / "a.safetensors", tensors)
    read = theirs.load_file(tmp_path / "a.safetensors")
    assert shapes(tmp_path / "a.safetensors") == {"embeddings": (4, 3), "weights": (4,)}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(read[name], tensor)


def test_the_mean_of_no_pieces_is_the_neutral_vector() -> None:
    table = Table(np.eye(3, dtype=np.float32), np.array([1, 2, 3], np.float32))
    means = pooled(table, [0, 2, 1], np.array([2, 0, 1]), np.full(3, 7, np.float32))
    np.testing.assert_allclose(means, [[0.5, 0, 1.5], [7, 7, 7], [0, 2, 0]])
